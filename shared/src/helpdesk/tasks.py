"""Tasks that try again for ever, and still end when they are told to."""

import asyncio


def still_wanted() -> None:
    """End this task if it is being cancelled.

    A library can answer a cancellation with an error of its own (a connection that broke off, say) or with a result,
    and a task group prefers its children's errors to its own cancellation; a loop would then go on for ever.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def pause(delay_s: float) -> None:
    """Wait before the next try, if there is still to be one."""
    still_wanted()
    await asyncio.sleep(delay_s)
