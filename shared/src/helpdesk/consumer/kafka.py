"""Kafka's side of a consumer: where its topic stands, and what its records hold."""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final, Protocol, TypeAlias
from uuid import UUID

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition

from helpdesk.bus import envelope
from helpdesk.bus.topic_id import topic_id
from helpdesk.consumer.batch import Garbage, Received
from helpdesk.consumer.places import Bus

READ_AT_ONCE: Final = 50
Fetched: TypeAlias = Received | Garbage


async def fetch(consumer: AIOKafkaConsumer, timeout_ms: int, max_records: int) -> list[Fetched]:
    """The next records, read. Raises KafkaError.

    It may run beside a batch: others have their turn again and again, PostgreSQL's answers and Kafka's heartbeats.
    """
    records = await consumer.getmany(timeout_ms=timeout_ms, max_records=max_records)
    found: list[Fetched] = []
    for record in chain.from_iterable(records.values()):
        found.append(_read(record))
        if len(found) % READ_AT_ONCE == 0:
            await asyncio.sleep(0)
    return found


async def bus_now(consumer: AIOKafkaConsumer, topic: str, places: Sequence[TopicPartition], store_epoch: UUID) -> Bus:
    """These places of the topic as they stand. Raises KafkaError."""
    begin, end = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
    return Bus(
        await topic_id(consumer._client, topic),
        len(consumer.partitions_for_topic(topic) or ()),
        {place.partition: offset for place, offset in begin.items()},
        {place.partition: offset for place, offset in end.items()},
        store_epoch,
    )


async def positions(consumer: AIOKafkaConsumer, topic: str, numbers: Sequence[int]) -> dict[int, int]:
    """Partition → the offset from which the client fetches next. Raises KafkaError."""
    return {number: await consumer.position(TopicPartition(topic, number)) for number in numbers}


class Assigned(Protocol):
    """Whoever is told which partitions it has."""

    def revoked(self) -> None: ...
    def assigned(self, partitions: Iterable[int]) -> None: ...


class Listener(ConsumerRebalanceListener):
    """Only notes what happened: an assignment is live before its listener ends, and an error here would be ignored."""

    def __init__(self, subscriber: Assigned) -> None:
        self._subscriber = subscriber

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._subscriber.revoked()

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._subscriber.assigned(place.partition for place in assigned)


def _read(record: ConsumerRecord) -> Fetched:
    try:
        recorded, store_epoch = envelope.read(record.value)
    except envelope.Malformed as error:
        return Garbage(record.partition, record.offset, record.value or b"", str(error))
    return Received(record.partition, record.offset, recorded, store_epoch)
