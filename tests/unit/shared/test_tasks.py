"""Loops that try again: a failure beside them is no cancellation, and a cancellation is never lost."""

import asyncio

import pytest

from helpdesk.tasks import pause, still_wanted, to_the_end, together


async def fail() -> None:
    raise OSError("the connection broke off")


async def test_the_failure_of_one_ends_the_others_and_the_loop_goes_on() -> None:
    ended = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    for _ in range(3):
        with pytest.raises(ExceptionGroup) as group:
            await together(endless(), fail())
        assert [type(one) for one in group.value.exceptions] == [OSError]
        assert ended.is_set()
        await pause(0)  # would end this task if it seemed to be cancelled


async def test_a_cancellation_that_is_answered_with_an_error_still_ends_the_loop() -> None:
    begun, rounds = asyncio.Event(), 0

    async def stubborn() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError("broken off")

    async def loop() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            try:
                await together(stubborn())
            except* OSError:
                pass
            await pause(0)

    task = asyncio.create_task(loop())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert rounds == 1


async def test_who_is_not_cancelled_is_wanted() -> None:
    still_wanted()


async def test_what_must_not_be_left_half_done_is_done_before_a_cancellation_goes_on() -> None:
    goes_on, done = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await goes_on.wait()
        done.set()

    task = asyncio.create_task(to_the_end(work()))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    assert not task.done()
    goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done.is_set()


async def test_what_the_work_raises_is_raised() -> None:
    with pytest.raises(OSError, match="broke off"):
        await to_the_end(fail())
