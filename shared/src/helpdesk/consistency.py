"""Read-your-writes: wait until the views have applied what a caller wrote.

A write is visible when its streams have reached their versions in the guard that the views move in the same
transaction, whose NOTIFY says which; so mostly nobody asks. Where it says nothing (too many at once), or said it before
somebody waited, one query asks for all waiters of a process. Nobody polls.
"""

import asyncio
import base64
import binascii
import logging
import re
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import orjson
import psycopg

from helpdesk import told
from helpdesk.postgres.arrays import array
from helpdesk.postgres.pool import Connection, connect
from helpdesk.recorded import Stream
from helpdesk.tasks import pause, together

log = logging.getLogger(__name__)
BOUND_S: Final = 1.0
"""After this the answer of a write goes out without its view, and says so (contract §2)."""
UNTOLD_S: Final = 0.01
"""Who has just written waits to be told; if nobody tells for so long the database is asked, for the telling may have
come before the wait."""
REMEMBERED: Final = 4_096
"""Streams of which it is remembered what was told: whoever begins to wait a moment later finds it here."""
MAX_TOKEN_STREAMS: Final = 50
_STREAM_TYPE: Final = re.compile(r"[a-z][a-z_]{0,39}")


@dataclass(frozen=True, slots=True)
class Position:
    """A stream at a version."""

    stream: Stream
    version: int


class BadToken(ValueError):
    """A consistency token that is none of ours."""


def token_of(positions: Iterable[Position]) -> str:
    """The consistency token that names these positions (header `Consistency-Token`)."""
    plain = [[p.stream.type, str(p.stream.id), p.version] for p in positions]
    return base64.urlsafe_b64encode(orjson.dumps(plain)).decode().rstrip("=")


def positions_of(token: str, tenant_id: UUID) -> list[Position]:
    """The positions that a token names, within the caller's own tenant. Raises BadToken."""
    try:
        plain = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        positions = [Position(Stream(tenant_id, str(type_), UUID(id_)), int(version)) for type_, id_, version in plain]
    except (ValueError, TypeError, AttributeError, binascii.Error) as error:
        raise BadToken("the consistency token is none of this service") from error
    if len(positions) > MAX_TOKEN_STREAMS or not all(_plausible(position) for position in positions):
        raise BadToken("the consistency token is none of this service")
    return positions


def _plausible(position: Position) -> bool:
    """What PostgreSQL refuses to be asked would end the question of every other waiter too."""
    return 0 <= position.version < 2**31 and _STREAM_TYPE.fullmatch(position.stream.type) is not None


@dataclass(eq=False, slots=True)
class _Waiter:
    positions: list[Position]
    wanted: list[tuple[str, int]]
    done: asyncio.Future[None]


class Applied:
    """Waits on `<schema>.applied` of one consumer. `run` it beside the server; ask it with `wait`."""

    def __init__(self, dsn: str, schema: str) -> None:
        self._dsn, self._schema = dsn, schema
        self._query = f"select {schema}.applied(%s, %s, %s, %s)"
        self._waiters: set[_Waiter] = set()
        self._told: OrderedDict[str, int] = OrderedDict()
        self._dirty = asyncio.Event()
        self._asking_soon = False
        self._behind = False
        self._connected = asyncio.Event()

    async def wait(self, positions: Iterable[Position], bound_s: float = BOUND_S, *, ours: bool = True) -> bool:
        """Whether the views have reached `positions`, waiting at most `bound_s`.

        After one time-out the process answers False at once until progress is reported again: while the views are
        down, no request waits for them in vain. Positions that are not `ours` (a client's token) may name what never
        was, so their time-out tells nothing of the views.
        """
        if self._behind or not self._connected.is_set():
            return False
        asked = list(positions)
        wanted = [(told.name_of(one.stream), one.version) for one in asked]
        if self._known(wanted):
            return True
        waiter = _Waiter(asked, wanted, asyncio.get_running_loop().create_future())
        self._waiters.add(waiter)
        if not ours:
            self._dirty.set()  # most probably it is there already
        elif not self._asking_soon:
            self._asking_soon = True
            asyncio.get_running_loop().call_later(UNTOLD_S, self._ask)
        try:
            async with asyncio.timeout(bound_s):
                await waiter.done
        except TimeoutError:
            self._behind = self._behind or ours
            return False
        else:
            return True
        finally:
            self._waiters.discard(waiter)

    def _known(self, wanted: Iterable[tuple[str, int]]) -> bool:
        return all(self._told.get(name, -1) >= version for name, version in wanted)

    def _hear(self, note: str) -> None:
        for name, version in told.heard(note):
            self._told[name] = version
            self._told.move_to_end(name)
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        for waiter in self._waiters:
            if not waiter.done.done() and self._known(waiter.wanted):
                waiter.done.set_result(None)

    def _ask(self) -> None:
        self._asking_soon = False
        if self._waiters:
            self._dirty.set()

    async def connected_wait(self, positions: Iterable[Position], bound_s: float) -> bool:
        """`wait` for a process that has just begun: first until the database can be asked."""
        try:
            async with asyncio.timeout(bound_s):
                await self._connected.wait()
        except TimeoutError:
            return False
        return await self.wait(positions, bound_s)

    async def run(self) -> None:
        """Listen and answer, for ever; while the database is away every `wait` is answered with False."""
        while True:
            try:
                async with (
                    await connect(self._dsn, name=f"{self._schema}-applied", statement_timeout_ms=2000) as asking,
                    await connect(self._dsn, name=f"{self._schema}-listen") as listening,
                ):
                    await listening.execute(f"listen {self._schema}_applied")
                    self._told.clear()  # a server that crashed may have taken back what it told
                    self._behind = False
                    self._dirty.set()  # those who waited while the connection was lost
                    self._connected.set()
                    await together(self._listen(listening), self._answer(asking))
            except* (psycopg.Error, OSError) as group:
                log.warning(
                    "cannot ask for progress", extra={"schema": self._schema, "error": str(group.exceptions[0])}
                )
            finally:
                self._connected.clear()
            await pause(0.5)

    async def _listen(self, connection: Connection) -> None:
        async for notice in connection.notifies():
            self._behind = False
            if notice.payload:
                self._hear(notice.payload)
            elif self._waiters:
                self._dirty.set()
        raise psycopg.OperationalError("the connection that listens has ended")

    async def _answer(self, connection: Connection) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            asked = [(waiter, position) for waiter in self._waiters for position in waiter.positions]
            if not asked:
                continue
            cursor = await connection.execute(
                self._query,
                (
                    array(p.stream.tenant_id for _, p in asked),
                    array(p.stream.type for _, p in asked),
                    array(p.stream.id for _, p in asked),
                    array(p.version for _, p in asked),
                ),
            )
            reached = {place for (place,) in await cursor.fetchall()}
            missing = {id(waiter) for n, (waiter, _) in enumerate(asked, 1) if n not in reached}
            for waiter, _ in asked:
                if id(waiter) not in missing and not waiter.done.done():
                    waiter.done.set_result(None)
