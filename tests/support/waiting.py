"""Waiting on conditions; a fixed sleep is either too long or too short."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], object], timeout: float = 10.0) -> None:
    """Return when it holds, fail when it has not within the time."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)  # what is asked has no event of its own


async def eventually(look: Callable[[], Awaitable[T | None]], seconds: float = 10.0) -> T:
    """What `look` finds as soon as it finds something; fails when it has not within the time."""
    deadline = time.monotonic() + seconds
    while not (found := await look()):
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)
    return found
