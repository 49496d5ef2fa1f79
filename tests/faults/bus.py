"""Kafka tells things again, too late, or not at all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID, uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from faults.world import World
from helpdesk.bus.clients import connected
from helpdesk.recorded import Stream

LAST_ONES: Final = 500
CONSUMER_OF: Final = {"views": "projector", "webhooks": "webhook-dispatcher-intake", "notices": "notifier-intake"}
PASSED: Final = " union all ".join(
    f"select partition, next_offset from {schema}.progress where topic = %(topic)s" for schema in CONSUMER_OF
)
NEXT: Final = "select next_offset from views.progress where partition = %s"


async def every_record_three_times(world: World) -> None:
    """What the topic holds comes twice more, between what is new."""
    async with consumer(world) as reading, producer(world) as writing:
        for record in await _held(world, reading):
            for _ in range(2):
                await writing.send(
                    record.topic, record.value, record.key, record.partition, headers=list(record.headers)
                )


async def partition_from_0(world: World) -> None:
    """Each consumer reads one partition again from its beginning."""
    for schema, name in CONSUMER_OF.items():
        partition = world.random.randrange(world.partitions)
        await world.in_thread(world.stack.stop, name)
        await world.rows(f"update {schema}.progress set next_offset = 0 where partition = %s", partition)
        await world.in_thread(world.stack.start, name)


async def record_dropped(world: World) -> None:
    """One record never reaches the consumer; the next one of its stream tells it so, and the store has it."""
    async with world.load.paused():
        (who, *_) = world.load.staff
        ticket = await who.opens_ticket()
        stream = Stream(UUID(who.tenant_id), "ticket", UUID(ticket["id"]))
        await world.until(lambda: world.applied("ticket", stream.id, 1))
        await world.in_thread(world.stack.stop, "projector")
        try:
            partition = stream.shard % world.partitions
            for _ in range(2):
                await who.comments_on(ticket)
            await _has_come(world, partition, await world.value(NEXT, partition) + 2)
            await world.rows("update views.progress set next_offset = next_offset + 1 where partition = %s", partition)
        finally:
            await world.in_thread(world.stack.start, "projector")
        await world.until(lambda: world.applied("ticket", stream.id, 3))


async def retention_passed(world: World) -> None:
    """A consumer was away for so long that Kafka has thrown away what it has not read."""
    await world.in_thread(world.stack.stop, "projector")
    try:
        await world.load.progresses(20)
        await forget(world)
    finally:
        await world.in_thread(world.stack.start, "projector")


async def foreign_transaction_ends(world: World) -> None:
    """Somebody's transaction leaves a marker in each partition, an offset without a record: nobody waits."""
    async with world.load.paused(), consumer(world) as reading:
        last = {record.partition: record for record in await _held(world, reading)}
        foreign = AIOKafkaProducer(bootstrap_servers=world.bootstrap, transactional_id=uuid4().hex)
        async with connected(foreign), foreign.transaction():
            for partition, record in last.items():
                await foreign.send_and_wait(world.topic, record.value, record.key, partition)

        async def passed() -> bool:
            ends = await reading.end_offsets(world.places)
            async with world.connection() as connection:
                found = await connection.execute(PASSED, {"topic": world.topic})
                return all(at == ends[TopicPartition(world.topic, number)] for number, at in await found.fetchall())

        await world.until(passed)


async def rebalances(world: World) -> None:
    """A member comes and goes, and with it every partition."""
    rounds, pause_s = (10, 3.0) if world.long else (3, 0.3)
    for _ in range(rounds):
        reading = AIOKafkaConsumer(
            world.topic,
            bootstrap_servers=world.bootstrap,
            group_id=world.group("projector"),
            enable_auto_commit=False,
        )
        async with connected(reading):
            await reading.getmany(timeout_ms=1)
        await world.lasts(pause_s)


async def _has_come(world: World, partition: int, end: int) -> None:
    place = TopicPartition(world.topic, partition)
    async with consumer(world) as reading:

        async def come() -> bool:
            return bool((await reading.end_offsets([place]))[place] >= end)

        await world.until(come)


async def forget(world: World) -> None:
    """Kafka throws away all that its topic holds now."""
    async with consumer(world) as reading:
        ends = await reading.end_offsets(world.places)
    admin = AIOKafkaAdminClient(bootstrap_servers=world.bootstrap)
    async with connected(admin):
        await admin.delete_records({place: RecordsToDelete(end) for place, end in ends.items() if end})


# --- hands ------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def consumer(world: World) -> AsyncIterator[AIOKafkaConsumer]:
    """Somebody who reads without a group."""
    one = AIOKafkaConsumer(bootstrap_servers=world.bootstrap, enable_auto_commit=False)
    async with connected(one):
        yield one


@asynccontextmanager
async def producer(world: World) -> AsyncIterator[AIOKafkaProducer]:
    """Somebody who writes what no relay would."""
    one = AIOKafkaProducer(bootstrap_servers=world.bootstrap, linger_ms=5)
    async with connected(one):
        yield one
        await one.flush()


async def _held(world: World, reading: AIOKafkaConsumer) -> list[ConsumerRecord]:
    """The last records of each partition, in order."""
    reading.assign(world.places)
    begin, end = await reading.beginning_offsets(world.places), await reading.end_offsets(world.places)
    left = {place for place in world.places if end[place] > begin[place]}
    for place in world.places:
        reading.seek(place, max(begin[place], end[place] - LAST_ONES))
    found: list[ConsumerRecord] = []
    async with asyncio.timeout(30):
        while left:
            for place, records in (await reading.getmany(timeout_ms=200)).items():
                found += records
                if records[-1].offset + 1 >= end[place]:
                    left.discard(TopicPartition(place.topic, place.partition))
    return found
