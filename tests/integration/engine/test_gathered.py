"""Several statements that go to the server in one packet: what a read and a small batch are sent by."""

from collections.abc import AsyncIterator
from contextlib import nullcontext

import psycopg
import pytest
import pytest_asyncio

from helpdesk.postgres.gathered import gathered, piped
from helpdesk.postgres.pool import Connection, connect
from integration.engine.rig import Engine

HELD = "select count(*) from pg_locks where locktype = 'advisory' and objid = 7"


@pytest_asyncio.fixture
async def connection(own: Engine) -> AsyncIterator[Connection]:
    async with await connect(own.admin_dsn, name="gathered", statement_timeout_ms=5_000) as connection:
        await connection.execute("create temp table line (id int primary key, note text)")
        yield connection


async def test_nothing_goes_before_an_answer_is_wanted(own: Engine, connection: Connection) -> None:
    async with gathered(connection):
        await connection.execute("select pg_advisory_lock(7)")
        last = await connection.execute("select 1")
        assert await own.value(HELD) == 0
        assert await last.fetchone() == (1,)
        assert await own.value(HELD) == 1


async def test_each_answer_is_its_own_statements(connection: Connection) -> None:
    async with gathered(connection):
        first = await connection.execute("select generate_series(1, %s)", (3,))
        second = await connection.execute("select %s::text", ("x",))
    assert [row for (row,) in await first.fetchall()] == [1, 2, 3]
    assert await second.fetchone() == ("x",)


async def test_an_error_shows_when_an_answer_is_wanted_and_the_connection_goes_on(connection: Connection) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        async with gathered(connection):
            await connection.execute("select 1 / 0")
            await connection.execute("select 1")
    assert await (await connection.execute("select 2")).fetchone() == (2,)


@pytest.mark.parametrize("together", [True, False])
async def test_a_transaction_is_whole_or_nothing(connection: Connection, together: bool) -> None:
    async with piped(connection, together=together):
        await connection.execute("insert into line values (1)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        async with piped(connection, together=together):
            await connection.execute("insert into line values (2)")
            await connection.execute("insert into line values (1)")
    with pytest.raises(KeyError):
        async with piped(connection, together=together):
            await connection.execute("insert into line values (3)")
            raise KeyError
    rows = await (await connection.execute("select id from line")).fetchall()
    assert rows == [(1,)]


@pytest.mark.parametrize("fails_at", range(8))
async def test_what_stands_behind_a_statement_that_fails_can_be_asked_again(
    connection: Connection, fails_at: int
) -> None:
    """Whichever time it is at which the driver prepares it."""
    for n in range(8):
        with pytest.raises(psycopg.errors.DivisionByZero) if n == fails_at else nullcontext():
            async with gathered(connection):
                await connection.execute("select 1 / %s", (int(n != fails_at),))
                last = await connection.execute("select %s::int + 1", (n,))
            assert await last.fetchone() == (n + 1,)


async def test_more_than_a_socket_holds_goes_there_and_comes_back(connection: Connection) -> None:
    """Both sides write at once, and none waits for the other to read."""
    much = "x" * 4_000_000
    async with gathered(connection):
        echoes = [await connection.execute("select %s::text", (much,)) for _ in range(4)]
    assert [await one.fetchone() for one in echoes] == [(much,)] * 4


async def test_more_statements_than_the_driver_keeps_prepared(connection: Connection) -> None:
    """Those that it drops are dropped in the same pipeline, behind the last question."""
    connection.prepare_threshold, connection.prepared_max = 0, 3
    for n in range(8):
        async with gathered(connection):
            await connection.execute(f"select {n}, %s::int", (n,))
            last = await connection.execute(f"select {n + 1}, %s::int", (n,))
            assert await last.fetchone() == (n + 1, n)
