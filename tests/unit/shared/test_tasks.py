"""Loops that try again: a failure beside them is no cancellation, and a cancellation is never lost."""

import asyncio

import pytest

from helpdesk.tasks import pause, still_wanted, together


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
