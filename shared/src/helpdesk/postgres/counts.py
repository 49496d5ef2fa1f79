"""Counters that all replicas share, in PostgreSQL: each call is one question, answered by the database's clock."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any, Final

from psycopg_pool import PoolClosed

from helpdesk.postgres.migrate import Migrations
from helpdesk.postgres.pool import UNAVAILABLE, Pool, open_pool
from helpdesk.tasks import pause

MIGRATIONS: Final = Migrations("helpdesk.postgres.migrations", "limits")
ANSWERED_WITHIN_S: Final = 0.5
"""Who waits longer for a counter is not counted."""
FORGET_EVERY_S: Final = 600.0
TAKE: Final = "select fits, before, before_s, calls, calls_s from limits.take(%s, %s, %s)"
CLEAR: Final = "delete from limits.counter where key = %s"
FORGET: Final = "delete from limits.counter where expires_at <= clock_timestamp()"


class Shared:
    """The counters at `dsn` (the login `limiter`). They can be asked while `run` runs.

    `take` and `clear` raise `pool.UNAVAILABLE` or TimeoutError when the database cannot be asked.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._pool: Pool | None = None
        self._given_up: set[asyncio.Task[Any]] = set()

    async def run(self) -> None:
        """Hold the connections, and forget what counts no more, until cancelled."""
        async with AsyncExitStack() as stack:
            self._pool = await stack.enter_async_context(
                open_pool(self._dsn, name="limiter", max_size=4, durable=False)
            )
            while True:
                try:
                    async with self._pool.connection() as connection:
                        await connection.execute(FORGET)
                except UNAVAILABLE:
                    pass  # next time
                await pause(FORGET_EVERY_S)

    async def take(self, key: str, limit: int, window_s: int) -> tuple[bool, tuple[int, float, int, float]]:
        """Whether one call more fits, which is counted then; and the counts, as `helpdesk.http.limits.standing` takes
        them."""
        row = await self._ask(TAKE, (key, limit, window_s))
        if row is None:
            raise RuntimeError("limits.take returned nothing")
        fits, *counted = row
        before, before_s, calls, calls_s = counted
        return fits, (before, before_s, calls, calls_s)

    async def clear(self, key: str, window_s: int) -> None:
        """Count this key anew from nothing."""
        await self._ask(CLEAR, (key,))

    async def _ask(self, sql: str, params: tuple[object, ...]) -> tuple[Any, ...] | None:
        """The answer's row. Nobody waits for an asking to end that is given up: where the server is silent, that takes
        the driver seconds."""
        task = asyncio.create_task(self._asked(sql, params))
        try:
            done, _ = await asyncio.wait({task}, timeout=ANSWERED_WITHIN_S)
        finally:
            if not task.done():
                self._given_up.add(task)
                task.add_done_callback(self._given_up.discard)
                task.cancel()
        if not done:
            raise TimeoutError
        return task.result()

    async def _asked(self, sql: str, params: tuple[object, ...]) -> tuple[Any, ...] | None:
        async with self._opened().connection() as connection:
            cursor = await connection.execute(sql, params)
            return await cursor.fetchone() if cursor.description else None

    def _opened(self) -> Pool:
        if self._pool is None:
            raise PoolClosed("nobody runs the counters")
        return self._pool
