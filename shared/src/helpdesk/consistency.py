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
from helpdesk.postgres.listening import Listener
from helpdesk.postgres.pool import Connection, connect
from helpdesk.recorded import Stream
from helpdesk.tasks import pause, still_wanted

log = logging.getLogger(__name__)
BOUND_S: Final = 1.0
"""After this the answer of a write goes out without its view, and says so (contract §2)."""
UNTOLD_S: Final = 0.01
"""Who has just written waits to be told; if nobody tells for so long the database is asked, for the telling may have
come before the wait."""
UNASKED_S: Final = 60.0
"""The connection for asking is closed when nobody had to ask for so long."""
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
    """The positions that a token names, within the caller's own tenant; a tenant's stream is in its own, so that the
    operator's tokens of other tenants hold. Raises BadToken."""
    try:
        plain = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        positions = [
            Position(Stream(UUID(id_) if type_ == "tenant" else tenant_id, str(type_), UUID(id_)), int(version))
            for type_, id_, version in plain
        ]
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
    untold_at_s: float
    asked: bool = False


class Applied:
    """Waits on `<schema>.applied` of one consumer, which `listener` hears. `run` it beside the server; ask it with
    `wait`. `dsn` is of the role that may ask."""

    def __init__(self, listener: Listener, dsn: str, schema: str) -> None:
        self._dsn, self._schema = dsn, schema
        self._query = f"select {schema}.applied(%s, %s, %s, %s)"
        self._waiters: dict[_Waiter, None] = {}
        """The longest waiting first."""
        self._told: OrderedDict[str, int] = OrderedDict()
        self._dirty = asyncio.Event()
        self._asking_soon = False
        self._behind = False
        self._mute = False
        self._connected = asyncio.Event()
        self._connections = 0
        listener.subscribe(f"{schema}_applied", self._hear, anew=self._begin, lost=self._connected.clear)

    async def wait(self, positions: Iterable[Position], bound_s: float = BOUND_S, *, ours: bool = True) -> bool:
        """Whether the views have reached `positions`, waiting at most `bound_s`.

        After one time-out the process answers False at once until progress is reported again: while the views are
        down, no request waits for them in vain. Positions that are not `ours` (a client's token) may name what never
        was, so their time-out tells nothing of the views.
        """
        if self._behind or self._mute or not self._connected.is_set():
            return False
        asked = list(positions)
        wanted = [(told.name_of(one.stream), one.version) for one in asked]
        if self._known(wanted):
            return True
        loop = asyncio.get_running_loop()
        waiter = _Waiter(asked, wanted, loop.create_future(), loop.time() + UNTOLD_S)
        self._waiters[waiter] = None
        if not ours:
            self._dirty.set()  # most probably it is there already
        elif not self._asking_soon:
            self._asking_soon = True
            loop.call_at(waiter.untold_at_s, self._ask)
        try:
            async with asyncio.timeout(bound_s):
                await waiter.done
        except TimeoutError:
            self._behind = self._behind or ours
            return False
        else:
            return True
        finally:
            del self._waiters[waiter]

    def _known(self, wanted: Iterable[tuple[str, int]]) -> bool:
        return all(self._told.get(name, -1) >= version for name, version in wanted)

    def _begin(self) -> None:
        """Listening has begun: before whoever looks from now on."""
        self._told.clear()  # a server that crashed may have taken back what it told
        self._behind = False
        self._connections += 1
        self._connected.set()
        self._ask_now()  # those who waited while nobody listened

    def _hear(self, note: str) -> None:
        self._behind = False
        if not note:
            self._ask_now()
            return
        for name, version in told.heard(note):
            self._told[name] = version
            self._told.move_to_end(name)
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        for waiter in self._waiters:
            if not waiter.done.done() and self._known(waiter.wanted):
                waiter.done.set_result(None)

    def _ask(self) -> None:
        """Ask when somebody was not told for so long, and see to it for whoever came later."""
        self._asking_soon = False
        longest = next((waiter for waiter in self._waiters if not waiter.asked and not waiter.done.done()), None)
        if longest is None:
            return
        loop = asyncio.get_running_loop()
        if longest.untold_at_s <= loop.time():
            self._ask_now()  # for all, the later ones too
        else:
            self._asking_soon = True
            loop.call_at(longest.untold_at_s, self._ask)

    def _ask_now(self) -> None:
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
        """Ask for those who are not told, for ever, on a connection that is there while it is needed. While the
        database cannot be asked every `wait` is answered with False."""
        while True:
            await self._dirty.wait()
            try:
                name = f"{self._schema}-applied"
                async with await connect(self._dsn, name=name, statement_timeout_ms=2000) as connection:
                    self._mute = False
                    await self._answer(connection)
            except (psycopg.Error, OSError) as error:
                self._mute = True
                self._dirty.set()  # those who wait, and whether it can be asked again
                log.warning("cannot ask for progress", extra={"schema": self._schema, "error": str(error)})
                await pause(0.5)
            still_wanted()

    async def _answer(self, connection: Connection) -> None:
        """Return when nobody had to ask for long, or when the listener has another connection: this one is of before
        the server was restarted, perhaps."""
        connections = self._connections
        while connections == self._connections:
            self._dirty.clear()
            await self._answer_all(connection)
            try:
                async with asyncio.timeout(UNASKED_S):
                    await self._dirty.wait()
            except TimeoutError:
                return

    async def _answer_all(self, connection: Connection) -> None:
        asked = [(waiter, position) for waiter in self._waiters for position in waiter.positions]
        if not asked:
            return
        for waiter in self._waiters:
            waiter.asked = True
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
