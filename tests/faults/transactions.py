"""Transactions that stay open while others commit: the feed neither skips nor inverts, nor waits for strangers."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import TupleRow

from faults.world import World
from helpdesk.clock import utc_now
from helpdesk.events.operations import SystemProbed
from helpdesk.eventstore.store import NOT_FIRST_WRITE, EventStore, StreamAppend
from helpdesk.postgres.pool import Connection, Pool, open_pool
from helpdesk.recorded import Metadata, Stream

NOBODY: Final = Metadata(None, None, None)
HELD_UP_AT_MOST_S: Final = 1.0
TAKE_AN_ID: Final = "select pg_current_xact_id()"
VIEWS_HAVE: Final = "select from views.stream_guard where stream_id = %s and version >= %s"
LOOK_S: Final = 0.005


@dataclass(frozen=True, slots=True)
class Appender:
    """Appends as the command API does, by its role, but tells nobody: no poke follows."""

    pool: Pool
    store: EventStore

    async def append(self, stream: Stream, version: int = 0) -> None:
        """One event."""
        await self.store.append(uuid4(), [_probe(stream, version)], NOBODY)

    async def append_in(self, connection: Connection, stream: Stream, version: int = 0) -> None:
        """One event, committed when the caller's transaction is."""
        await self.store.append_in(connection, uuid4(), [_probe(stream, version)], NOBODY)

    @asynccontextmanager
    async def patiently(self) -> AsyncIterator[Connection]:
        """A connection whose transactions may idle."""
        async with self.pool.connection() as connection:
            await connection.execute("set idle_in_transaction_session_timeout = 0")
            yield connection
            await connection.execute("reset idle_in_transaction_session_timeout")


def system_stream() -> Stream:
    """A new one, of nobody's tenant."""
    return Stream(UUID(int=0), "system", uuid4())


def _probe(stream: Stream, version: int) -> StreamAppend:
    return StreamAppend(stream, version, [SystemProbed(at=utc_now())])


@asynccontextmanager
async def appender(world: World) -> AsyncIterator[Appender]:
    """One with a few connections."""
    async with open_pool(world.stack.dsn("command_api"), name="fault-appender", max_size=8) as pool:
        yield Appender(pool, EventStore(pool, "events"))


async def slow_appender(world: World) -> None:
    """It has appended and sleeps; thousands of others commit meanwhile. Nobody passes it by."""
    seconds, others = (30.0, 10_000) if world.long else (1.5, 200)
    slow, quick = system_stream(), [system_stream() for _ in range(8)]
    async with appender(world) as one:

        async def hurry(stream: Stream) -> None:
            for version in range(others // len(quick)):
                await one.append(stream, version)

        async with one.patiently() as connection, connection.transaction():
            await one.append_in(connection, slow)
            await asyncio.gather(world.lasts(seconds), *(hurry(stream) for stream in quick[:-1]))
        await hurry(quick[-1])
    for stream, version in ((slow, 1), *((stream, others // len(quick)) for stream in quick)):
        await world.until(_applied(world, stream, version), within_s=60)


async def inverted_streams(world: World) -> None:
    """Who begins first and commits last is neither skipped nor shown after what it precedes."""
    first, second = system_stream(), system_stream()
    async with appender(world) as one:
        async with one.patiently() as connection, connection.transaction():
            await one.append_in(connection, first)
            await one.append(second)
            await world.load.progresses(5)
        await one.append(first, 1)
        await world.until(_applied(world, first, 2))
        await world.until(_applied(world, second, 1))


async def inverted_versions(world: World) -> None:
    """A transaction that owns an id already could put a later version under a lower id: it may not append."""
    stream = system_stream()
    async with appender(world) as one, one.patiently() as connection:
        try:
            async with connection.transaction():
                await connection.execute(TAKE_AN_ID)
                await one.append(stream)
                await one.append_in(connection, stream, 1)
        except psycopg.Error as error:
            if error.sqlstate != NOT_FIRST_WRITE:
                raise
            await one.append(stream, 1)
        await world.until(_applied(world, stream, 2))


async def foreign_transaction_here(world: World) -> None:
    """Somebody's transaction in this database stays open: not our writer, so nobody waits for it."""
    async with world.held(TAKE_AN_ID):
        await _nobody_waits(world, "a foreign transaction in this database")


async def foreign_transaction_elsewhere(world: World) -> None:
    """The same in another database of the cluster."""
    other = world.stack.admin_dsn.rpartition("/")[0] + "/postgres"
    async with await psycopg.AsyncConnection.connect(
        other, options="-c idle_in_transaction_session_timeout=0"
    ) as connection:
        await connection.execute(TAKE_AN_ID)
        await _nobody_waits(world, "a foreign transaction in another database")
        await connection.rollback()


async def prepared_transaction(world: World) -> None:
    """A transaction without a session: prepared, and forgotten by whoever coordinates it."""
    name = f"fault_{uuid4().hex}"
    async with world.held(TAKE_AN_ID) as connection:
        await connection.execute(f"prepare transaction '{name}'")
        try:
            await _nobody_waits(world, "a prepared transaction")
        finally:
            await world.rows(f"rollback prepared '{name}'")


async def _nobody_waits(world: World, for_what: str) -> None:
    """Beside the load, event after event of our own: how long from its acknowledgement until the views have it."""
    until, lags = time.monotonic() + (30 if world.long else 2), list[float]()
    stream, applied = system_stream(), world.load.figures.acknowledged
    async with appender(world) as one, world.connection() as looking:
        await one.append(stream)  # and whatever was under way may still have been held up by something else
        await world.until(_applied(world, stream, 1))
        while time.monotonic() < until:
            await one.append(stream, len(lags) + 1)
            acknowledged = time.monotonic()
            await world.until(partial(_returns_a_row, looking, VIEWS_HAVE, stream.id, len(lags) + 2), look_s=LOOK_S)
            lags.append(time.monotonic() - acknowledged)
    world.measured[f"append to views, {for_what} open, ms"] += [1000 * lag for lag in lags]
    assert world.load.figures.acknowledged > applied
    assert max(lags) < HELD_UP_AT_MOST_S, f"{for_what} held the views up for {max(lags):.1f} s"


async def _returns_a_row(connection: psycopg.AsyncConnection[TupleRow], query: str, *params: Any) -> bool:
    return await (await connection.execute(query, params)).fetchone() is not None


def _applied(world: World, stream: Stream, version: int) -> Callable[[], Awaitable[bool]]:
    return lambda: world.applied(stream.type, stream.id, version)
