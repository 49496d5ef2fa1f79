"""What a batch of records comes to: pure functions from records and guard versions to what may be applied."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from helpdesk.recorded import RecordedEvent, Stream


class Gap(Exception):
    """A stream's next version is missing: applying what follows would lose it."""


@dataclass(frozen=True, slots=True)
class Received:
    """One decoded record and where it stood."""

    partition: int
    offset: int
    recorded: RecordedEvent
    store_epoch: UUID


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


@dataclass(frozen=True, slots=True)
class Sorted:
    """`batches` are to be applied now; `tail` is the beginning of commands whose rest has not come yet."""

    batches: Sequence[StreamBatch]
    tail: Sequence[Received]


def streams_of(received: Iterable[Received]) -> list[Stream]:
    """The streams of these records, each once, in key order (so that two consumers lock them in one order)."""
    return sorted({one.recorded.stream for one in received})


def sort(received: Sequence[Received], versions: Mapping[Stream, int]) -> Sorted:
    """Judge each record by its stream's guard: lower is dropped, next is taken, beyond it is a Gap.

    A stream's last command stays in the tail until it is whole: a reader of the views never sees half a command.
    """
    batches, tail = [], []
    by_stream: dict[Stream, list[Received]] = {}
    for one in received:
        taken = by_stream.setdefault(one.recorded.stream, [])
        expected = versions.get(one.recorded.stream, 0) + len(taken) + 1
        if one.recorded.version == expected:
            taken.append(one)
        elif one.recorded.version > expected:
            raise Gap(f"{one.recorded.stream} is at {expected - 1}, the next record is {one.recorded.version}")
    for stream, taken in sorted(by_stream.items()):
        whole = len(taken)
        while whole and taken[whole - 1].recorded.remaining > 0:
            whole -= 1
        if whole:
            batches.append(StreamBatch(stream, versions.get(stream, 0), [one.recorded for one in taken[:whole]]))
        tail += taken[whole:]
    return Sorted(batches, sorted(tail, key=lambda one: (one.partition, one.offset)))
