"""Arrivals that do not wait for answers: what is slow makes nobody come later, so that no wait is hidden."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def at_rate(one: Callable[[], Awaitable[T]], rate: float, seconds: float) -> list[T]:
    """Begin `one` at `rate` a second, at random distances, for a while; return all that came of it.

    Who should have begun while the loop was busy begins as soon as it is free. Raises what `one` raises.
    """
    loop, chance = asyncio.get_running_loop(), random.Random(1)
    tasks: list[asyncio.Task[T]] = []
    begun = due = loop.time()
    while due < begun + seconds:
        if (early := due - loop.time()) > 0:
            await asyncio.sleep(early)
        tasks.append(asyncio.create_task(_awaited(one)))
        due += chance.expovariate(rate)
    return list(await asyncio.gather(*tasks))


async def _awaited(one: Callable[[], Awaitable[T]]) -> T:
    return await one()
