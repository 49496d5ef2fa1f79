"""The consumer (design §6): each event is applied once, in order, in whole commands; or it stops and says why."""

import asyncio
from collections.abc import Sequence
from functools import partial
from uuid import uuid4

import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from helpdesk.bus.clients import connected
from helpdesk.consumer.batch import StreamBatch
from helpdesk.postgres.pool import Connection
from helpdesk.recorded import Stream
from integration.engine.rig import (
    Topic,
    Views,
    eventually,
    eventually_true,
    handled,
    ledger,
    new_stream,
    record,
    records,
    subscribed,
    written,
)


async def progress(views: Views, bus: Topic) -> int:
    value = await views.engine.value(
        "select coalesce(sum(next_offset), 0)::int from views.progress where topic = %s", bus.name
    )
    return int(value)


# --- exactly once -----------------------------------------------------------------------------------------------------


async def test_every_record_that_comes_twice_is_applied_once(views: Views, bus: Topic) -> None:
    streams = [new_stream() for _ in range(5)]
    for stream in streams:
        for value in records(stream, 4):
            await bus.send(value, value)
    async with subscribed(views, bus, ledger()) as consumer:
        await handled(consumer, 40)
        assert (consumer.state.applied, consumer.state.dropped) == (20, 20)
    for stream in streams:
        assert await written(views.engine, stream) == [1, 2, 3, 4]
    assert await progress(views, bus) == 40


async def test_a_relay_that_began_again_repeats_a_stretch_in_order(views: Views, bus: Topic) -> None:
    stream = new_stream()
    await bus.send(*records(stream, 6), *records(stream, 9, first=3))
    async with subscribed(views, bus, ledger(), max_records=4) as consumer:
        await handled(consumer, 13)
    assert await written(views.engine, stream) == list(range(1, 10))


@pytest.mark.parametrize("forgetting", ["delete from views.progress", "update views.progress set next_offset = 0"])
async def test_a_partition_that_is_read_again_from_its_beginning_changes_nothing(
    views: Views, bus: Topic, forgetting: str
) -> None:
    stream, group = new_stream(), uuid4().hex
    await bus.send(*records(stream, 10))
    async with subscribed(views, bus, ledger(), group) as consumer:
        await handled(consumer, 10)
    await views.engine.sql(f"{forgetting} where topic = %s", bus.name)
    async with subscribed(views, bus, ledger(), group) as consumer:
        await handled(consumer, 10)
        assert (consumer.state.applied, consumer.state.dropped) == (0, 10)
        await bus.send(*records(stream, 12, first=11))
        await handled(consumer, 12)
    assert await written(views.engine, stream) == list(range(1, 13))
    assert await progress(views, bus) == 12


@pytest.mark.parametrize("offset", [0, 3, 30])
async def test_kafkas_own_offset_is_never_believed(views: Views, bus: Topic, offset: int) -> None:
    """Behind, as after a kill between our commit and the hint; or far ahead, as nobody knows why."""
    stream, group = new_stream(), uuid4().hex
    await bus.send(*records(stream, 20))
    async with subscribed(views, bus, ledger(), group) as consumer:
        await handled(consumer, 20)
    await bus.send(*records(stream, 40, first=21))
    await commit(bus, group, offset)
    async with subscribed(views, bus, ledger(), group) as consumer:
        await handled(consumer, 20)
        assert (consumer.state.applied, consumer.state.dropped) == (20, 0)
    assert await written(views.engine, stream) == list(range(1, 41))


async def test_a_first_start_believes_no_offset_either(views: Views, bus: Topic) -> None:
    stream, group = new_stream(), uuid4().hex
    await bus.send(*records(stream, 20))
    await commit(bus, group, 15)
    async with subscribed(views, bus, ledger(), group) as consumer:
        await handled(consumer, 20)
    assert await written(views.engine, stream) == list(range(1, 21))


async def commit(bus: Topic, group: str, offset: int) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=bus.bootstrap, group_id=group, enable_auto_commit=False)
    async with connected(consumer):
        place = TopicPartition(bus.name, 0)
        consumer.assign([place])
        await consumer.commit({place: offset})


async def test_consumers_that_are_cut_off_again_and_again_apply_each_event_once(views: Views, bus: Topic) -> None:
    stream, group = new_stream(), uuid4().hex
    await bus.send(*records(stream, 60))
    for stop_at in (5, 20, 45, 60):
        async with subscribed(views, bus, ledger(pause_s=0.002), group, max_records=5) as consumer:
            state = consumer.state
            await eventually(partial(getattr, state, "placed"))

            async def far_enough(at: int = stop_at) -> bool:
                return len(await written(views.engine, stream)) >= at

            await eventually_true(far_enough)
    assert await written(views.engine, stream) == list(range(1, 61))


# --- whole commands ---------------------------------------------------------------------------------------------------


async def test_half_a_command_waits_for_its_rest_however_often_the_consumer_begins_again(
    views: Views, bus: Topic
) -> None:
    stream, other, group = new_stream(), new_stream(), uuid4().hex
    await bus.send(record(stream, 1), record(stream, 2, remaining=2))
    for n in (1, 2):
        async with subscribed(views, bus, ledger(), group) as consumer:
            await bus.send(record(other, n))
            await eventually_true(partial(has, views, other, n))
            assert consumer.state.reason is None
            assert await written(views.engine, stream) == [1]
            assert await progress(views, bus) == 1
    async with subscribed(views, bus, ledger(), group) as consumer:
        await bus.send(record(stream, 3, remaining=1), record(stream, 4))
        await eventually_true(lambda: has(views, stream, 4))
        assert consumer.state.reason is None
    assert await written(views.engine, stream) == [1, 2, 3, 4]
    assert await progress(views, bus) == 6


async def has(views: Views, of: Stream, version: int) -> bool:
    return version in await written(views.engine, of)


async def test_half_a_command_that_comes_alone_does_not_halt(views: Views, bus: Topic) -> None:
    stream = new_stream()
    async with subscribed(views, bus, ledger(), max_records=1) as consumer:
        await bus.send(record(stream, 1, remaining=1))
        await bus.send(record(stream, 2))
        await handled(consumer, 2)
    assert await written(views.engine, stream) == [1, 2]


# --- what passes ------------------------------------------------------------------------------------------------------


async def test_a_handler_that_cannot_reach_the_database_is_asked_again(views: Views, bus: Topic) -> None:
    stream, write = new_stream(), ledger()
    attempts = 0

    async def flaky(connection: Connection, batches: Sequence[StreamBatch]) -> None:
        nonlocal attempts
        attempts += 1
        await write(connection, batches)
        match attempts:
            case 1:
                raise psycopg.OperationalError("the network hiccups")
            case 2:
                await connection.execute("select pg_terminate_backend(pg_backend_pid())")
            case 3:
                await connection.execute("set local statement_timeout = 10")
                await connection.execute("select pg_sleep(1)")
            case _:
                pass

    await bus.send(*records(stream, 3))
    async with subscribed(views, bus, flaky) as consumer:
        await handled(consumer, 3)
    assert attempts >= 4
    assert await written(views.engine, stream) == [1, 2, 3]


async def test_an_unknown_type_moves_the_guard_and_is_counted(views: Views, bus: Topic) -> None:
    stream = new_stream()
    await bus.send(record(stream, 1), record(stream, 2, type="system.sang"), record(stream, 3))
    async with subscribed(views, bus, ledger()) as consumer:
        await handled(consumer, 3)
        assert consumer.state.unknown == 1
    guard = "select version from views.stream_guard where stream_id = %s"
    assert await views.engine.value(guard, stream.id) == 3


# --- several consumers ------------------------------------------------------------------------------------------------


async def test_two_consumers_share_the_work_and_a_rebalance_doubles_nothing(views: Views, bus: Topic) -> None:
    streams = [new_stream() for _ in range(6)]
    group = uuid4().hex

    async def produce(first: int, last: int) -> None:
        for version in range(first, last + 1):
            for n, stream in enumerate(streams):
                await bus.send(record(stream, version), partition=n % 3)

    async with subscribed(views, bus, ledger("one", 0.003), group, max_records=7) as one:
        await produce(1, 10)
        await eventually(lambda: one.state.applied > 20)
        async with subscribed(views, bus, ledger("two", 0.003), group, max_records=7) as two:
            producing = asyncio.create_task(produce(11, 30))  # while the group is rebalanced
            await eventually(lambda: one.state.placed and two.state.placed)
            await producing
            producing = asyncio.create_task(produce(31, 50))
            await eventually(lambda: two.state.applied > 20)
            assert one.state.placed | two.state.placed == {0, 1, 2}
            assert not one.state.placed & two.state.placed
        await producing
        await eventually_true(lambda: all_written(views, streams, 50))
        assert one.state.halted is two.state.halted is None
    who = await views.engine.sql(
        "select distinct who from views.ledger where stream_id = any(%s)", [stream.id for stream in streams]
    )
    assert {name for (name,) in who} == {"one", "two"}


async def all_written(views: Views, streams: Sequence[Stream], last: int) -> bool:
    for stream in streams:
        if await written(views.engine, stream) != list(range(1, last + 1)):
            return False
    return True


async def test_a_zombie_loses_on_the_guard_and_goes_on(views: Views, bus: Topic) -> None:
    """Two groups with one progress get every record: each is the other's zombie, at every batch."""
    streams = [new_stream() for _ in range(4)]
    for version in range(1, 31):
        for stream in streams:
            await bus.send(record(stream, version))
    async with (
        subscribed(views, bus, ledger("one", 0.01), max_records=9) as one,
        subscribed(views, bus, ledger("two", 0.01), max_records=9) as two,
    ):
        await eventually_true(lambda: all_written(views, streams, 30))
        assert one.state.halted is two.state.halted is None
        await eventually(lambda: one.state.applied + two.state.applied == 120)
