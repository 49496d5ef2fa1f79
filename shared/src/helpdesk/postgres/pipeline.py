"""One statement, sent again on one connection before the answer to the last has come: each in its own transaction.

psycopg's own pipeline makes one transaction of all that is sent until somebody waits for it, and its callers take turns
on the connection. Here a `Sync` follows each statement, and the server goes from one commit to the next transaction
without a pause in which the client reads, thinks and sends.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus

from helpdesk.postgres.pool import ANSWERED_WITHIN_S, Connection, Pool

_FAILED: Final = (ExecStatus.FATAL_ERROR, ExecStatus.PIPELINE_ABORTED)


class Pipeline:
    """A statement in flight, and the next behind it, on a connection that nobody else uses meanwhile.

    It is prepared without a name, anew by each pipeline: names do not outlast a transaction that is rolled back on the
    connection, when the driver drops them all.
    """

    def __init__(self, connection: Connection, statement: bytes) -> None:
        self._connection, self._pg = connection, connection.pgconn
        self._statement, self._prepared = statement, False
        self._loop = asyncio.get_running_loop()
        self._socket = self._pg.socket  # a connection that is lost does not tell it any more
        self._under_way: deque[asyncio.Future[None]] = deque()
        self._error: psycopg.Error | None = None
        self._writing = False
        self._pg.enter_pipeline_mode()
        self._loop.add_reader(self._socket, self._read)

    @property
    def broken(self) -> bool:
        """Whether the connection has ended."""
        return bool(self._connection.closed)

    async def execute(self, arguments: Sequence[bytes | None]) -> None:
        """Execute the statement, whose result is nobody's concern, in a transaction of its own, after all that was
        executed before. Raises psycopg.Error: an OperationalError if the connection breaks before the answer, or no
        answer comes."""
        if self.broken:
            raise psycopg.OperationalError("the connection has ended")
        done = self._loop.create_future()
        self._under_way.append(done)
        try:
            if not self._prepared:
                self._pg.send_prepare(b"", self._statement)
                self._prepared = True
            self._pg.send_query_prepared(b"", arguments)
            self._pg.pipeline_sync()
        except psycopg.OperationalError as error:  # the socket is closed already, and the reader hears nothing any more
            self._break(error)
        else:
            self._write()
        timer = self._loop.call_later(ANSWERED_WITHIN_S, self._late)
        try:
            await done
        finally:
            timer.cancel()

    def leave(self) -> None:
        """Make the connection an ordinary one again, or end it if answers are still to come."""
        if self.broken:
            return
        if self._under_way:
            self._break(psycopg.OperationalError("nobody waits for the answer any more"))
        else:
            self._loop.remove_reader(self._socket)
            self._pg.exit_pipeline_mode()

    def _write(self) -> None:
        """Hand over what has been written; what the socket does not take now follows when it takes more."""
        try:
            rest = self._pg.flush()
        except psycopg.OperationalError as error:
            self._break(error)
            return
        if rest and not self._writing:
            self._loop.add_writer(self._socket, self._write)
        elif self._writing and not rest:
            self._loop.remove_writer(self._socket)
        self._writing = bool(rest)

    def _read(self) -> None:
        try:
            self._pg.consume_input()
            while self._under_way and not self._pg.is_busy():
                result = self._pg.get_result()
                if result is None:  # the end of one statement's results, or of all that will ever come
                    if self.broken:
                        raise psycopg.OperationalError("the server's answer cannot be understood")
                    continue
                if result.status == ExecStatus.PIPELINE_SYNC:
                    self._answer()
                elif result.status in _FAILED and self._error is None:
                    self._error, self._prepared = error_from_result(result, "utf-8"), False
        except psycopg.OperationalError as error:
            self._break(error)

    def _answer(self) -> None:
        done, error, self._error = self._under_way.popleft(), self._error, None
        if done.done():  # nobody waits any more
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def _late(self) -> None:
        self._break(psycopg.OperationalError("the server does not answer"))

    def _break(self, error: psycopg.OperationalError) -> None:
        """Tell all who wait: the first what the server said last, if it said anything. A statement may be
        committed although a server that fails said so of it, so nobody is told a kind of error."""
        self._loop.remove_reader(self._socket)
        if self._writing:
            self._loop.remove_writer(self._socket)
        self._pg.finish()
        while self._under_way:
            self._error = psycopg.OperationalError(str(self._error or error))
            self._answer()


class Pipelines:
    """The pipeline of `statement` on a connection of a pool, taken while anybody uses it and given back afterwards."""

    def __init__(self, pool: Pool, statement: str) -> None:
        self._pool, self._statement = pool, statement.encode()
        self._now: _Taken | None = None
        self._taking = asyncio.Lock()

    @asynccontextmanager
    async def using(self) -> AsyncIterator[Pipeline]:
        """The pipeline, shared by all who use it at once. Raises `postgres.pool.UNAVAILABLE`."""
        async with self._taking:
            if self._now is None or self._now.pipeline.broken:
                self._now = await self._take()
            taken = self._now
            taken.users += 1
        try:
            yield taken.pipeline
        finally:
            taken.users -= 1
            if not taken.users:
                if self._now is taken:
                    self._now = None
                await self._give_back(taken)

    async def _take(self) -> "_Taken":
        connection = await self._pool.getconn()
        return _Taken(connection, Pipeline(connection, self._statement))

    async def _give_back(self, taken: "_Taken") -> None:
        taken.pipeline.leave()
        await self._pool.putconn(taken.connection)


class _Taken:
    __slots__ = ("connection", "pipeline", "users")

    def __init__(self, connection: Connection, pipeline: Pipeline) -> None:
        self.connection, self.pipeline, self.users = connection, pipeline, 0
