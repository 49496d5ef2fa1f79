"""Which of the records that Kafka hands over are in turn: each partition's next one and no other."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from helpdesk.consumer.batch import Gap


class _Record(Protocol):
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...


R = TypeVar("R", bound=_Record)


class Turns:
    """The next offset of each placed partition.

    An assignment is live before its listener has placed it, so one batch that was fetched from Kafka's own offset can
    still arrive afterwards: all of it is refused, and the partition is to be sought again. When Kafka then still begins
    later, the records between have expired unread: a Gap, for nothing is skipped silently.
    """

    def __init__(self) -> None:
        self._next: dict[int, int] = {}
        self._sought: dict[int, int] = {}

    def place(self, partition: int, offset: int) -> None:
        """The partition goes on at `offset`."""
        self._next[partition] = offset

    def forget(self) -> None:
        """No partition is placed any more."""
        self._next.clear()
        self._sought.clear()

    def take(self, records: Sequence[R]) -> tuple[list[R], dict[int, int]]:
        """(records in turn, partitions to be sought again → offset). Raises Gap."""
        taken: list[R] = []
        seek: dict[int, int] = {}
        for record in records:
            expected = self._next.get(record.partition)
            if expected is None or record.partition in seek:
                continue
            if record.offset == expected:
                self._next[record.partition] = expected + 1
                taken.append(record)
            elif record.offset > expected:
                if self._sought.get(record.partition) == expected:
                    raise Gap(f"Kafka has lost partition {record.partition} from {expected} to {record.offset - 1}")
                self._sought[record.partition] = seek[record.partition] = expected
        return taken, seek
