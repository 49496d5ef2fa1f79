"""Tasks that try again for ever, and still end when they are told to."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


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


async def together(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run them side by side until one fails, which ends the others. Raises an ExceptionGroup.

    The group lives in a task of its own: before Python 3.13 a group that fails leaves the task in which it stands
    marked as being cancelled, and `still_wanted` would end a loop that is to try again.
    """

    async def group() -> None:
        async with asyncio.TaskGroup() as tasks:
            for one in coroutines:
                tasks.create_task(one)

    await asyncio.create_task(group())


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """`work`, which should go on for ever, for as long as the block lasts."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Await what must not be left half done; a cancellation meanwhile is raised when it is done.

    The work bounds its own time.
    """
    task, cancelled = asyncio.create_task(work), False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
    await task
