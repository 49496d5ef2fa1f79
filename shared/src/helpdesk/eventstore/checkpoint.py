"""Leading a share of the relay: its lock, its checkpoint, and the pages that stand beyond.

All of it happens on one connection. When that dies the lock is gone and nothing can be moved any more. (What wakes a
leader comes on another, `postgres.listening`: it is not the lead's matter.)
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import psycopg

from helpdesk.bus.envelope import Stored
from helpdesk.bus.tail import Sent
from helpdesk.eventstore.feed import Depth
from helpdesk.postgres.pool import Connection, bounded, connect
from helpdesk.recorded import Cursor

FOREIGN_STORE: Final = "HD006"


class Fenced(RuntimeError):
    """Another relay leads now, or the topic is being rebuilt."""


class ForeignStore(RuntimeError):
    """The checkpoints tell of another store: a dump was restored, or the DSN is wrong."""


@dataclass(frozen=True, slots=True)
class Share:
    """The events of `schema` with shard % divisor = remainder, on their way to `topic`."""

    schema: str
    topic: str
    divisor: int
    remainder: int

    def __str__(self) -> str:
        return f"{self.topic} {self.remainder}/{self.divisor}"


@dataclass(frozen=True, slots=True)
class Page:
    """What a look found. `age_s`: for how long the first event has stood there, by the database's clock.

    `held_back`: a committed event stands beyond what tier 1 shows.
    """

    events: list[Stored]
    age_s: float
    held_back: bool


# The epoch is read with the events, so a former leader that comes back sends nothing but what it had read already.
_PAGE: Final = """
select c.epoch, h.held_back, extract(epoch from clock_timestamp() - f.recorded_at)::float8,
       s.epoch::text, f.xid::text, f.position, f.shard, f.tenant_id::text, f.stream_type, f.stream_id::text, f.version,
       f.event_id::text, f.command_id::text, f.ordinal, f.remaining, f.type, f.schema_version, f.data::text,
       f.metadata::text, to_char(f.recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
from {schema}.store s
join {schema}.relay_checkpoint c on (c.name, c.divisor, c.remainder) = (%(topic)s, %(divisor)s, %(remainder)s)
cross join (
    select {schema}.feed_held_back(%(xid)s::text::xid8, %(position)s, %(divisor)s, %(remainder)s) as held_back) h
left join {schema}.feed(
    %(xid)s::text::xid8, %(position)s, %(limit)s, %(divisor)s, %(remainder)s, %(deep)s) f on true"""

_MOVE: Final = """
update {schema}.relay_checkpoint
set xid = %(xid)s::text::xid8, position = %(position)s, event_id = %(event_id)s, updated_at = now()
where (name, divisor, remainder, epoch) = (%(topic)s, %(divisor)s, %(remainder)s, %(epoch)s)"""

_SHARED_LOCK: Final = "select pg_try_advisory_lock_shared(hashtextextended(%s, 0))"
_LOCK: Final = "select pg_try_advisory_lock(hashtextextended(%s, 0))"
_ANOTHER_TIMELINE: Final = """
select exists (
    select from {schema}.relay_checkpoint c where c.name = %s and c.timeline <> {schema}.timeline())"""
_STANDS: Final = """
select exists (
    select from {schema}.feed(%s::text::xid8, %s, 1, p_deep => true) f where f.event_id = %s)"""

LastSent = Callable[[], Awaitable[Sent | None]]
"""Asks the topic for the furthest event that was sent to it."""


class Lead:
    """The lead of a share: from `cursor` on, under `epoch`, for as long as nobody raises it."""

    def __init__(
        self,
        connection: Connection,
        share: Share,
        timeout_s: float,
        poked: asyncio.Event,
        depth: Depth,
        epoch: int,
        cursor: Cursor,
    ) -> None:
        self.epoch, self.cursor = epoch, cursor
        self._connection, self._share, self._timeout_s, self._depth = connection, share, timeout_s, depth
        self._poked = poked
        self._page, self._move = _PAGE.format(schema=share.schema), _MOVE.format(schema=share.schema)
        self._names = {"topic": share.topic, "divisor": share.divisor, "remainder": share.remainder}

    async def page(self, after: Cursor, limit: int) -> Page:
        """The next events in commit order. Raises Fenced."""
        self._poked.clear()  # whoever poked until now has committed, and is seen
        while True:
            deep = self._depth.deep
            asked = {"xid": after.xid, "position": after.position, "limit": limit, "deep": deep, **self._names}
            with bounded(self._connection, self._timeout_s * 1.1):
                rows = await (await self._connection.execute(self._page, asked, prepare=True)).fetchall()
            if not rows or rows[0][0] != self.epoch:
                raise Fenced(f"another relay leads {self._share}")
            _, held_back, age_s, *_ = rows[0]
            self._depth.looked(held_back=held_back, found=age_s is not None)
            if age_s is not None or deep or not held_back:
                events = [Stored._make(row[3:]) for row in rows] if age_s is not None else []
                return Page(events, age_s or 0.0, held_back)

    async def move(self, last: Stored) -> None:
        """Move the checkpoint to an event, when all up to it are in Kafka. Raises Fenced."""
        values = {"xid": last.xid, "position": last.position, "event_id": last.event_id, "epoch": self.epoch}
        with bounded(self._connection, self._timeout_s * 1.1):
            done = await self._connection.execute(self._move, {**values, **self._names}, prepare=True)
        if done.rowcount != 1:
            raise Fenced(f"another relay leads {self._share}")

    async def poked(self, at_most_s: float) -> bool:
        """Return True on a poke, False when none came in time: polling is the net beneath the pokes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most_s):
                return await self._poked.wait()
        return False


class Standby:
    """Somebody who would lead `share`, if nobody does."""

    def __init__(self, connection: Connection, share: Share, timeout_s: float, poked: asyncio.Event) -> None:
        self._connection, self._share, self._timeout_s, self._poked = connection, share, timeout_s, poked

    async def try_lead(self, depth: Depth, last_sent: LastSent) -> Lead | None:
        """The lead, or None while somebody else has it or the topic is being rebuilt. Raises ForeignStore.

        It never waits inside a statement: a waiting pg_advisory_lock would hold a snapshot, and vacuum, for ever.
        """
        with bounded(self._connection, self._timeout_s * 1.1):
            if not await self._lock():
                return None
            another_timeline = await self._value(_ANOTHER_TIMELINE.format(schema=self._share.schema), self._share.topic)
        if another_timeline and (sent := await last_sent()) is not None:
            # A recovery brings back the checkpoint with the events; only Kafka can know of events that it lost.
            with bounded(self._connection, self._timeout_s * 1.1):
                stands = await self._value(
                    _STANDS.format(schema=self._share.schema), sent.cursor.xid, sent.cursor.position - 1, sent.event_id
                )
            if not stands:
                raise ForeignStore(
                    f"event {sent.event_id}, the last of {self._share.topic}, is not in this store any more: after a "
                    "recovery or fail-over that lost events run `new-epoch`, which also fills the topic again"
                )
        with bounded(self._connection, self._timeout_s * 1.1):
            return await self._lead(depth)

    async def _lock(self) -> bool:
        share = self._share
        if (
            await self._value(_SHARED_LOCK, topic_lock(share.schema, share.topic))
            and await self._value(_LOCK, f"{share.schema}.relay {share}")
        ):  # fmt: skip
            return True
        await self.release()
        return False

    async def _lead(self, depth: Depth) -> Lead:
        share = self._share
        try:
            cursor = await self._connection.execute(
                f"select epoch, xid::text::bigint, position from {share.schema}.relay_lead(%s, %s, %s)",
                (share.topic, share.divisor, share.remainder),
            )
        except psycopg.Error as error:
            if error.sqlstate == FOREIGN_STORE:
                raise ForeignStore(
                    f"{error.diag.message_primary}: if a backup was restored, run `new-epoch`, "
                    "which also fills the topic again"
                ) from error
            raise
        ((epoch, xid, position),) = await cursor.fetchall()
        # From here on a lost commit costs duplicates only: a moved checkpoint need not wait for the disk.
        await self._connection.execute("set synchronous_commit = off")
        return Lead(self._connection, share, self._timeout_s, self._poked, depth, epoch, Cursor(xid, position))

    async def release(self) -> None:
        """Give up what was locked; the end of the connection does the same."""
        await self._connection.execute("select pg_advisory_unlock_all()")

    async def _value(self, query: str, *params: object) -> bool:
        cursor = await self._connection.execute(query, params)
        row = await cursor.fetchone()
        return bool(row and row[0])


def topic_lock(schema: str, topic: str) -> str:
    """The lock that leaders share, and that who rebuilds the topic holds alone."""
    return f"{schema}.relay {topic}"


@asynccontextmanager
async def standing_by(dsn: str, share: Share, timeout_s: float, poked: asyncio.Event) -> AsyncIterator[Standby]:
    """A connection for one share; `poked` is set by whoever hears the pokes.

    A leader looks many times a second. When PostgreSQL hears nothing of it for longer than it may wait for Kafka (it is
    paused, or a network swallows what it says), it ends the session and so gives up the lock.
    """
    connection = await connect(dsn, name=f"{share.schema}-relay", statement_timeout_ms=int(timeout_s * 1000))
    async with connection:
        await connection.execute("select set_config('idle_session_timeout', %s, false)", (f"{timeout_s * 1200:.0f}",))
        yield Standby(connection, share, timeout_s, poked)
