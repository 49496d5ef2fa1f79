"""What a topic's end says: the furthest event that was ever sent to it."""

import asyncio
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition

from helpdesk.bus import envelope
from helpdesk.bus.clients import connected
from helpdesk.recorded import Cursor
from helpdesk.wire import Undecodable

RECORDS_OF_EACH_PARTITION: Final = 100
"""Duplicates may stand at the very end, but not this many of them alone."""


@dataclass(frozen=True, slots=True, order=True)
class Sent:
    """An event by its place in the feed and its id."""

    cursor: Cursor
    event_id: UUID


async def last_sent(bootstrap: str, topic: str, timeout_s: float) -> Sent | None:
    """The furthest event among each partition's last records; None for an empty topic.

    Raises KafkaError, TimeoutError.
    """
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    async with asyncio.timeout(2 * timeout_s), connected(consumer):
        numbers = await consumer._client._wait_on_metadata(topic)
        places = [TopicPartition(topic, number) for number in numbers]
        consumer.assign(places)
        return await _furthest(consumer, places)


async def _furthest(consumer: AIOKafkaConsumer, places: list[TopicPartition]) -> Sent | None:
    begin, end = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
    for place in places:
        consumer.seek(place, max(begin[place], end[place] - RECORDS_OF_EACH_PARTITION))
    found: list[Sent] = []
    waiting = {place for place in places if begin[place] < end[place]}
    while waiting:
        for records in (await consumer.getmany(*waiting, timeout_ms=500)).values():
            for record in records:
                try:
                    event, _ = envelope.decode(record.value)
                except (envelope.Malformed, Undecodable):
                    continue  # consumers will say so
                found.append(Sent(event.cursor, event.event_id))
        waiting = {place for place in waiting if await consumer.position(place) < end[place]}
    return max(found, default=None)
