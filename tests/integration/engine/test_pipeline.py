"""One statement after the other on one connection, each in its own transaction: what the group append is sent by."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio
from psycopg.conninfo import make_conninfo

from helpdesk.postgres.pipeline import Pipelines
from helpdesk.postgres.pool import Pool, connect, open_pool
from integration.engine.cutter import Cutter
from integration.engine.rig import Engine, eventually_true

STATEMENT = "insert into pipe.line (id, note) values ($1::int, $2)"


@pytest_asyncio.fixture
async def pool(own: Engine) -> AsyncIterator[Pool]:
    await own.sql("create schema pipe")
    await own.sql("create table pipe.line (id int primary key, note text, xid xid8 default pg_current_xact_id())")
    async with open_pool(own.admin_dsn, name="pipe", max_size=2) as pool:
        yield pool


async def rows(own: Engine) -> list[int]:
    return list(await own.value("select coalesce(array_agg(id order by id), '{}') from pipe.line"))


async def test_each_has_its_own_transaction_and_its_own_outcome(own: Engine, pool: Pool) -> None:
    async with Pipelines(pool, STATEMENT).using() as pipeline:
        wanted = [b"1", b"2", b"1", b"nonsense", b"3"]
        outcomes = await asyncio.gather(*(pipeline.execute([one, None]) for one in wanted), return_exceptions=True)
    done, also_done, twice, nonsense, last = outcomes
    assert done is also_done is last is None
    assert isinstance(twice, psycopg.errors.UniqueViolation)
    assert twice.diag.constraint_name == "line_pkey"
    assert isinstance(nonsense, psycopg.errors.InvalidTextRepresentation)
    assert await rows(own) == [1, 2, 3]
    assert await own.value("select count(distinct xid) from pipe.line") == 3


async def test_a_text_larger_than_the_sockets_buffers_arrives(own: Engine, pool: Pool) -> None:
    async with Pipelines(pool, STATEMENT).using() as pipeline:
        await asyncio.gather(*(pipeline.execute([b"%d" % n, b"x" * 8_000_000]) for n in range(4)))
    assert await own.value("select sum(length(note)) from pipe.line") == 32_000_000


async def test_all_who_use_it_share_a_connection_which_is_an_ordinary_one_again_afterwards(
    own: Engine, pool: Pool
) -> None:
    pipelines = Pipelines(pool, "insert into pipe.line (id, note) values ($1::int, pg_backend_pid() || $2)")

    async def use(n: int) -> None:
        async with pipelines.using() as pipeline:
            await pipeline.execute([b"%d" % n, b""])

    for turn in range(3):
        await asyncio.gather(*(use(10 * turn + n) for n in range(5)))
        async with pool.connection() as connection:
            await connection.execute("select 1")
    assert len(await rows(own)) == 15
    assert await own.value("select count(distinct (id / 10, note)) from pipe.line") == 3


async def test_a_connection_that_ends_is_told_to_all_who_wait_and_the_next_has_another(own: Engine, pool: Pool) -> None:
    pipelines = Pipelines(pool, "insert into pipe.line (id, note) values ($1::int, pg_sleep(5)::text || $2)")
    async with pipelines.using() as first:
        both = asyncio.gather(*(first.execute([b"%d" % n, b""]) for n in range(2)), return_exceptions=True)
        sleeping = "select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'"
        await eventually_true(lambda: own.sql(sleeping))
        outcomes = await both
        assert all(isinstance(one, psycopg.OperationalError) for one in outcomes)
        assert first.broken
        with pytest.raises(psycopg.OperationalError):
            await first.execute([b"7", b""])
        async with Pipelines(pool, STATEMENT).using() as second:
            await second.execute([b"8", None])
    assert await rows(own) == [8]


async def test_who_stops_waiting_leaves_a_connection_that_works(own: Engine, pool: Pool) -> None:
    pipelines = Pipelines(pool, STATEMENT)
    async with pipelines.using() as pipeline:
        gone = asyncio.create_task(pipeline.execute([b"1", None]))
        await asyncio.sleep(0)
        gone.cancel()
        await pipeline.execute([b"2", None])
    async with pipelines.using() as pipeline:
        left = asyncio.create_task(pipeline.execute([b"3", None]))
        await asyncio.sleep(0)
    with pytest.raises(psycopg.OperationalError):
        await left
    async with pipelines.using() as pipeline:
        await pipeline.execute([b"4", None])
    assert {2, 4} <= set(await rows(own))


@pytest.mark.parametrize("size", [1, 20_000])
async def test_a_loss_that_is_noticed_while_the_next_is_sent_is_told_to_the_one_before(
    own: Engine, pool: Pool, size: int
) -> None:
    """libpq closes the socket there and then, so no reader is ever called."""
    async with (
        await connect(own.admin_dsn, name="blocker") as blocker,
        blocker.transaction(),
        Pipelines(pool, STATEMENT).using() as pipeline,
        asyncio.timeout(5),
    ):
        await blocker.execute("lock table pipe.line")  # or the first one's answer might be there already
        before = asyncio.create_task(pipeline.execute([b"1", None]))
        await asyncio.sleep(0)
        with socket.socket(fileno=os.dup(pipeline._socket)) as same:
            same.shutdown(socket.SHUT_RDWR)
        with pytest.raises(psycopg.OperationalError):
            await pipeline.execute([b"2", b"x" * size])
        with pytest.raises(psycopg.OperationalError):
            await before
        assert pipeline.broken


async def test_a_transaction_that_was_rolled_back_on_the_connection_disturbs_nothing(own: Engine) -> None:
    """The driver then drops whatever was prepared on the connection."""
    async with open_pool(own.admin_dsn, name="pipe", max_size=1) as pool:
        await own.sql("create schema pipe")
        await own.sql("create table pipe.line (id int primary key, note text)")
        pipelines = Pipelines(pool, STATEMENT)
        for n in range(3):
            async with pipelines.using() as pipeline:
                await asyncio.gather(*(pipeline.execute([b"%d" % (2 * n + one), None]) for one in range(2)))
            async with pool.connection() as connection, connection.transaction(force_rollback=True):
                await connection.execute("select 1", prepare=True)
    assert await rows(own) == [0, 1, 2, 3, 4, 5]


async def test_an_answer_that_cannot_be_understood_ends_the_connection_and_not_the_process(own: Engine) -> None:
    parts = psycopg.conninfo.conninfo_to_dict(own.admin_dsn)
    async with Cutter(str(parts["host"]), int(parts["port"] or 5432)) as cutter:
        dsn = make_conninfo(own.admin_dsn, host="127.0.0.1", port=cutter.port, sslmode="disable")
        async with open_pool(dsn, name="pipe", max_size=1) as pool:
            async with Pipelines(pool, "select $1::text || $2").using() as pipeline:
                cutter.replace_next_answer(b"Z\x7f\xff\xff\xff")  # of two gigabytes
                two = (pipeline.execute([b"x", b"y"]) for _ in range(2))
                outcomes = await asyncio.gather(*two, return_exceptions=True)
                assert [type(one) for one in outcomes] == [psycopg.OperationalError] * 2
            async with pool.connection() as connection:
                await connection.execute("select 1")
