"""The limit of row 3: the same number of bytes at the same rate through Kafka and nothing else."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.openloop import at_rate
from helpdesk.bus.topics import ensure_topic

PARTITIONS: Final = 6
FILLING: Final = b'"type":"ticket.created","schema_version":1,"stream_type":"ticket","remaining":0,' * 10
"""With its number a record is as long as an envelope (about 800 bytes), and lz4 finds as much in it."""


class Echo:
    """Produce → consume. The producer's settings are the relay's, the consumer has no group to ask."""

    def __init__(self, topic: str, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer) -> None:
        self._topic, self._producer, self._consumer = topic, producer, consumer
        self._under_way: dict[int, tuple[float, asyncio.Future[float]]] = {}
        self._next = 0

    async def once(self) -> float:
        """Milliseconds from before the produce until the record is consumed."""
        number, self._next = self._next, self._next + 1
        coming: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._under_way[number] = time.perf_counter(), coming
        await self._producer.send(self._topic, b"%d " % number + FILLING, partition=number % PARTITIONS)
        return await coming

    async def at(self, rate: float, seconds: float) -> list[float]:
        """Every record's time, at `rate` records a second."""
        return await at_rate(self.once, rate, seconds)

    async def consume(self) -> None:
        """For ever; beside `once`."""
        while True:
            for records in (await self._consumer.getmany(timeout_ms=1000)).values():
                now = time.perf_counter()
                for record in records:
                    begun, coming = self._under_way.pop(int(record.value.partition(b" ")[0]))
                    coming.set_result((now - begun) * 1000)


@asynccontextmanager
async def echo(bootstrap: str) -> AsyncIterator[Echo]:
    """On a topic of its own."""
    topic = f"bench-{uuid4().hex[:8]}"
    await ensure_topic(bootstrap, topic, PARTITIONS)
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, enable_idempotence=True, acks="all", compression_type="lz4", linger_ms=0
    )
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    async with producer, consumer:
        places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(places)
        await consumer.seek_to_end(*places)
        one = Echo(topic, producer, consumer)
        consuming = asyncio.create_task(one.consume())
        try:
            yield one
        finally:
            consuming.cancel()
            with suppress(asyncio.CancelledError):
                await consuming
