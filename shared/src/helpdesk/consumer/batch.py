"""What a batch of records comes to: pure functions from records and guards to what may be applied."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from uuid import UUID

from helpdesk.bus.envelope import Unreadable
from helpdesk.recorded import RecordedEvent, Stream

NOWHERE: Final = -1
"""The partition of what comes from the store and not from Kafka: it is no progress."""


class Diverged(Exception):
    """A version that was applied carries another event now: this store is not the one that was consumed before."""


class Received(NamedTuple):
    """One event and where it stood."""

    partition: int
    offset: int
    recorded: RecordedEvent | Unreadable
    store_epoch: UUID


@dataclass(frozen=True, slots=True)
class Garbage:
    """A record that is no envelope: nobody can say which stream it belongs to."""

    partition: int
    offset: int
    value: bytes
    error: str


@dataclass(slots=True)
class Taken:
    """A batch: its events, what among it is garbage, and partition → the offset after its last record."""

    received: list[Received] = field(default_factory=list)
    garbage: list[Garbage] = field(default_factory=list)
    ends: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StreamBatch:
    """The next events of one stream: contiguous, of whole commands, the first at `from_version` + 1."""

    stream: Stream
    from_version: int
    events: Sequence[RecordedEvent]

    @property
    def to_version(self) -> int:
        """The stream's version when these are applied."""
        return self.from_version + len(self.events)

    @property
    def redacts(self) -> bool:
        """Whether what was made from earlier events must be made anew."""
        return any(one.redacts for one in self.events)


@dataclass(frozen=True, slots=True)
class Guard:
    """How far a stream is applied, and the event that stands there (None: it was not kept)."""

    version: int
    event_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A stream is applied up to `version`, and of what came next something before `found` is missing."""

    stream: Stream
    version: int
    found: int

    def __str__(self) -> str:
        return f"{self.stream} is applied up to version {self.version} and what came is not all up to {self.found}"


@dataclass(frozen=True, slots=True)
class Park:
    """A stream is to wait from `version` on; `error` reveals nothing that people wrote."""

    stream: Stream
    version: int
    error: str


@dataclass(frozen=True, slots=True)
class Sorted:
    """`batches` are to be applied now; `tail` is the beginning of commands whose rest has not come yet.

    `gaps` must be healed first; `parks` are streams whose next event cannot be read.
    """

    batches: Sequence[StreamBatch] = ()
    tail: Sequence[Received] = ()
    gaps: Sequence[Gap] = ()
    parks: Sequence[Park] = ()


def streams_of(received: Iterable[Received]) -> list[Stream]:
    """The streams of these records, each once, in key order (so that two consumers lock them in one order)."""
    return sorted({one.recorded.stream for one in received}, key=_key)


def _key(stream: Stream) -> tuple[int, str, int]:
    """The same order as that of streams, found four times as quickly."""
    return stream.tenant_id.int, stream.type, stream.id.int


NEW: Final = Guard(0)


def expected(received: Sequence[Received]) -> dict[Stream, Guard]:
    """Where each stream stands if nothing of this came before and nothing is missing: right before its first record."""
    first = {one.recorded.stream: one.recorded.version for one in reversed(received)}
    return {stream: Guard(version - 1) for stream, version in first.items()}


def unsurprising(taken: Taken) -> Sorted | None:
    """What a batch comes to if all stands as `expected`; None when there is anything in it to be careful about."""
    if taken.garbage:
        return None
    done = sort(taken.received, expected(taken.received))
    if not done.batches or done.gaps or done.parks or any(batch.redacts for batch in done.batches):
        return None
    return done


def sort(
    received: Sequence[Received], guards: Mapping[Stream, Guard], parked: Collection[Stream] = frozenset()
) -> Sorted:
    """Judge each record by its stream's guard: lower is dropped, next is taken, beyond it is a gap.

    Records of parked streams wait in the store and are no tail. A stream's last command stays in the tail until it is
    whole: a reader of the views never sees half a command. Raises Diverged.
    """
    by_stream: dict[Stream, tuple[Guard, list[Received]]] = {}
    gaps: dict[Stream, Gap] = {}
    parks: dict[Stream, Park] = {}
    waiting = set(parked)
    for one in received:
        recorded = one.recorded
        stream = recorded.stream
        if waiting and stream in waiting:
            continue
        if (known := by_stream.get(stream)) is None:
            known = by_stream[stream] = guards.get(stream, NEW), []
        guard, taken = known
        at = guard.version + len(taken)
        if recorded.version == at + 1:
            if isinstance(recorded, Unreadable):
                parks[stream] = Park(stream, recorded.version, recorded.reason)
                waiting.add(stream)
            else:
                taken.append(one)
        elif recorded.version > at + 1:
            gaps[stream] = Gap(stream, guard.version, recorded.version)
            waiting.add(stream)
        elif _known(recorded.version, guard, taken) not in (None, recorded.event_id):
            raise Diverged(f"{stream}: version {recorded.version} is another event than the one that was applied")
    batches, tail = [], []
    for stream in sorted(by_stream, key=_key):
        guard, taken = by_stream[stream]
        whole = len(taken)
        while whole and taken[whole - 1].recorded.remaining > 0:
            whole -= 1
        if whole:
            events = [one.recorded for one in taken[:whole] if isinstance(one.recorded, RecordedEvent)]
            batches.append(StreamBatch(stream, guard.version, events))
        if stream not in parks:
            tail += taken[whole:]
    return Sorted(
        batches, sorted(tail, key=lambda one: (one.partition, one.offset)), list(gaps.values()), list(parks.values())
    )


def _known(version: int, guard: Guard, taken: Sequence[Received]) -> UUID | None:
    """The event that stands at an applied version, where that is known."""
    if version > guard.version:
        return taken[version - guard.version - 1].recorded.event_id
    return guard.event_id if version == guard.version else None
