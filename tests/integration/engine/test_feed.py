"""The feed (design §4): commit order, nothing skipped, nothing shown early."""

import asyncio
from dataclasses import dataclass, field
from uuid import uuid4

import psycopg
import pytest

from helpdesk.eventstore.store import StreamAppend
from helpdesk.postgres.pool import Connection, connect
from helpdesk.recorded import START, Cursor, Stream
from integration.engine.rig import NOBODY, Engine, events, eventually_true, new_stream

FEED = """
select xid::text::bigint, position, tenant_id, stream_type, stream_id, version, shard
from events.feed(%s::text::xid8, %s, %s, %s, %s)"""


@dataclass
class Reader:
    """Somebody who follows the feed and remembers what it saw."""

    connection: Connection
    cursor: Cursor = START
    seen: list[tuple[Stream, int]] = field(default_factory=list)
    shards: set[int] = field(default_factory=set)

    async def look(self, limit: int = 1000, divisor: int = 1, remainder: int = 0) -> int:
        found = await self.connection.execute(FEED, (self.cursor.xid, self.cursor.position, limit, divisor, remainder))
        rows = await found.fetchall()
        for xid, position, tenant_id, type_, id_, version, shard in rows:
            assert (xid, position) > (self.cursor.xid, self.cursor.position)
            self.cursor = Cursor(xid, position)
            self.seen.append((Stream(tenant_id, type_, id_), version))
            self.shards.add(shard)
        return len(rows)

    async def look_to_the_end(self, limit: int = 1000, divisor: int = 1, remainder: int = 0) -> None:
        while await self.look(limit, divisor, remainder):
            pass

    async def sees(self, stream: Stream) -> bool:
        """Looking again until it shows: another database's transaction may hold the horizon for a moment."""
        await self.look_to_the_end()
        return any(one == stream for one, _ in self.seen)


async def reader(engine: Engine) -> Reader:
    return Reader(await connect(engine.dsn("command_relay"), name="test"))


async def test_the_feed_shows_commit_order_while_a_slow_transaction_holds_back(store: Engine) -> None:
    """A transaction with a lower id that commits late: a reader by position alone would have skipped it."""
    slow, quick, after = new_stream(), new_stream(), new_stream()
    looking = await reader(store)
    async with looking.connection, await connect(store.dsn("command_api"), name="test") as sleeper:
        async with sleeper.transaction():
            await store.store.append_in(sleeper, uuid4(), [StreamAppend(slow, 0, events(2))], NOBODY)
            for _ in range(3):
                await store.append(quick)
                await looking.look_to_the_end()
            assert [one for one in looking.seen if one[0] in (slow, quick)] == []
        await store.append(after)
        await eventually_true(lambda: looking.sees(after))
        expected = [(slow, 1), (slow, 2), (quick, 1), (quick, 2), (quick, 3), (after, 1)]
        assert [one for one in looking.seen if one[0] in (slow, quick, after)] == expected


async def test_what_was_rolled_back_is_never_shown(store: Engine) -> None:
    gone, stays = new_stream(), new_stream()
    looking = await reader(store)
    async with looking.connection, await connect(store.dsn("command_api"), name="test") as sleeper:
        async with sleeper.transaction(force_rollback=True):
            await store.store.append_in(sleeper, uuid4(), [StreamAppend(gone, 0, events())], NOBODY)
            await store.append(stays)
        await eventually_true(lambda: looking.sees(stays))
        assert gone not in {one for one, _ in looking.seen}


async def test_a_reader_among_many_writers_skips_nothing_and_sees_nothing_twice(store: Engine) -> None:
    streams = [new_stream() for _ in range(12)]
    looking = await reader(store)

    async def write(stream: Stream) -> None:
        for n in range(8):
            if n % 3:
                await store.append(stream)
            else:  # some sit on their transaction for a while
                async with store.pool.connection() as connection, connection.transaction():
                    await store.store.append_in(connection, uuid4(), [StreamAppend(stream, n, events())], NOBODY)
                    await connection.execute("select pg_sleep(0.01)")
                store.versions[stream] = n + 1

    async with looking.connection:
        writing = asyncio.gather(*(write(one) for one in streams))
        while not writing.done():
            await looking.look(limit=7)
            await asyncio.sleep(0)
        await writing
        last = new_stream()
        await store.append(last)
        await eventually_true(lambda: looking.sees(last))
    for stream in streams:
        assert [version for one, version in looking.seen if one == stream] == list(range(1, 9))
    assert len(looking.seen) == len(set(looking.seen))


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
async def test_the_feed_refuses_an_old_snapshot(store: Engine, level: str) -> None:
    async with await connect(store.dsn("command_relay"), name="test") as connection:
        with pytest.raises(psycopg.Error) as refused:
            async with connection.transaction():
                await connection.execute(f"set transaction isolation level {level}")
                await connection.execute(FEED, (0, 0, 1, 1, 0))
        assert refused.value.sqlstate == "HD005"


async def test_the_feed_of_a_share_holds_its_shards_and_all_shares_are_the_whole(store: Engine) -> None:
    streams = [new_stream() for _ in range(20)]
    for stream in streams:
        await store.append(stream, 2)
    whole = await reader(store)
    async with whole.connection:
        await eventually_true(lambda: whole.sees(streams[-1]))
        shares = []
        for remainder in range(3):
            share = Reader(whole.connection)
            await share.look_to_the_end(limit=3, divisor=3, remainder=remainder)
            assert all(shard % 3 == remainder for shard in share.shards)
            assert all(stream.shard % 3 == remainder for stream, _ in share.seen)
            shares += share.seen
    assert sorted(shares) == sorted(whole.seen)


async def test_a_limit_cuts_anywhere_and_loses_nothing(store: Engine) -> None:
    stream = new_stream()
    await store.append(stream, 5)
    looking = await reader(store)
    async with looking.connection:
        await eventually_true(lambda: looking.sees(stream))
        again = Reader(looking.connection)
        await again.look_to_the_end(limit=2)
    assert again.seen == looking.seen
