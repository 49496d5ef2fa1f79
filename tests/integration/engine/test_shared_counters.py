"""Calls that all replicas count together, in PostgreSQL (behaviours §3)."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import psycopg
import pytest
import pytest_asyncio

from faults.proxy import proxy
from helpdesk.http.limits import Limiter
from helpdesk.postgres import counts
from helpdesk.postgres.migrate import migrate
from helpdesk.settings import RateSettings
from helpdesk.tasks import beside
from localstack.stack import Servers
from support.waiting import eventually

AWAY = "postgresql://limiter:x@127.0.0.1:9/nowhere"


@pytest_asyncio.fixture(scope="module")
async def dsn(servers: Servers) -> str:
    """A database with nothing but counters, by the login that counts."""
    admin = servers.new_database()
    dsn = servers.dsn("limiter", admin)
    await migrate(admin, [counts.MIGRATIONS], [dsn])
    return dsn


@asynccontextmanager
async def replica(dsn: str, **limits: str) -> AsyncIterator[Limiter]:
    """A process that counts, as soon as it does."""
    limiter = Limiter(RateSettings.model_validate({"rate_limit_storage_url": dsn, **limits}))
    async with beside(limiter.run()):
        await eventually(lambda: limiter.count("exports", "first"))
        yield limiter


async def test_two_replicas_count_as_one(dsn: str) -> None:
    limit = {"rate_limit_writes": "3 per hour"}
    async with replica(dsn, **limit) as one, replica(dsn, **limit) as other:
        found = [await each.count("writes", "ada") for each in (one, other, one, other)]
        assert [standing and (standing.remaining, standing.is_over) for standing in found] == [
            (2, False), (1, False), (0, False), (0, True)]  # fmt: skip
        assert found[3] and 1 <= found[3].retry_after_s <= 7200
        other_person, other_class = await one.count("writes", "otto"), await one.count("reads", "ada")
        assert other_person and other_class
        assert (other_person.remaining, other_class.remaining) == (2, 599)
        await other.forgive("writes", "ada")
        again = await one.count("writes", "ada")
        assert again and again.remaining == 2


async def test_of_many_at_once_exactly_so_many_pass(dsn: str) -> None:
    limit = {"rate_limit_writes": "20 per hour"}
    async with replica(dsn, **limit) as one, replica(dsn, **limit) as other:
        found = await asyncio.gather(*(each.count("writes", "many") for _ in range(25) for each in (one, other)))
        assert sum(standing is not None and not standing.is_over for standing in found) == 20


async def test_who_comes_again_when_told_has_room(dsn: str) -> None:
    async with replica(dsn, rate_limit_writes="3 per second") as limiter:
        for _ in range(3):
            found = await limiter.count("writes", "again")
            while found and not found.is_over:
                found = await limiter.count("writes", "again")
            assert found
            ready = time.monotonic() + found.retry_after_s

            async def waited(until: float = ready) -> bool:
                return time.monotonic() >= until

            await eventually(waited)
            found = await limiter.count("writes", "again")
            assert found and not found.is_over


async def test_the_window_before_counts_as_far_as_it_reaches_in(dsn: str) -> None:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:

        async def take(window_s: int) -> tuple[bool, int, float, int, float]:
            row = await (await connection.execute(counts.TAKE, ("w", 10, window_s))).fetchone()
            assert row is not None
            return row

        await take(3600)
        await connection.execute("update limits.counter set number = number - 1, calls = 8 where key = 'w'")
        fits, before, before_s, calls, calls_s = await take(3600)
        assert (fits, before, calls) == (True, 8, 1)
        assert 0 < before_s <= 3600 < calls_s <= 7200
        await connection.execute("update limits.counter set number = number - 2 where key = 'w'")
        assert (await take(3600))[1:4] == (0, 0, 1)
        await connection.execute("update limits.counter set number = number + 24, calls = 10 where key = 'w'")
        assert (await take(3600))[:4] == (True, 0, 0, 1)  # a clock was set back


async def test_nobody_is_refused_or_kept_waiting_while_the_store_is_away() -> None:
    limiter = Limiter(RateSettings.model_validate({"rate_limit_storage_url": AWAY, "rate_limit_writes": "1 per hour"}))
    assert await limiter.count("writes", "ada") is None  # nobody runs it yet
    async with beside(limiter.run()):
        begun = time.monotonic()
        assert [await limiter.count("writes", "ada") for _ in range(200)] == [None] * 200
        assert time.monotonic() - begun < 5


async def test_nobody_waits_for_a_store_that_has_fallen_silent(dsn: str) -> None:
    async with proxy(urlsplit(dsn).port or 5432) as between, replica(between.instead_of(dsn)) as limiter:
        between.cut_silently()
        begun = time.monotonic()
        assert await limiter.count("writes", "ada") is None
        assert time.monotonic() - begun < 2


async def test_only_the_login_that_counts_sees_the_counters(dsn: str, servers: Servers) -> None:
    stranger = dsn.replace(dsn.partition("//")[2].partition("@")[0], "nobody_in_particular:x")
    admin = servers.new_database()
    async with await psycopg.AsyncConnection.connect(admin, autocommit=True) as connection:
        await connection.execute(
            "do $$ begin create role nobody_in_particular login password 'x'; "
            "exception when duplicate_object then null; end $$"
        )
    async with await psycopg.AsyncConnection.connect(stranger, autocommit=True) as connection:
        for statement in ("select 1 from limits.counter", "select limits.take('x', 1, 1)"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await connection.execute(statement)


async def test_what_counts_no_more_is_forgotten(dsn: str) -> None:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute(counts.TAKE, ("old", 1, 1))
        await connection.execute("update limits.counter set expires_at = now() where key = 'old'")
        async with replica(dsn):

            async def gone() -> bool:
                found = await connection.execute("select 1 from limits.counter where key = 'old'")
                return not await found.fetchall()

            await eventually(gone)
