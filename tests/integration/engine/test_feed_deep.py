"""Tier 2 of the feed: it waits for nobody but those who may still write events, and for each of those."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from time import monotonic
from uuid import uuid4

import psycopg
import pytest

from helpdesk.eventstore.feed import LOOKS_BEFORE_SHALLOW, Depth, Feed
from helpdesk.eventstore.store import StreamAppend
from helpdesk.postgres.pool import Connection, connect
from helpdesk.recorded import START, Cursor, RecordedEvent, Stream
from integration.engine.relays import appended, published, relayed, relays
from integration.engine.rig import NOBODY, Engine, events, eventually, new_stream

TIER_1, TIER_2 = False, True


@dataclass
class Reader:
    """Follows the feed as consumers do; fails at whatever comes out of turn."""

    connection: Connection
    feed: Feed
    cursor: Cursor = START
    seen: dict[Stream, list[int]] = field(default_factory=dict)
    late_s: list[float] = field(default_factory=list)

    async def look(self, limit: int = 500) -> list[RecordedEvent]:
        found = await self.feed.page(self.connection, self.cursor, limit)
        for one in found:
            assert one.cursor > self.cursor
            self.cursor = one.cursor
            versions = self.seen.setdefault(one.stream, [])
            versions.append(one.version)
            assert versions == list(range(1, len(versions) + 1)), f"{one.stream}: {versions}"
        return found


@asynccontextmanager
async def reader(engine: Engine) -> AsyncIterator[Reader]:
    async with await connect(engine.dsn("command_relay"), name="test") as connection:
        yield Reader(connection, Feed("events"))


async def count(engine: Engine, deep: bool) -> int:
    """How many events one look of a tier shows."""
    async with await connect(engine.dsn("command_relay"), name="test") as connection:
        cursor = await connection.execute("select count(*) from events.feed('0', 0, 100000, 1, 0, %s)", (deep,))
        ((found,),) = await cursor.fetchall()
    return int(found)


# --- who holds back ---


@asynccontextmanager
async def open_here(engine: Engine) -> AsyncIterator[None]:
    """Somebody's writing transaction in this database, that has nothing to do with events."""
    async with await connect(engine.admin_dsn, name="foreign") as connection, connection.transaction():
        await connection.execute("create temporary table foreign_rows as select 1 as n")
        yield


@asynccontextmanager
async def open_elsewhere(engine: Engine) -> AsyncIterator[None]:
    """The same in another database of the cluster."""
    other = engine.servers.new_database()
    async with await connect(other, name="foreign") as connection, connection.transaction():
        await connection.execute("create table foreign_rows as select 1 as n")
        yield


@asynccontextmanager
async def prepared(engine: Engine) -> AsyncIterator[None]:
    """A transaction that was prepared and forgotten."""
    await engine.sql("create table if not exists public.foreign_rows (n integer)")
    async with await connect(engine.admin_dsn, name="foreign") as connection:
        name = f"foreign-{uuid4().hex[:8]}"
        await connection.execute("begin")
        await connection.execute("insert into public.foreign_rows values (1)")
        await connection.execute(f"prepare transaction '{name}'")
        try:
            yield
        finally:
            await connection.execute(f"rollback prepared '{name}'")


@pytest.mark.parametrize("foreign", [open_here, open_elsewhere, prepared])
async def test_a_foreign_transaction_holds_nobody_back(
    own: Engine, foreign: Callable[[Engine], AbstractAsyncContextManager[None]]
) -> None:
    """Thousands of events are appended meanwhile: shown within a second, none skipped, no stream out of order."""
    streams, late = [new_stream() for _ in range(20)], []

    async def write(stream: Stream) -> None:
        for _ in range(25):
            await own.append(stream, 4)

    async with reader(own) as looking, foreign(own), relays(own) as state:
        await eventually(lambda: state.leading)
        writing = asyncio.gather(*(write(one) for one in streams))
        while not writing.done():
            if await looking.look():
                late.append(max(one.lag_s for one in state.shares.values()))
            await asyncio.sleep(0.01)
        await writing
        assert await own.value("select events.feed_held_back('0', 0)")  # by the foreign transaction, to the end
        began = monotonic()
        await eventually(lambda: state.caught_up or state.sent == 2000)
        while len(looking.seen) < 20 or sum(map(len, looking.seen.values())) < 2000:
            await looking.look()
            assert monotonic() - began < 1.0
        assert max(late) < 1.0
        assert await count(own, TIER_1) < 2000 == await count(own, TIER_2)
        await relayed(own)
    assert looking.seen == appended(own, streams) == await published(own)


async def test_whoever_appended_and_sleeps_is_waited_for_by_both_tiers(own: Engine) -> None:
    slow, quick = new_stream(), [new_stream() for _ in range(10)]
    async with reader(own) as looking, await connect(own.dsn("command_api"), name="test") as sleeper:
        await own.append(quick[0])
        async with sleeper.transaction():
            await own.store.append_in(sleeper, uuid4(), [StreamAppend(slow, 0, events(3))], NOBODY)
            for stream in quick:
                await asyncio.gather(*(own.append(stream) for stream in quick))
                await looking.look()
            assert await count(own, TIER_2) == 1
            assert looking.feed.depth.deep
        assert await count(own, TIER_2) == 104
        while await looking.look():
            pass
    assert looking.seen[slow] == [1, 2, 3]
    assert {one: looking.seen[one] for one in quick} == appended(own, quick)


async def test_an_append_that_was_prepared_is_waited_for(own: Engine) -> None:
    """Its backend is gone, its lock and its id are not."""
    stream, after = new_stream(), new_stream()
    async with await connect(own.dsn("command_api"), name="test") as connection:
        await connection.execute("begin")
        await own.store.append_in(connection, uuid4(), [StreamAppend(stream, 0, events())], NOBODY)
        await connection.execute("prepare transaction 'an append'")
    await own.append(after)
    assert await count(own, TIER_2) == 0
    await own.sql("commit prepared 'an append'")
    assert await count(own, TIER_2) == 2


async def test_who_holds_the_table_and_has_no_id_yet_delays_nobody(own: Engine) -> None:
    """The moment between the lock and the id, drawn out: whatever it will append gets an id of its own, above."""
    before, during = new_stream(), new_stream()
    async with reader(own) as looking, await connect(own.dsn("command_api"), name="test") as idle:
        await own.append(before)
        async with idle.transaction():
            await idle.execute("lock table events.event in row exclusive mode")
            await own.append(during)
            assert await count(own, TIER_2) == 2
            await looking.look()
            await own.store.append_in(idle, uuid4(), [StreamAppend(before, 1, events())], NOBODY)
            await own.append(new_stream())
            assert await count(own, TIER_2) == 2
        while await looking.look():
            pass
    assert looking.seen[before] == [1, 2]


async def test_where_ids_may_not_be_seen_an_appender_without_one_brings_back_tier_1(own: Engine) -> None:
    await own.sql("revoke pg_read_all_stats from events_feed")
    try:
        async with await connect(own.dsn("command_api"), name="test") as idle, open_here(own):
            await own.append(new_stream())
            assert (await count(own, TIER_1), await count(own, TIER_2)) == (0, 1)
            async with idle.transaction():
                await idle.execute("lock table events.event in row exclusive mode")
                assert await count(own, TIER_2) == 0
            assert await count(own, TIER_2) == 1
    finally:
        await own.sql("grant pg_read_all_stats to events_feed")


# --- storms ---


@pytest.mark.parametrize("tier", [TIER_1, TIER_2])
async def test_in_a_storm_of_appends_of_every_pace_nothing_is_skipped_or_inverted(own: Engine, tier: bool) -> None:
    """Readers of one tier only, which look without a pause; appenders sleep before their commit, roll back, hurry."""
    streams, chance, going = [new_stream() for _ in range(16)], Random(4), True

    async def write(stream: Stream) -> None:
        while going:
            async with own.pool.connection() as connection:
                version = own.versions.get(stream, 0)
                rolled_back = chance.random() < 0.1
                async with connection.transaction(force_rollback=rolled_back):
                    await own.store.append_in(connection, uuid4(), [StreamAppend(stream, version, events())], NOBODY)
                    if chance.random() < 0.3:
                        await connection.execute("select pg_sleep(%s)", (chance.random() * 0.02,))
                own.versions[stream] = version if rolled_back else version + 1

    async with reader(own) as first, reader(own) as second:
        for one in (first, second):
            one.feed.depth = Always(tier)
        writing = [asyncio.create_task(write(one)) for one in streams]
        until = monotonic() + 6
        while monotonic() < until:
            await asyncio.gather(first.look(7), second.look())
        going = False
        await asyncio.gather(*writing)
        async with asyncio.timeout(20):
            while first.seen != appended(own, streams) or second.seen != appended(own, streams):
                await asyncio.gather(first.look(), second.look())
    assert sum(own.versions.values()) > 300


class Always(Depth):
    """One tier, whatever was left out."""

    def __init__(self, deep: bool) -> None:
        super().__init__(deep=deep)

    def looked(self, *, held_back: bool, found: bool) -> None:
        """Nothing is learned."""


async def test_an_id_that_exists_before_its_lock_can_be_seen_is_not_passed_by(own: Engine) -> None:
    """The window cannot be held open from outside; so the same is shown by an appender that has its table lock and its
    id, and whose lock on the id is overlooked: the view of running backends must give the id."""
    body = await own.value("select prosrc from pg_proc where oid = 'events.deep_horizon'::regproc")
    blind = body.replace("t.locktype = 'transactionid'", "t.locktype = 'none'")
    assert blind != body
    await own.sql(
        "create or replace function events.deep_horizon() returns xid8 language plpgsql volatile security definer"
        f" set search_path = '' as $blind$ {blind} $blind$"
    )
    async with await connect(own.dsn("command_api"), name="test") as sleeper:
        async with sleeper.transaction():
            await own.store.append_in(sleeper, uuid4(), [StreamAppend(new_stream(), 0, events())], NOBODY)
            await own.append(new_stream())
            assert await count(own, TIER_2) == 0
            await sleeper.execute("select 1")
        assert await count(own, TIER_2) == 2


# --- which tier ---


def test_two_looks_in_a_row_that_leave_something_out_make_it_deep() -> None:
    depth = Depth()
    for held_back in (True, False, True, False):
        depth.looked(held_back=held_back, found=False)
    assert not depth.deep
    depth.looked(held_back=True, found=False)
    depth.looked(held_back=True, found=False)
    assert depth.deep


def test_it_stays_deep_until_tier_1_would_long_have_done() -> None:
    depth = Depth(deep=True)
    for _ in range(LOOKS_BEFORE_SHALLOW - 1):
        depth.looked(held_back=False, found=True)
        depth.looked(held_back=False, found=False)  # an empty look says nothing
    depth.looked(held_back=True, found=True)
    assert depth.deep
    for _ in range(LOOKS_BEFORE_SHALLOW):
        depth.looked(held_back=False, found=True)
    assert not depth.deep


async def test_the_third_look_at_the_latest_shows_what_tier_1_hides(own: Engine) -> None:
    async with reader(own) as looking, open_here(own):
        await own.append(new_stream())
        assert len(await looking.look()) == 1  # one call, which looks until it knows
        assert looking.feed.depth.deep
        for _ in range(3):
            await own.append(new_stream())
            assert len(await looking.look()) == 1
        assert looking.feed.depth.deep_looks == 4


# --- arithmetic ---

E = 2**32


@pytest.mark.parametrize(
    ("near", "full"),
    [
        (1000, 999),
        (1000, 1000),
        (1000, 1001),
        (E + 5, E - 7),
        (E - 7, E + 5),
        (E + 3, E + 3),
        (7 * E + 100, 6 * E + 4_000_000_000),
        (7 * E - 100, 7 * E + 50),
        (2**40 + 17, 2**40 + 17 - (2**31 - 1)),
        (2**40 + 17, 2**40 + 17 + (2**31 - 1)),
        (2**61, 2**61 - 3),
    ],
)
async def test_a_32_bit_id_is_the_nearest_full_one(store: Engine, near: int, full: int) -> None:
    found = await store.value("select events.full_xid(%s::text::xid, %s::text::xid8)::text", str(full % E), str(near))
    assert int(found) == full


# --- the guard of the append ---


@pytest.mark.parametrize(
    "first",
    [
        "select pg_current_xact_id()",
        "select * from events.store for update",
        "savepoint s; create temporary table t (n integer); rollback to savepoint s",
    ],
)
async def test_an_append_that_is_not_the_first_write_is_refused(own: Engine, first: str) -> None:
    """An id from before, be it of a subtransaction that was rolled back, would put a later version under a lower id."""
    stream = new_stream()
    await own.append(stream)
    async with await connect(own.admin_dsn, name="test") as connection:
        with pytest.raises(psycopg.Error) as refused:
            async with connection.transaction():
                for statement in first.split(";"):
                    await connection.execute(statement)
                await own.append(stream)
                await own.store.append_in(connection, uuid4(), [StreamAppend(stream, 2, events())], NOBODY)
    assert refused.value.sqlstate == "HD001"
    assert await count(own, TIER_2) == 2


async def test_an_append_within_a_savepoint_bears_the_id_of_its_whole_transaction(own: Engine) -> None:
    """So it is waited for until that has ended, and shown as one."""
    stream = new_stream()
    async with await connect(own.dsn("command_api"), name="test") as connection, connection.transaction():
        async with connection.transaction():
            await own.store.append_in(connection, uuid4(), [StreamAppend(stream, 0, events(2))], NOBODY)
        await own.append(new_stream())
        assert await count(own, TIER_2) == 0
    assert await count(own, TIER_2) == 3
