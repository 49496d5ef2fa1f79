"""What Kafka does not have comes from the store (design §6): gaps, lost stretches, other topics, other stores."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition

from helpdesk.bus.clients import connected
from helpdesk.bus.topics import ensure_topic
from helpdesk.consumer.errors import Halt
from helpdesk.consumer.subscriber import Subscriber
from helpdesk.recorded import Stream
from integration.engine.rig import (
    EPOCH,
    PARTITIONS,
    Topic,
    Views,
    eventually,
    eventually_true,
    halted,
    handled,
    ledger,
    new_stream,
    partition_of,
    record,
    stored,
    subscribed,
    written,
)


async def happened(views: Views, count: int = 5) -> tuple[Stream, list[bytes]]:
    """A stream in the store, and its records."""
    stream = new_stream()
    for _ in range(count):
        await views.engine.append(stream)
    return stream, await stored(views.engine, stream)


async def has(views: Views, stream: Stream, last: int) -> bool:
    return await written(views.engine, stream) == list(range(1, last + 1))


async def until(views: Views, stream: Stream, last: int) -> None:
    await eventually_true(partial(has, views, stream, last))


async def delete_records(bus: Topic, partition: int, before: int) -> None:
    """As retention does."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bus.bootstrap)
    async with connected(admin):
        await admin.delete_records({TopicPartition(bus.name, partition): RecordsToDelete(before)})


async def emptied(bus: Topic) -> None:
    """The topic is another one of the same name."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bus.bootstrap)
    async with connected(admin):
        await admin.delete_topics([bus.name])
        await eventually_true(lambda: _is_gone(admin, bus.name))
    await ensure_topic(bus.bootstrap, bus.name, PARTITIONS)


async def _is_gone(admin: AIOKafkaAdminClient, name: str) -> bool:
    return name not in await admin.list_topics()


# --- gaps -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [0, 2, 3])
async def test_a_record_that_never_came_is_read_from_the_store_when_its_stream_goes_on(
    views: Views, bus: Topic, lost: int
) -> None:
    async with subscribed(views, bus, ledger()) as consumer:
        await eventually(lambda: consumer.state.placed)
        stream, records = await happened(views)
        other, others = await happened(views, 2)
        await bus.send(*(one for n, one in enumerate(records) if n != lost), *others)
        await until(views, stream, 5)
        await until(views, other, 2)
        await eventually(lambda: consumer.state.healed == 1 and consumer.state.reason is None)


async def test_a_gap_that_the_store_cannot_close_stops_loudly_until_it_can(views: Views, bus: Topic) -> None:
    """A standby that was promoted lacks for a moment what Kafka has: nothing may be applied past it."""
    stream, other = new_stream(), new_stream()
    async with subscribed(views, bus, ledger()) as consumer:
        await eventually(lambda: consumer.state.placed)
        await bus.send(record(stream, 2))
        await eventually(lambda: consumer.state.reason)
        assert str(stream.id) in str(consumer.state.reason)
        await bus.send(record(other, 1))
        assert await written(views.engine, other) == []
        assert consumer.state.halted is None
        await views.engine.sql("update views.progress set updated_at = updated_at")
        await insert(views, stream, 2)
        await until(views, stream, 2)
        await until(views, other, 1)
        await eventually(lambda: consumer.state.reason is None)


async def insert(views: Views, stream: Stream, last: int) -> None:
    """Events with the ids that `record` gives, in the store."""
    for version in range(1, last + 1):
        await views.engine.sql(
            "insert into events.event (tenant_id, stream_type, stream_id, version, shard, event_id, ordinal, remaining,"
            " type, schema_version, data, metadata)"
            " select %s, %s, %s, %s, %s, (%s::json ->> 'event_id')::uuid, 1, 0, 'system.probed', 1,"
            " '{\"at\": \"2026-01-01T12:00:00Z\"}', '{}'",
            stream.tenant_id,
            stream.type,
            stream.id,
            version,
            stream.shard,
            record(stream, version).decode(),
        )


# --- what has expired, or was never read ------------------------------------------------------------------------------


async def test_a_first_start_reads_the_store_too(views: Views, bus: Topic) -> None:
    """A stream whose last record has expired would stay stale for ever: nothing in Kafka tells of it."""
    quiet, _ = await happened(views, 3)
    stream, records = await happened(views, 4)
    await bus.send(*records, partition=partition_of(stream))
    async with subscribed(views, bus, ledger()) as consumer:
        await until(views, quiet, 3)
        await until(views, stream, 4)
        await eventually(lambda: consumer.state.reason is None)


@pytest.mark.parametrize("offset", [-7, 1000])
async def test_an_offset_outside_of_what_kafka_holds_is_healed_from_the_store(
    views: Views, bus: Topic, offset: int
) -> None:
    group = uuid4().hex
    stream, records = await happened(views, 3)
    await bus.send(*records, partition=partition_of(stream))
    async with subscribed(views, bus, ledger(), group) as consumer:
        await until(views, stream, 3)
        await handled(consumer, 3)
    await views.engine.sql("update views.progress set next_offset = %s where topic = %s", offset, bus.name)
    await views.engine.append(stream)  # relayed, and expired
    async with subscribed(views, bus, ledger(), group) as consumer:
        await until(views, stream, 4)
        await eventually(lambda: consumer.state.placed)
        await views.engine.append(stream)
        await bus.send(*await stored(views.engine, stream, 4), partition=partition_of(stream))
        await until(views, stream, 5)


async def test_records_that_expired_before_they_were_read_come_from_the_store(views: Views, bus: Topic) -> None:
    group = uuid4().hex
    stream, records = await happened(views, 3)
    place = partition_of(stream)
    await bus.send(*records, partition=place)
    async with subscribed(views, bus, ledger(), group):
        await until(views, stream, 3)
        await eventually_true(lambda: progressed(views, bus, 3))
    for _ in range(4):
        await views.engine.append(stream)
    await bus.send(*await stored(views.engine, stream, 3), partition=place)
    await delete_records(bus, place, 7)  # all of them
    async with subscribed(views, bus, ledger(), group) as consumer:
        await until(views, stream, 7)
        await eventually(lambda: consumer.state.placed)


async def test_the_end_of_a_foreign_transaction_is_nothing_that_waits(views: Views, bus: Topic) -> None:
    """Its marker takes an offset and is no record: as long as it counted as lag, the watchdog ended every consumer."""
    stream, records = await happened(views, 3)
    place = partition_of(stream)
    async with subscribed(views, bus, ledger()) as consumer:
        await bus.send(*records, partition=place)
        await until(views, stream, 3)
        foreign = AIOKafkaProducer(bootstrap_servers=bus.bootstrap, transactional_id=uuid4().hex)
        async with connected(foreign), foreign.transaction():
            await foreign.send_and_wait(bus.name, records[-1], partition=place)
        await eventually_true(lambda: progressed(views, bus, 5))
        await eventually(lambda: consumer.state.lag == dict.fromkeys(range(PARTITIONS), 0))
        await views.engine.append(stream)
        await bus.send(*await stored(views.engine, stream, 3), partition=place)
        await until(views, stream, 4)


async def test_records_that_expire_unread_under_a_running_consumer_come_from_the_store(
    views: Views, bus: Topic
) -> None:
    """Nothing follows them that could tell of it but the client's own offset."""
    stream, records = await happened(views, 2)
    place = partition_of(stream)
    async with subscribed(views, bus, ledger()) as consumer:
        await bus.send(*records, partition=place)
        await until(views, stream, 2)
        async with unread(consumer, TopicPartition(bus.name, place)):
            await views.engine.append(stream)
            await bus.send(*await stored(views.engine, stream, 2), partition=place)
            await delete_records(bus, place, 3)
        await until(views, stream, 3)


@asynccontextmanager
async def unread(consumer: Subscriber, place: TopicPartition) -> AsyncIterator[None]:
    """Kafka's client does not ask for this partition."""
    client = consumer._consumer
    assert client is not None
    client.pause(place)
    yield
    client.resume(place)


async def progressed(views: Views, bus: Topic, offset: int) -> bool:
    found = await views.engine.value(
        "select coalesce(sum(next_offset), 0)::int from views.progress where topic = %s", bus.name
    )
    return bool(found >= offset)


async def test_a_topic_that_was_made_anew_while_nobody_read_is_filled_up_from_the_store(
    views: Views, bus: Topic
) -> None:
    group = uuid4().hex
    stream, records = await happened(views, 3)
    await bus.send(*records, partition=partition_of(stream))
    async with subscribed(views, bus, ledger(), group) as consumer:
        await handled(consumer, 3)
    await views.engine.append(stream)
    await emptied(bus)
    async with subscribed(views, bus, ledger(), group) as consumer:
        await until(views, stream, 4)
        await eventually(lambda: consumer.state.placed)
        await views.engine.append(stream)
        await bus.send(*await stored(views.engine, stream, 4), partition=partition_of(stream))
        await until(views, stream, 5)


async def test_a_topic_that_is_made_anew_under_a_running_consumer_is_noticed(views: Views, bus: Topic) -> None:
    stream, records = await happened(views, 3)
    await bus.send(*records, partition=partition_of(stream))
    async with subscribed(views, bus, ledger()) as consumer:
        await handled(consumer, 3)
        await views.engine.append(stream)
        await emptied(bus)
        await until(views, stream, 4)
        assert consumer.state.halted is None


async def test_a_replay_that_is_cut_off_goes_on_where_it_was(views: Views, bus: Topic) -> None:
    group = uuid4().hex
    await happened(views, 2)
    async with subscribed(views, bus, ledger(), group) as consumer:
        await eventually(lambda: consumer.state.placed)
    assert await views.engine.value("select count(*) from views.progress where topic = %s", bus.name) == PARTITIONS
    await views.engine.sql("update views.progress set next_offset = -1 where topic = %s", bus.name)  # as if it were cut
    stream, _ = await happened(views, 2)
    async with subscribed(views, bus, ledger(), group) as consumer:
        await until(views, stream, 2)
        assert consumer.state.replayed == 2, "it does not begin again at the start"


# --- other stores -----------------------------------------------------------------------------------------------------


async def test_records_of_a_former_store_are_ignored(views: Views, bus: Topic) -> None:
    stream, records = await happened(views, 2)
    foreign = new_stream()
    place = partition_of(stream)
    async with subscribed(views, bus, ledger()) as consumer:
        await bus.send(record(foreign, 1, store_epoch=UUID(int=9)), *records, partition=place)
        await until(views, stream, 2)
        assert await written(views.engine, foreign) == []
        assert consumer.state.foreign == 1
        await eventually_true(lambda: progressed(views, bus, 3))


async def test_a_store_that_was_restored_under_the_consumer_is_read_from_its_beginning(
    views: Views, bus: Topic
) -> None:
    stream, records = await happened(views, 2)
    place = partition_of(stream)
    try:
        async with subscribed(views, bus, ledger()) as consumer:
            await bus.send(*records, partition=place)
            await until(views, stream, 2)
            await views.engine.sql("update events.store set epoch = %s", UUID(int=77))
            quiet, _ = await happened(views, 3)
            probe = new_stream()  # what tells the consumer of it
            await bus.send(record(probe, 1, store_epoch=UUID(int=77)), partition=place)
            await until(views, quiet, 3)
            assert consumer.state.halted is None
    finally:
        await views.engine.sql("update events.store set epoch = %s", EPOCH)


async def test_a_version_that_became_another_event_halts(views: Views, bus: Topic) -> None:
    stream, records = await happened(views, 2)
    async with subscribed(views, bus, ledger()) as consumer:
        await bus.send(*records)
        await until(views, stream, 2)
        await bus.send(record(stream, 2, event_id=uuid4()))
        assert "version 2 is another event" in await halted(consumer)
        assert consumer.state.why is Halt.DIVERGED
