"""Connections, and what their failures mean."""

import asyncio
import logging
import os
import select
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final, TypeAlias

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

Connection: TypeAlias = psycopg.AsyncConnection[TupleRow]
Pool: TypeAlias = AsyncConnectionPool[Connection]

WAIT_FOR_CONNECTION_S: Final = 2.0
GIVEN_UP_AFTER_S: Final = 3.0
"""The pool's attempts to connect come ever more seldom; once given up, the next who asks begins a new one at once. So a
database that comes back after a long time is found soon."""
STATEMENT_TIMEOUT_MS: Final = 5_000
ANSWERED_WITHIN_S: Final = STATEMENT_TIMEOUT_MS * 1.2 / 1000
"""A server that is well has ended the statement by then; one that stands still ends nothing."""
log = logging.getLogger(__name__)

# The pool reports each failed attempt to reconnect; the request that fails for it says it once.
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
# A pipeline that fails warns of its own abort, while the error itself goes to whoever asked.
logging.getLogger("psycopg").setLevel(logging.ERROR)

UNAVAILABLE: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,
    PoolTimeout,
)
"""The database cannot be asked now (down, restarting, failing over, overloaded, timed out): try again later."""

SESSION: Final = (
    "-c DateStyle=ISO -c IntervalStyle=postgres -c array_nulls=on -c row_security=on -c jit=off"
    r" -c default_transaction_isolation=read\ committed"
)
"""What our statements rely on, whatever an operator has set for the database or the role. Under another isolation the
feed refuses; dates in another style cannot be read, which parked streams that had nothing wrong with them."""
ENCODING: Final = "utf8"
"""And this: what is stored in another encoding than it was sent in stays garbled for ever."""
OPTIONS: Final = f"{SESSION} -c statement_timeout={STATEMENT_TIMEOUT_MS} -c idle_in_transaction_session_timeout=5000"
UNHURRIED: Final = " -c synchronous_commit=off"
_ALIVE: Final[dict[str, Any]] = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "connect_timeout": 3,
    "tcp_user_timeout": 10_000,
}


@asynccontextmanager
async def open_pool(
    dsn: str, *, name: str, max_size: int = 10, durable: bool = True, seldom: bool = False
) -> AsyncIterator[Pool]:
    """A pool of autocommit connections. It opens without waiting: a service starts while its database is down.

    One that is used `seldom` has a connection when it is needed, and for ten minutes more; any other has always one.

    Where not `durable` a commit does not wait for the disk, and a crash of the server may take the last ones back, in
    order: only for what is made from events, together with the progress that says from which.
    """

    async def check(connection: Connection) -> None:
        """Who finds one that the server has ended finds the others in the same state (it was restarted, say). The pool
        would let its caller wait a second for each of them, and give up at the third."""
        if _has_something_to_read(connection):
            await connection.close()
            await pool.drain()
            raise psycopg.OperationalError("the server has ended this connection")

    pool: Pool = AsyncConnectionPool(
        dsn,
        min_size=0 if seldom else 1,
        max_size=max_size,
        open=False,
        name=name,
        timeout=WAIT_FOR_CONNECTION_S,
        reconnect_timeout=GIVEN_UP_AFTER_S,
        check=check,
        kwargs={
            "autocommit": True,
            "options": OPTIONS if durable else OPTIONS + UNHURRIED,
            "application_name": name,
            **_ALIVE,
            "client_encoding": ENCODING,
        },
    )
    await pool.open(wait=False)
    try:
        yield pool
    finally:
        await pool.close(timeout=2)


def _has_something_to_read(connection: Connection) -> bool:
    """An idle connection has nothing to read unless the server has ended it: no round trip, and no stale connection
    is handed out after the database was restarted."""
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN)
    return bool(poll.poll(0))


async def connect(dsn: str, *, name: str, statement_timeout_ms: int = 0) -> Connection:
    """One autocommit connection outside any pool: for leadership, LISTEN and long work."""
    options = f"{SESSION} -c statement_timeout={statement_timeout_ms}"
    return await psycopg.AsyncConnection.connect(
        dsn, autocommit=True, options=options, application_name=name, client_encoding=ENCODING, **_ALIVE
    )


@contextmanager
def bounded(connection: Connection, within_s: float = ANSWERED_WITHIN_S) -> Iterator[None]:
    """What takes longer fails with an OperationalError: the answer would never come through this connection.

    A cancelled statement waits for the server's word on the cancellation; so the connection is cut off instead.
    """
    timer = asyncio.get_running_loop().call_later(within_s, _cut, connection)
    try:
        yield
    finally:
        timer.cancel()


def _cut(connection: Connection) -> None:
    if not connection.closed:
        with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as same:
            same.shutdown(socket.SHUT_RDWR)


async def reachable(pool: Pool) -> bool:
    """Whether the database answers a trivial question within a second."""
    try:
        async with asyncio.timeout(1.0), pool.connection(timeout=1.0) as connection:
            await connection.execute("select 1")
    except (*UNAVAILABLE, TimeoutError):
        return False
    return True
