"""Long streams as they were last read, so that a command on one reads what is new and no more (ADR 29)."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from sys import getsizeof
from typing import Any, Final, NoReturn

from command_api.domain.ticket.history import History, continued, history_of
from helpdesk.events.personal import personal_fields
from helpdesk.recorded import RecordedEvent, Stream
from helpdesk.tasks import pause

LONG: Final = 24
"""Events. A shorter stream is read as a whole: that is cheap, and there are many of them."""
BOUND: Final = 8_000_000
"""Bytes of all that is kept, of the one process."""
IDLE_S: Final = 60.0
"""What nobody has asked for so long goes."""
Read = Callable[[Stream, int], Awaitable[Sequence[RecordedEvent]]]
"""The history of a stream after a version, as `EventStore.read_stream` has it."""
_AROUND: Final = 600
"""Bytes of an event's ids and times in a folded ticket, and of its place there."""


@dataclass(slots=True)
class _Kept:
    history: History
    size: int
    used_s: float


class Histories:
    """Reads ticket streams for commands, and keeps what long ones came to.

    What is kept decides nothing by itself. Each reading asks the store for the stream from the kept version on; only if
    its first event is the very one that was kept, and nothing after it redacts, the rest is folded onto what was kept.
    So the answer is what a whole reading at that moment would have come to: events are never changed but by a
    redaction, which appends to the stream that it empties, in one transaction (`eventstore.erasure`), and never deleted
    but by a purge, which takes all of the stream. It does not matter who of several keeps last: each entry is a
    beginning of the stream, and what redacts lies behind it or was read.

    Whether a decision holds is judged by the store's primary key, as ever: an event goes in at the version after the
    one that was read. An entry that is behind costs rows, one that is ahead (of a restored store) a whole reading; at
    worst a command is tried again, none is appended where it was not decided.
    """

    def __init__(
        self,
        read: Read,
        clock_s: Callable[[], float] = time.monotonic,
        long: int = LONG,
        bound: int = BOUND,
    ) -> None:
        self._read, self._clock_s, self._long, self._bound = read, clock_s, long, bound
        self._kept: OrderedDict[Stream, _Kept] = OrderedDict()
        self.size = 0

    async def read(self, stream: Stream) -> History:
        """The stream as it stands. Raises RuntimeError for an event that this version does not know,
        `postgres.pool.UNAVAILABLE`."""
        kept = self._find(stream)
        if kept is not None:
            recorded = await self._read(stream, kept.history.version - 1)
            history = continued(kept.history, recorded)
            if history is not None:
                self._keep(stream, history, kept.size + _size(recorded[1:]))
                return history
            self._drop(stream)
        recorded = await self._read(stream, 0)
        history = history_of(recorded)
        if history.version >= self._long:
            self._keep(stream, history, _size(recorded))
        return history

    def __contains__(self, stream: Stream) -> bool:
        """Whether something of the stream is kept."""
        return stream in self._kept

    def forget_idle(self) -> None:
        """Drop what was not asked for in `IDLE_S`."""
        idle_since = self._clock_s() - IDLE_S
        while self._kept and next(iter(self._kept.values())).used_s <= idle_since:
            self._drop_first()

    async def run(self) -> NoReturn:
        """Forget what is idle, for ever: also where nobody commands."""
        while True:
            self.forget_idle()
            await pause(IDLE_S / 4)

    def _find(self, stream: Stream) -> _Kept | None:
        self.forget_idle()
        return self._kept.get(stream)

    def _keep(self, stream: Stream, history: History, size: int) -> None:
        self._drop(stream)
        if size > self._bound:  # alone it would drive out all the others
            return
        self._kept[stream] = _Kept(history, size, self._clock_s())
        self.size += size
        while self.size > self._bound:
            self._drop_first()

    def _drop(self, stream: Stream) -> None:
        if gone := self._kept.pop(stream, None):
            self.size -= gone.size

    def _drop_first(self) -> None:
        _, gone = self._kept.popitem(last=False)
        self.size -= gone.size


def _size(recorded: Sequence[RecordedEvent]) -> int:
    """Bytes that these events take in a folded ticket, at most: what was replaced since counts, too."""
    return sum(_AROUND + sum(map(_size_of, _texts(one))) for one in recorded)


def _texts(recorded: RecordedEvent) -> list[Any]:
    event = recorded.event
    return [getattr(event, name) for name in personal_fields(event)]


def _size_of(value: object) -> int:
    # Of a string what it takes; of tags and metadata about what their many small objects do.
    return getsizeof(value) if isinstance(value, str) else 8 * getsizeof(str(value))
