"""Where each partition goes on: from our own progress, and from the store for what Kafka does not have."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from helpdesk.consumer.batch import Sorted, Taken
from helpdesk.consumer.store import Move, Progress
from helpdesk.recorded import START, Cursor

NO_EVENT: Final = UUID(int=0)
REPLAYING: Final = -1
"""The offset of a partition whose replay has not ended: no offset of Kafka's, so that it begins again at the cursor."""


@dataclass(frozen=True, slots=True)
class Bus:
    """The topic as Kafka has it now, and the store that it is filled from."""

    topic_id: UUID
    partitions: int
    begin: Mapping[int, int]
    end: Mapping[int, int]
    store_epoch: UUID

    def beginning(self, partition: int) -> Progress:
        """Of a partition that was never read."""
        return Progress(partition, self.topic_id, REPLAYING, self.store_epoch, START, NO_EVENT, self.partitions)


def replay_from(kept: Progress | None, partition: int, bus: Bus) -> tuple[Cursor, str] | None:
    """From where the store must be read before Kafka, and why; None when Kafka has all that is missing.

    A cursor of another store, or of a partition that had other shards, means nothing.
    """
    if kept is None:
        return START, "no progress is kept"
    if kept.store_epoch != bus.store_epoch:
        return START, "the store is another one"
    if kept.partitions not in (None, bus.partitions):
        return START, f"the topic had {kept.partitions} partitions"
    if kept.topic_id != bus.topic_id:
        return kept.cursor, "the topic is another one"
    if not bus.begin[partition] <= kept.next_offset <= bus.end[partition]:
        return kept.cursor, f"offset {kept.next_offset} is outside {bus.begin[partition]} … {bus.end[partition]}"
    return None


def moves(taken: Taken, done: Sorted, standing: Mapping[int, Progress]) -> list[Move]:
    """What a batch means for the progress of its partitions: each ends before the first record of its tail.

    Records of another store have no cursor here: they move the offset alone. Garbage stands for an event that nobody
    has seen: its partition is to be replayed from before it, whoever has it then.
    """
    ends = ends_of(taken, done, standing)
    unseen: dict[int, int] = {}
    for gap in taken.garbage:
        unseen[gap.partition] = min(gap.offset, unseen.get(gap.partition, gap.offset))
    till = {partition: min(end, unseen.get(partition, end)) for partition, end in ends.items()}
    last: dict[int, tuple[Cursor, UUID]] = {}
    for partition, offset, recorded, _ in taken.received:
        if partition in till and offset < till[partition]:
            before = last.get(partition)
            cursor = recorded.cursor
            last[partition] = (max(cursor, before[0]) if before else cursor, recorded.event_id)
    found = []
    for partition, end in sorted(ends.items()):
        stood = standing[partition]
        cursor, event_id = last.get(partition, (stood.cursor, stood.event_id))
        offset = REPLAYING if partition in unseen else end
        found.append(Move(stood, replace(stood, next_offset=offset, cursor=cursor, event_id=event_id)))
    return found


def ends_of(taken: Taken, done: Sorted, standing: Mapping[int, Progress]) -> dict[int, int]:
    """Where each partition of a batch goes on in Kafka."""
    ends = dict(taken.ends)
    for one in done.tail:
        if one.partition in standing:
            ends[one.partition] = min(one.offset, ends.get(one.partition, one.offset))
    return ends


def replayed(taken: Taken, done: Sorted, standing: Mapping[int, Progress]) -> list[Move]:
    """`moves` for a page of the feed: its offsets are not Kafka's."""
    return [Move(one.before, replace(one.after, next_offset=REPLAYING)) for one in moves(taken, done, standing)]
