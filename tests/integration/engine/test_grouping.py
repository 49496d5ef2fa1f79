"""Group append on a real PostgreSQL: design §3, "Group append"."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import pytest_asyncio
from psycopg.conninfo import make_conninfo

from helpdesk.events.ticket import TicketCreated, TicketRetitled
from helpdesk.eventstore.grouping import CAPS, Group, Lane
from helpdesk.eventstore.idempotency import Answer, Key, Keyed
from helpdesk.eventstore.lanes import Caps, Overloaded
from helpdesk.eventstore.prepared import prepare
from helpdesk.eventstore.store import DuplicateCommand, EventTooLarge, StreamAppend, WrongVersion
from helpdesk.postgres.pool import UNAVAILABLE, Connection, connect, open_pool
from helpdesk.recorded import Stream
from integration.engine.cutter import Cutter
from integration.engine.rig import NOBODY, NOON, Engine, events, eventually_true, new_stream

WAITING = "select distinct pid from pg_locks where not granted"
ONE_AT_A_TIME = {lane: Caps(64, 64, 1, 5000, 5000) for lane in Lane}


@pytest_asyncio.fixture
async def group(store: Engine) -> AsyncIterator[Group]:
    """One whose waiting commands are one batch."""
    group = Group(store.pool, "events", ONE_AT_A_TIME)
    yield group
    await group.close()


@pytest_asyncio.fixture
async def foreign(store: Engine) -> AsyncIterator[Connection]:
    """Another appender, whose transaction a test holds open."""
    async with await connect(store.dsn("command_api"), name="foreign") as connection:
        yield connection


async def all_of(group: Group, *wanted: Sequence[StreamAppend], command_id: UUID | None = None) -> list[Any]:
    """The outcome of each, None for success, all sent at once."""
    sent = (group.append(command_id or uuid4(), one, NOBODY) for one in wanted)
    return await asyncio.gather(*sent, return_exceptions=True)


async def xids(store: Engine, *streams: Stream) -> list[list[int]]:
    return [[one.cursor.xid for one in await store.store.read_stream(stream)] for stream in streams]


def kinds(outcomes: Sequence[Any]) -> list[Any]:
    return [type(one) if one is not None else None for one in outcomes]


# --- one batch, many outcomes -----------------------------------------------------------------------------------------


async def test_each_command_of_a_batch_has_its_own_outcome(store: Engine, group: Group) -> None:
    stands, command = new_stream(), uuid4()
    await store.store.append(command, [StreamAppend(stands, 0, events(2))], NOBODY)
    good, other = new_stream(), new_stream(stands.tenant_id)
    several = sorted(new_stream(good.tenant_id) for _ in range(3))
    outcomes = await asyncio.gather(
        group.append(uuid4(), [StreamAppend(good, 0, events())], NOBODY),
        group.append(command, [StreamAppend(new_stream(stands.tenant_id), 0, events())], NOBODY),
        *(group.append(uuid4(), [StreamAppend(stands, n, events())], NOBODY) for n in (1, 3)),
        group.append(uuid4(), [StreamAppend(new_stream(stands.tenant_id), 1, events())], NOBODY),
        group.append(uuid4(), [StreamAppend(one, 0, events(2)) for one in several], NOBODY),
        group.append(uuid4(), [StreamAppend(other, 0, events(3))], NOBODY),
        return_exceptions=True,
    )
    assert kinds(outcomes) == [None, DuplicateCommand, WrongVersion, WrongVersion, WrongVersion, None, None]
    assert [len(found) for found in await xids(store, good, stands, other, *several)] == [1, 2, 3, 2, 2, 2]
    assert len({xid for found in await xids(store, good, other, *several) for xid in found}) == 1, "not one transaction"


async def test_two_commands_on_one_stream_follow_each_other(store: Engine, group: Group) -> None:
    stream = new_stream()
    outcomes = await all_of(group, *([StreamAppend(stream, n, events())] for n in range(5)))
    assert outcomes == [None] * 5
    (found,) = await xids(store, stream)
    assert len(set(found)) == 5
    assert found == sorted(found)


async def test_the_same_command_many_times_at_once_is_appended_once(store: Engine) -> None:
    groups, command = [Group(store.pool, "events") for _ in range(3)], uuid4()
    stream = new_stream()
    outcomes = await asyncio.gather(
        *(group.append(command, [StreamAppend(stream, 0, events(2))], NOBODY) for group in groups * 4),
        return_exceptions=True,
    )
    assert sorted(kinds(outcomes), key=str) == [DuplicateCommand] * 11 + [None]
    assert len(await store.store.read_stream(stream)) == 2


def created(number: int) -> TicketCreated:
    return TicketCreated(
        number=number, title="x", description="", priority="low", metadata=None, tags=(), by=UUID(int=7), at=NOON
    )


async def test_what_violates_a_key_only_at_the_insert_spoils_nobody_elses_command(store: Engine, group: Group) -> None:
    streams = [new_stream(UUID(int=77), "ticket") for _ in range(6)]
    numbers = [1, 2, 3, 3, 4, 5]
    wanted = [[StreamAppend(one, 0, [created(number)])] for one, number in zip(streams, numbers, strict=True)]
    outcomes = await all_of(group, *wanted)
    clashes = [one for one in outcomes if one is not None]
    assert len(clashes) == 1
    assert isinstance(clashes[0], psycopg.errors.UniqueViolation)
    assert clashes[0].diag.constraint_name == "ticket_number_pkey"
    assert outcomes[0] is outcomes[1] is outcomes[4] is outcomes[5] is None
    assert sum(map(len, await xids(store, *streams))) == 5


async def test_an_event_that_is_too_large_does_not_even_queue(store: Engine, group: Group) -> None:
    large = TicketRetitled(title="x" * 262_144, previous="", by=UUID(int=1), at=NOON)
    stream = new_stream()
    outcomes = await all_of(group, [StreamAppend(stream, 0, [large])], [StreamAppend(new_stream(), 0, events())])
    assert kinds(outcomes) == [EventTooLarge, None]


def keyed_answer() -> Keyed:
    return Keyed(Key("user", "POST", "/x", uuid4().hex, b"x"), Answer(201, b"{}"))


# --- the feed's order -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keyed", [False, True])
async def test_all_checks_come_before_the_first_insert(store: Engine, foreign: Connection, keyed: bool) -> None:
    """Else: the first tenant's insert takes id n and waits; the second tenant's predecessor is committed under n + 1;
    the check sees it, and its successor is written under n. The feed would show version 2 before version 1."""
    early, late = Stream(UUID(int=1), "system", uuid4()), Stream(UUID(int=2**128 - 1), "system", uuid4())
    batch = [
        prepare(
            uuid4(), early.tenant_id, [StreamAppend(early, 0, events())], NOBODY, keyed_answer() if keyed else None
        ),
        prepare(uuid4(), late.tenant_id, [StreamAppend(late, 1, events())], NOBODY),
    ]
    async with foreign.transaction(force_rollback=True):
        await store.store.append_in(foreign, uuid4(), [StreamAppend(early, 0, events())], NOBODY)
        sending = asyncio.create_task(store.store.append_batch(batch))
        await eventually_true(lambda: store.value("select count(*) from pg_locks where not granted"))
        await store.append(late)
    refused = await sending
    ((one,), found) = await xids(store, early, late)
    assert found == sorted(found)
    if keyed:  # checks and inserts are statements of one transaction
        assert refused == {batch[1].id: "wrong_version"}
        assert len(found) == 1
    else:  # of one statement, which saw no predecessor; the next transaction did
        assert refused == {}
        assert found[0] < one == found[1]


async def test_processes_that_race_leave_no_hole_and_no_inversion(store: Engine) -> None:
    groups = [Group(store.pool, "events") for _ in range(2)]
    streams = [new_stream(UUID(int=n % 3 + 1)) for n in range(6)]

    async def insist(group: Group, stream: Stream, wins: int) -> None:
        while wins:
            version = len(await store.store.read_stream(stream))
            try:
                await group.append(uuid4(), [StreamAppend(stream, version, events(2))], NOBODY)
            except WrongVersion:
                continue
            wins -= 1

    async def both(group: Group, wins: int) -> None:
        """Over two streams of one tenant, in either order."""
        while wins:
            appends = [StreamAppend(one, len(await store.store.read_stream(one)), events()) for one in streams[::3]]
            try:
                await group.append(uuid4(), appends[:: 1 if wins % 2 else -1], NOBODY)
            except WrongVersion:
                continue
            wins -= 1

    await asyncio.gather(*(insist(group, one, 8) for group in groups for one in streams), *(both(g, 4) for g in groups))
    for stream in streams:
        found = await store.store.read_stream(stream)
        assert [one.version for one in found] == list(range(1, len(found) + 1))
        assert [one.cursor for one in found] == sorted(one.cursor for one in found)
    assert sum([len(await store.store.read_stream(one)) for one in streams]) == 2 * 6 * 8 * 2 + 2 * 4 * 2


# --- fairness ---------------------------------------------------------------------------------------------------------


async def test_a_tenant_with_one_command_does_not_wait_for_another_with_a_thousand(store: Engine) -> None:
    group = Group(store.pool, "events")
    greedy, modest, done = uuid4(), uuid4(), list[UUID]()

    async def append(tenant: UUID) -> None:
        await group.append(uuid4(), [StreamAppend(new_stream(tenant), 0, events())], NOBODY)
        done.append(tenant)

    many = [asyncio.create_task(append(greedy)) for _ in range(1000)]
    await asyncio.sleep(0)  # they stand in line now
    await append(modest)
    assert done.count(greedy) <= 4 * CAPS[Lane.INTERACTIVE].of_tenant
    await asyncio.gather(*many)


async def test_bulk_does_not_stand_before_people(store: Engine) -> None:
    group, done = Group(store.pool, "events"), list[Lane]()

    async def append(lane: Lane) -> None:
        await group.append(uuid4(), [StreamAppend(new_stream(), 0, events())], NOBODY, lane=lane)
        done.append(lane)

    bulk = [asyncio.create_task(append(Lane.BULK)) for _ in range(600)]
    await asyncio.sleep(0)
    await append(Lane.INTERACTIVE)
    assert done.count(Lane.BULK) <= 10 * CAPS[Lane.BULK].batch, "of 600"
    await asyncio.gather(*bulk)


async def test_a_backend_that_stands_still_holds_the_others_back_no_longer_than_a_statement_may_take(
    store: Engine, group: Group
) -> None:
    """No time-out of the server's comes from a process that is stopped: everybody waited for as long as it stood."""
    command, stream = uuid4(), new_stream()
    async with await connect(store.admin_dsn, name="lock") as lock, lock.transaction():
        await lock.execute("lock table events.event in share row exclusive mode")
        hung = asyncio.create_task(group.append(command, [StreamAppend(stream, 0, events(2))], NOBODY))
        await eventually_true(lambda: store.sql(WAITING))
        ((pid,),) = await store.sql(WAITING)
        os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(psycopg.OperationalError):
            await hung
        await group.append(uuid4(), [StreamAppend(new_stream(), 0, events())], NOBODY)
    finally:
        os.kill(pid, signal.SIGCONT)
    with suppress(DuplicateCommand):
        await group.append(command, [StreamAppend(stream, 0, events(2))], NOBODY)
    assert len(await store.store.read_stream(stream)) == 2


async def test_who_waits_for_a_foreign_transaction_holds_nobody_back(store: Engine, foreign: Connection) -> None:
    group, stuck = Group(store.pool, "events", ONE_AT_A_TIME), new_stream()
    async with foreign.transaction():
        await store.store.append_in(foreign, uuid4(), [StreamAppend(stuck, 0, events())], NOBODY)
        waiting = asyncio.create_task(group.append(uuid4(), [StreamAppend(stuck, 0, events())], NOBODY))
        others = [[StreamAppend(new_stream(), 0, events())] for _ in range(5)]
        assert await all_of(group, *others) == [None] * 5
        async with asyncio.timeout(1.0):
            assert await all_of(group, [StreamAppend(new_stream(), 0, events())]) == [None]
        assert not waiting.done()
    with pytest.raises(WrongVersion):
        await waiting


async def test_a_line_that_is_full_refuses_at_once(store: Engine) -> None:
    group = Group(store.pool, "events", {lane: Caps(1, 1, 1, 2, 2) for lane in Lane})
    outcomes = await all_of(group, *([StreamAppend(new_stream(), 0, events())] for _ in range(5)))
    assert kinds(outcomes) == [None, None, Overloaded, Overloaded, Overloaded]


# --- who goes away, what breaks ---------------------------------------------------------------------------------------


async def test_a_caller_who_goes_away_breaks_nobodys_batch(store: Engine, group: Group) -> None:
    streams = [new_stream() for _ in range(6)]
    tasks = [asyncio.create_task(group.append(uuid4(), [StreamAppend(s, 0, events())], NOBODY)) for s in streams]
    for gone in tasks[::2]:
        gone.cancel()
    await asyncio.sleep(0)
    tasks += [asyncio.create_task(group.append(uuid4(), [StreamAppend(new_stream(), 0, events())], NOBODY))]
    await asyncio.sleep(0.002)  # some batch is under way, or not yet: it makes no difference
    tasks[-1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await group.close()
    assert [len(found) for found in await xids(store, *streams[1::2])] == [1, 1, 1]


async def test_closing_writes_what_waits(store: Engine) -> None:
    group, streams = (
        Group(store.pool, "events", {lane: Caps(2, 2, 1, 99, 99) for lane in Lane}),
        [new_stream() for _ in range(9)],
    )
    tasks = [asyncio.create_task(group.append(uuid4(), [StreamAppend(s, 0, events())], NOBODY)) for s in streams]
    await asyncio.sleep(0)
    await group.close()
    assert [len(found) for found in await xids(store, *streams)] == [1] * 9
    await asyncio.gather(*tasks)


@asynccontextmanager
async def cut_off(store: Engine) -> AsyncIterator[tuple[Group, Cutter]]:
    """A group whose connections can be cut."""
    parts = psycopg.conninfo.conninfo_to_dict(store.dsn("command_api"))
    async with Cutter(str(parts["host"]), int(parts["port"] or 5432)) as cutter:
        dsn = make_conninfo(store.dsn("command_api"), host="127.0.0.1", port=cutter.port, sslmode="disable")
        async with open_pool(dsn, name="cut", max_size=3) as pool:
            group = Group(pool, "events", ONE_AT_A_TIME)
            await group.append(uuid4(), [StreamAppend(new_stream(), 0, events())], NOBODY)
            yield group, cutter
            await group.close()


@pytest.mark.parametrize("direction", ["answer", "request"])
async def test_a_connection_that_breaks_doubles_and_loses_nothing(store: Engine, direction: str) -> None:
    async with cut_off(store) as (group, cutter):
        for _ in range(3):
            streams = [new_stream() for _ in range(10)]
            several, late = sorted(new_stream(UUID(int=5)) for _ in range(2)), new_stream()
            await store.append(late)
            cutter.cut_next(direction)
            outcomes = await all_of(
                group,
                *([StreamAppend(one, 0, events(2))] for one in streams),
                [StreamAppend(one, 0, events(2)) for one in several],
                [StreamAppend(late, 0, events())],
            )
            assert cutter.cuts
            assert kinds(outcomes) == [None] * 11 + [WrongVersion]
            assert [len(found) for found in await xids(store, *streams, *several, late)] == [2] * 12 + [1]
            cutter.cuts = 0


async def test_a_backend_that_is_ended_in_the_middle_of_a_batch_doubles_and_loses_nothing(own: Engine) -> None:
    await own.sql("create function events.slow() returns trigger language plpgsql as "
                  "$$ begin perform pg_sleep(0.5); return null; end $$")  # fmt: skip
    await own.sql("create constraint trigger slow after insert on events.event deferrable initially deferred "
                  "for each row when (new.version = 3) execute function events.slow()")  # fmt: skip
    group, streams = Group(own.pool, "events", ONE_AT_A_TIME), [new_stream() for _ in range(5)]
    wanted = [[StreamAppend(one, 0, events(3 if one is streams[0] else 1))] for one in streams]
    sending = asyncio.create_task(all_of(group, *wanted))
    sleeping = "select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'"
    await eventually_true(lambda: own.sql(sleeping))
    assert await sending == [None] * 5
    assert [len(found) for found in await xids(own, *streams)] == [3, 1, 1, 1, 1]


async def test_a_lost_command_that_somebody_else_had_sent_before_is_told_as_a_duplicate(store: Engine) -> None:
    async with cut_off(store) as (group, cutter):
        stream, command = new_stream(), uuid4()
        await store.store.append(command, [StreamAppend(stream, 0, events())], NOBODY)
        cutter.cut_next("answer")
        with pytest.raises(DuplicateCommand):
            await group.append(command, [StreamAppend(new_stream(stream.tenant_id), 0, events())], NOBODY)


async def test_when_the_database_is_away_everybody_is_told(store: Engine) -> None:
    async with cut_off(store) as (group, cutter):
        cutter.refuse()
        async with asyncio.timeout(15):
            outcomes = await all_of(group, *([StreamAppend(new_stream(), 0, events())] for _ in range(200)))
        assert all(isinstance(one, UNAVAILABLE) for one in outcomes)
        cutter.admit()
        async with asyncio.timeout(20):
            while (await all_of(group, [StreamAppend(new_stream(), 0, events())])) != [None]:
                pass
