"""Where calls are counted. Windows stand on the clock; the one before counts as far as it still reaches in."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from limits import RateLimitItemPerSecond
from limits.aio.storage import Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import ConfigurationError
from limits.storage import storage_from_string

from helpdesk.postgres.counts import Shared

IN_MEMORY: Final = "async+memory://"
POSTGRESQL: Final = ("postgresql://", "postgres://")
Counted: TypeAlias = tuple[int, float, int, float]
"""Calls and seconds left of the window before; calls of this one, and seconds until it counts no more."""
_ROOM: Final = 1_024


class Counts(Protocol):
    """What counts calls under keys."""

    async def take(self, key: str, limit: int, window_s: int) -> tuple[bool, Counted]:
        """Whether one call more fits, which is counted then, and the counts after it."""

    async def clear(self, key: str, window_s: int) -> None:
        """Count this key anew from nothing."""

    async def run(self) -> None:
        """What must go on while it is asked, until cancelled."""


def counts_of(url: str) -> Counts:
    """The counters that `RATE_LIMIT_STORAGE_URL` names. Raises ValueError, ConfigurationError, ImportError,
    NotImplementedError for what cannot be asked."""
    if url == IN_MEMORY:
        return InMemory()
    return Shared(url) if url.startswith(POSTGRESQL) else OfLibrary(url)


@dataclass(slots=True)
class _Counter:
    window_s: int
    number: int
    before: int = 0
    calls: int = 0


class InMemory:
    """The counters of one process: one look each. (The library's sweep goes through all of them at every call.)"""

    def __init__(self) -> None:
        self._counters: dict[str, _Counter] = {}
        self._room = _ROOM

    async def take(self, key: str, limit: int, window_s: int) -> tuple[bool, Counted]:
        """See Counts."""
        number, passed = divmod(time.time(), window_s)
        counter, this = self._counters.get(key), int(number)
        if counter is None:
            self._make_room()
            counter = self._counters[key] = _Counter(window_s, this)
        elif not this <= counter.number <= this + 1:  # set back further, a clock would keep its callers out for as long
            counter.before = counter.calls if counter.number == this - 1 else 0
            counter.number, counter.calls = this, 0
        left = window_s - passed
        fits = counter.before * left / window_s + counter.calls < limit
        counter.calls += fits
        return fits, (counter.before, left if counter.before else 0.0, counter.calls, left + window_s)

    async def clear(self, key: str, window_s: int) -> None:
        """See Counts."""
        self._counters.pop(key, None)

    async def run(self) -> None:
        """Nothing need go on."""
        await asyncio.Event().wait()

    def _make_room(self) -> None:
        """What counts no more goes when there are twice as many as the last time: each costs one look in its life."""
        if len(self._counters) < self._room:
            return
        now = time.time()
        self._counters = {key: one for key, one in self._counters.items() if (one.number + 2) * one.window_s > now}
        self._room = max(_ROOM, 2 * len(self._counters))


class OfLibrary:
    """Another store of `limits`, such as Redis, if its client is installed. It is asked twice, to count and to tell.

    `take` and `clear` raise `limits.errors.StorageError` when it cannot be asked.
    """

    def __init__(self, url: str) -> None:
        storage = storage_from_string(url, wrap_exceptions=True)
        if not isinstance(storage, Storage):
            raise ConfigurationError("not for asyncio")
        self._strategy = SlidingWindowCounterRateLimiter(storage)

    async def take(self, key: str, limit: int, window_s: int) -> tuple[bool, Counted]:
        """See Counts."""
        item = RateLimitItemPerSecond(limit, window_s)
        fits = await self._strategy.hit(item, key)
        counted: Counted = await self._strategy.storage.get_sliding_window(  # type: ignore[attr-defined]  # the strategy demands it
            item.key_for(key), window_s
        )
        return fits, counted

    async def clear(self, key: str, window_s: int) -> None:
        """See Counts."""
        await self._strategy.clear(RateLimitItemPerSecond(1, window_s), key)

    async def run(self) -> None:
        """Nothing need go on."""
        await asyncio.Event().wait()
