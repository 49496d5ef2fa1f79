"""Several statements in one round trip, sent one by one or together (docs/adr/0026).

The driver's own flushes after each statement: a system call, a packet and a wake-up of the server for each of them,
which for short statements is a third of what a read costs.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import psycopg
from psycopg import AsyncPipeline
from psycopg.abc import PQGen
from psycopg.generators import send

from helpdesk.postgres.pool import Connection


class _Gathering(AsyncPipeline):
    def _communicate_gen(self) -> PQGen[None]:
        """Nothing is sent yet: the driver keeps what was asked in its queue."""
        yield from ()

    def _fetch_gen(self, *, flush: bool) -> PQGen[None]:
        """Send all that was asked, in one go, then fetch."""
        if not self.result_queue:
            return
        while self.command_queue:
            self.command_queue.popleft()()
        if flush:
            self.pgconn.send_flush_request()
        yield from send(self.pgconn)
        yield from super()._fetch_gen(flush=False)


@asynccontextmanager
async def gathered(connection: Connection) -> AsyncIterator[None]:
    """The connection's pipeline, for a handful of short statements; an error of one shows at the first fetch or at the
    end. Not for much at once: nothing runs on the server before all of it has been put together."""
    connection._pipeline = _Gathering(connection)  # the driver goes on with a pipeline that is there
    try:
        async with connection.pipeline():
            yield
    except BaseException:
        # The server skips what stands behind a statement that fails. What was to be prepared there the driver would
        # believe to be, and every later use of it on this connection would fail. (A rollback forgets it as well.)
        connection._prepared.clear()
        raise


@asynccontextmanager
async def piped(connection: Connection, *, together: bool = False) -> AsyncIterator[None]:
    """A transaction on an autocommit connection whose statements are sent without waiting for each other's answers, or
    all `together`, `gathered`.

    The driver's own transaction waits, within a pipeline, for its beginning and before its end: two round trips.
    """
    try:
        async with gathered(connection) if together else connection.pipeline():
            await connection.execute("begin")
            yield
            await connection.execute("commit")
    except BaseException:
        with suppress(psycopg.Error):  # the connection may be what has failed
            await connection.rollback()
        raise
