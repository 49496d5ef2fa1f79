"""Several consumers, slow ones and stuck ones (design §6): whatever the group does, each event is applied once."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from uuid import uuid4

import pytest

from helpdesk.consumer.apply import Handler
from helpdesk.consumer.batch import StreamBatch
from helpdesk.consumer.settings import Limits
from helpdesk.consumer.subscriber import Subscriber
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
    stored,
    subscribed,
    written,
)

IMPATIENT = Limits(session_timeout_ms=6_000, max_poll_interval_ms=1_000, rebalance_timeout_ms=2_000, look_s=0.2)
REBALANCES = 3


async def all_written(views: Views, streams: Sequence[Stream], last: int) -> bool:
    for stream in streams:
        if await written(views.engine, stream) != list(range(1, last + 1)):
            return False
    return True


def _placed_or_over(one: Subscriber, producing: "asyncio.Task[None]") -> bool:
    return bool(one.state.placed) or producing.done()


async def test_every_record_that_comes_three_times_is_applied_once(views: Views, bus: Topic) -> None:
    streams = [new_stream() for _ in range(10)]
    for n, stream in enumerate(streams):
        for value in records(stream, 5):
            await bus.send(value, value, value, partition=n % 3)
    async with subscribed(views, bus, ledger(), max_records=7) as consumer:
        await handled(consumer, 150)
        assert (consumer.state.applied, consumer.state.dropped) == (50, 100)
    assert await all_written(views, streams, 5)


async def test_a_rebalance_every_moment_under_load_doubles_and_loses_nothing(views: Views, bus: Topic) -> None:
    """A second and a third consumer come and go; whoever still works on a batch then is a zombie."""
    streams, group = [new_stream() for _ in range(9)], uuid4().hex
    last, rounds = 0, 0

    async def produce() -> None:
        nonlocal last
        while rounds < REBALANCES or last < 60:
            last += 1
            for n, stream in enumerate(streams):
                await bus.send(record(stream, last), partition=n % 3)

    join = partial(subscribed, views, bus, group=group, max_records=11, limits=IMPATIENT)
    async with join(ledger("first", 0.005)) as first:
        producing = asyncio.create_task(produce())
        while not producing.done():
            async with AsyncExitStack() as others:
                second = await others.enter_async_context(join(ledger("second", 0.005)))
                if rounds % 2:
                    await others.enter_async_context(join(ledger("third", 0.005)))
                await eventually(partial(_placed_or_over, second, producing))
                await asyncio.sleep(0.3)
                assert second.state.halted is None
            rounds += 1
        await producing
        await eventually_true(lambda: all_written(views, streams, last), 40)
        assert first.state.halted is None


TALLY = """
create table if not exists views.tally (tenant_id uuid, stream_id uuid primary key, events integer);
grant select, insert, update on views.tally to views_background"""
COUNT = """
insert into views.tally as t values (%s, %s, %s)
on conflict (stream_id) do update set events = t.events + excluded.events
returning events"""
STANDS_BEFORE_A_LOCK = """
select exists (select from pg_locks l join pg_stat_activity a using (pid)
    where not l.granted and a.application_name = 'test-consumer')"""
ALL_REST = (
    "select not exists (select from pg_stat_activity where application_name = 'test-consumer' and state <> 'idle')"
)


def pausing(seconds: float, pause: Callable[[float], None] = time.sleep) -> Handler:
    """A handler that is busy with its CPU for so long: no heartbeat leaves the process meanwhile."""

    async def write(connection: Connection, batches: Sequence[StreamBatch]) -> None:
        await ledger()(connection, batches)
        pause(seconds)

    return write


async def test_a_handler_that_is_slower_than_the_poll_interval_gets_on_all_the_same(views: Views, bus: Topic) -> None:
    """It leaves the group at each batch; what it did is committed, so it begins after that when it has come back."""
    stream = new_stream()
    await bus.send(*records(stream, 4))
    impatient = Limits(max_poll_interval_ms=300, look_s=0.1)

    async def slow(connection: Connection, batches: Sequence[StreamBatch]) -> None:
        await ledger()(connection, batches)
        await asyncio.sleep(0.9)

    async with subscribed(views, bus, slow, max_records=2, limits=impatient):
        await eventually_true(lambda: all_written(views, [stream], 4), 40)


async def test_a_handler_that_starves_the_heartbeats_doubles_nothing_beside_another(views: Views, bus: Topic) -> None:
    """Kafka gives its partitions away while it still works: then two work on the same events."""
    streams, group = [new_stream() for _ in range(3)], uuid4().hex
    limits = Limits(session_timeout_ms=1_000, look_s=0.2)
    await bus.send(*(record(stream, version) for version in range(1, 9) for stream in streams))
    async with (
        subscribed(views, bus, pausing(1.3), group, max_records=12, limits=limits) as one,
        subscribed(views, bus, pausing(1.3), group, max_records=12, limits=limits) as two,
    ):
        await eventually_true(lambda: all_written(views, streams, 8), 60)
        assert one.state.halted is two.state.halted is None


async def test_when_a_task_of_the_client_ends_by_a_stray_cancellation_the_consumer_begins_again(
    views: Views, bus: Topic
) -> None:
    """So does the one that keeps it in its group, when it leaves just when the group is rebalanced: then it never comes
    back, and the next poll raises a cancellation that nobody asked for."""
    stream = new_stream()
    async with subscribed(views, bus, ledger()) as consumer:
        await bus.send(record(stream, 1))
        await handled(consumer, 1)
        former = consumer._joined
        former._coordinator._coordination_task.cancel()
        await eventually(lambda: consumer._consumer not in (None, former))
        await bus.send(record(stream, 2))
        await handled(consumer, 2)
    assert await written(views.engine, stream) == [1, 2]


STUCK = """
import asyncio, time
from helpdesk.consumer.watchdog import watched

moved = time.monotonic()

async def main():
    with watched("test", 1.0, lambda: moved):
        {stuck}

asyncio.run(main())
"""


def test_a_process_that_stands_still_ends_itself_and_says_where_it_stood() -> None:
    for stuck in ("await asyncio.sleep(30)", "while True: pass"):
        began = time.monotonic()
        ended = subprocess.run(
            [sys.executable, "-c", STUCK.format(stuck=stuck)], capture_output=True, text=True, timeout=25, check=False
        )
        assert ended.returncode == 70, ended.stderr
        assert "most recent call first" in ended.stderr
        assert time.monotonic() - began < 20


async def test_a_consumer_that_waits_for_its_database_or_has_nothing_to_do_is_not_stuck(
    views: Views, bus: Topic
) -> None:
    stream = new_stream()
    async with subscribed(views, bus, ledger(), limits=Limits(watchdog_s=4.0, look_s=0.05)) as consumer:
        await bus.send(record(stream, 1))
        await handled(consumer, 1)
        before = consumer.state.moved_at
        await eventually(lambda: consumer.state.moved_at > before)
        await bus.send(record(new_stream(), 2))  # cannot be healed: it says so, which is no standing still
        await eventually(lambda: consumer.state.reason)
        before = consumer.state.moved_at
        await eventually(lambda: consumer.state.moved_at > before)


async def test_a_consumer_whose_handler_never_returns_stands_still(views: Views, bus: Topic) -> None:
    async def never(connection: Connection, batches: Sequence[StreamBatch]) -> None:
        await asyncio.sleep(3600)

    await bus.send(record(new_stream(), 1))
    async with subscribed(views, bus, never, limits=Limits(watchdog_s=600, look_s=0.05)) as consumer:
        await eventually(lambda: sum(consumer.state.lag.values()) == 1)
        stood = consumer.state.moved_at
        await asyncio.sleep(0.5)
        assert consumer.state.moved_at == stood


async def test_lag_is_known_by_partition_and_by_tenant(views: Views, bus: Topic) -> None:
    going, goes_on = asyncio.Event(), asyncio.Event()

    async def waiting(connection: Connection, batches: Sequence[StreamBatch]) -> None:
        going.set()
        await goes_on.wait()
        await ledger()(connection, batches)

    stream, other = new_stream(), new_stream()
    async with subscribed(views, bus, waiting) as consumer:
        await bus.send(record(stream, 1), record(other, 1))
        await going.wait()
        await eventually(lambda: sum(consumer.state.lag.values()) == 2)
        goes_on.set()
        await eventually(lambda: consumer.state.lag and sum(consumer.state.lag.values()) == 0)
        from helpdesk.clock import utc_now

        lags = consumer.state.tenants.worst(utc_now())
        assert {str(stream.tenant_id), str(other.tenant_id)} <= set(lags)
        assert all(seconds > 0 for seconds in lags.values())


# Last, for it leaves events in the store, which every first start of a consumer reads.
@pytest.mark.parametrize("healing", [False, True], ids=["from Kafka", "from the store"])
@pytest.mark.parametrize("before", [0, 3], ids=["new stream", "known stream"])
async def test_a_zombie_whose_writes_collide_with_nothing_counts_nothing_twice(
    views: Views, bus: Topic, before: int, healing: bool
) -> None:
    """It adds to what is there, as counters do: done twice it would count twice, and nothing would fail. What is healed
    from the store moves no progress: there the number of moved guards is all that tells."""
    await views.engine.sql(TALLY)
    tally = "select coalesce(sum(events), 0)::int from views.tally where stream_id = %s"
    stream, working, goes_on = new_stream(), asyncio.Event(), asyncio.Event()
    last = before + 2 if healing else before + 1

    async def count(connection: Connection, batches: Sequence[StreamBatch]) -> None:
        for batch in batches:
            done = await connection.execute(COUNT, (batch.stream.tenant_id, batch.stream.id, len(batch.events)))
            await done.fetchone()  # the guard is moved when the server answers: until then all of it is only sent
            if (batch.stream, batch.from_version) == (stream, before) and not working.is_set():
                working.set()
                await goes_on.wait()

    async def counted(events: int) -> bool:
        rest = await views.engine.value(ALL_REST)  # first: who rests now has committed what is counted then
        return bool(rest) and await views.engine.value(tally, stream.id) >= events

    async with subscribed(views, bus, count) as one, subscribed(views, bus, count) as other:
        await eventually(lambda: one.state.placed and other.state.placed)
        for _ in range(last):
            await views.engine.append(stream)
        records = await stored(views.engine, stream)
        if before:
            await bus.send(*records[:before])
            await eventually_true(lambda: counted(before))
        await bus.send(records[last - 1])
        await working.wait()  # one of them has moved the guard and not committed
        await eventually_true(lambda: views.engine.value(STANDS_BEFORE_A_LOCK))
        goes_on.set()
        await eventually_true(lambda: counted(last))
        assert one.state.halted is other.state.halted is None
    assert await views.engine.value(tally, stream.id) == last
