"""Connections after the server ended all of them."""

import asyncio
import time

from helpdesk.postgres.pool import Pool, open_pool
from integration.engine.rig import Engine

SIZE = 8


async def used_by_many(pool: Pool) -> None:
    """Until the pool has grown."""

    async def use() -> None:
        async with pool.connection() as connection:
            await connection.execute("select pg_sleep(0.3)")

    await asyncio.gather(*(use() for _ in range(SIZE)))


async def pool_answers(pool: Pool) -> None:
    async with pool.connection() as connection:
        await connection.execute("select 1")


async def test_after_a_restart_nobody_waits_for_one_stale_connection_after_the_other(store: Engine) -> None:
    async with open_pool(store.dsn("command_api"), name="stale", max_size=SIZE) as pool:
        for _ in range(2):
            await used_by_many(pool)
            await store.sql("select pg_terminate_backend(pid, 5000) from pg_stat_activity "
                            "where application_name = 'stale'")  # fmt: skip
            begun = time.monotonic()
            await asyncio.gather(*(pool_answers(pool) for _ in range(2 * SIZE)))
            assert time.monotonic() - begun < 0.9, "the pool's first delay is a second"
