"""Which of the records that Kafka hands over are in turn: each partition's next one and no other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar


class _Record(Protocol):
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...


R = TypeVar("R", bound=_Record)


@dataclass(slots=True)
class InTurn(Generic[R]):
    """`records` to take now; partitions to `seek` again → offset; partitions of which Kafka has `lost` the next records
    → where it goes on."""

    records: list[R] = field(default_factory=list)
    seek: dict[int, int] = field(default_factory=dict)
    lost: dict[int, int] = field(default_factory=dict)


class Turns:
    """The next offset of each placed partition.

    An assignment is live before it is placed, so one batch that was fetched from Kafka's own offset can still arrive
    afterwards: all of it is refused, and the partition is to be sought again. When Kafka then still begins later, the
    records between have expired unread: nothing of it is taken until somebody has fetched them elsewhere.
    """

    def __init__(self) -> None:
        self._next: dict[int, int] = {}
        self._sought: dict[int, int] = {}

    def place(self, partition: int, offset: int) -> None:
        """The partition goes on at `offset`."""
        self._next[partition] = offset
        self._sought.pop(partition, None)

    def forget(self) -> None:
        """No partition is placed any more."""
        self._next.clear()
        self._sought.clear()

    def take(self, records: Sequence[R]) -> InTurn[R]:
        """Sort them out."""
        turn: InTurn[R] = InTurn()
        for record in records:
            partition = record.partition
            expected = self._next.get(partition)
            if expected is None or partition in turn.seek or partition in turn.lost:
                continue
            if record.offset == expected:
                self._next[partition] = expected + 1
                turn.records.append(record)
            elif record.offset > expected:
                if self._sought.get(partition) == expected:
                    turn.lost[partition] = record.offset
                else:
                    self._sought[partition] = turn.seek[partition] = expected
        return turn

    def skipped(self, positions: Mapping[int, int]) -> dict[int, int]:
        """Of what the client stands at, though nothing of it came: partition → where Kafka goes on."""
        return {number: at for number, at in positions.items() if at > self._next.get(number, at)}
