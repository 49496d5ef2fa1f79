"""Kafka's side of the relay: a producer for one lead, and pages as one batch for each partition."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from helpdesk.bus.clients import connected
from helpdesk.bus.envelope import Stored

BATCH_BYTES: Final = 262_144
LOOKS_EVERY_MS: Final = 10_000


class Outbox:
    """Sends to one topic, in order, and never again after a failure."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, partitions: int, timeout_s: float) -> None:
        self._producer, self._topic = producer, topic
        self.partitions, self._timeout_s = partitions, timeout_s

    async def send(self, events: Sequence[Stored]) -> None:
        """Return when Kafka has them all. Raises KafkaError, TimeoutError; some may have been sent then. So it does
        when the client has learnt of another number of partitions: events belong elsewhere then.

        A batch for each partition instead of a future for each record. A partition's next batch is handed over only
        when the one before has been taken; from there the sequence numbers of the idempotent producer keep the order.
        """
        async with asyncio.timeout(self._timeout_s):
            if (now := len(await self._producer.partitions_for(self._topic))) != self.partitions:
                raise KafkaError(f"{self._topic} had {self.partitions} partitions, and has {now}")
            sent: list[asyncio.Future[object]] = []
            open_: dict[int, BatchBuilder] = {}
            for event in events:
                partition, key, value = event.shard % self.partitions, event.key(), event.value()
                batch = open_.get(partition)
                if batch is None or batch.append(timestamp=None, key=key, value=value) is None:
                    if batch is not None:
                        sent.append(await self._hand_over(batch, partition))
                    batch = open_[partition] = self._producer.create_batch()
                    batch.append(timestamp=None, key=key, value=value)  # an empty batch takes a record of any size
            for partition, batch in open_.items():
                sent.append(await self._hand_over(batch, partition))
            await asyncio.gather(*sent)

    async def _hand_over(self, batch: BatchBuilder, partition: int) -> asyncio.Future[object]:
        future: asyncio.Future[object] = await self._producer.send_batch(batch, self._topic, partition=partition)
        return future


@asynccontextmanager
async def outbox(bootstrap: str, topic: str, timeout_s: float) -> AsyncIterator[Outbox]:
    """A fresh producer, never used again after a failure: aiokafka counts a batch that never left as sent."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        enable_idempotence=True,
        acks="all",
        compression_type="lz4",
        linger_ms=0,
        metadata_max_age_ms=LOOKS_EVERY_MS,
        max_batch_size=BATCH_BYTES,
        max_request_size=4_194_304,
        request_timeout_ms=int(timeout_s * 1000),
    )
    async with connected(producer, within_s=2 * timeout_s):  # each of its requests is bounded by itself
        async with asyncio.timeout(timeout_s):
            partitions = len(await producer.partitions_for(topic))
        yield Outbox(producer, topic, partitions, timeout_s)
