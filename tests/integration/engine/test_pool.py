"""Connections after the server ended all of them, and where an operator has set what sessions see."""

import asyncio
import time

from helpdesk.postgres.pool import Connection, Pool, connect, open_pool
from integration.engine.rig import Engine

SIZE = 8
SET_BY_AN_OPERATOR = {
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "iso_8601",
    "array_nulls": "off",
    "client_encoding": "LATIN1",
    "default_transaction_isolation": "serializable",
    "row_security": "off",
}
SHOWN = "select now(), interval '1 day', current_setting('transaction_isolation'), octet_length(%s), '{null}'::text[]"


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


async def read_as_ever(connection: Connection) -> None:
    async with connection.transaction():
        cursor = await connection.execute(SHOWN, ("grün",))
        ((now, day, isolation, octets, nulls),) = await cursor.fetchall()
        await connection.execute("select from events.event")  # row-level security hides, and does not refuse
    assert now.tzinfo is not None and day.days == 1
    assert (isolation, octets, nulls) == ("read committed", 5, [None])


async def test_what_an_operator_sets_for_a_role_changes_nothing_of_what_our_statements_rely_on(store: Engine) -> None:
    """With dates in another style consumers parked streams that had nothing wrong with them; with another isolation the
    relay stood still; with another encoding what was stored was garbled for ever."""
    for name, value in SET_BY_AN_OPERATOR.items():
        await store.sql(f"do $$ begin execute format('alter role command_api in database %I set \"{name}\" = %L', "
                        f"current_database(), '{value}'); end $$")  # fmt: skip
    async with open_pool(store.dsn("command_api"), name="pinned") as pool, pool.connection() as connection:
        await read_as_ever(connection)
    async with await connect(store.dsn("command_api"), name="pinned") as connection:
        await read_as_ever(connection)
