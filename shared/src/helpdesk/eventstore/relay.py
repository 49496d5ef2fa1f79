"""Feed → Kafka, in order, at least once: one leader at a time, and a former leader cannot move the checkpoint.

Every failure has one answer: forget the producer, the connection and the leadership, and begin again at the
checkpoint. Duplicates after that are certain and in order; consumers drop them by version.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
import psycopg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from psycopg.rows import class_row

from helpdesk.bus.envelope import key_of
from helpdesk.postgres.pool import Connection, connect
from helpdesk.recorded import Cursor, Stream
from helpdesk.tasks import pause

PAGE: Final = 500
NET_BENEATH_THE_WAKE_UP_S: Final = 0.05
FIRST_LOOK_S: Final = 0.002
SEND_TIMEOUT_S: Final = 10.0
STANDBY_S: Final = 1.0
BACKOFF_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
log = logging.getLogger(__name__)


class Fenced(RuntimeError):
    """Another relay leads now."""


class ForeignStore(RuntimeError):
    """The checkpoint belongs to another cluster: a dump was restored, or the DSN is wrong."""


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """`schema` is the owner's, `topic` where its events go; `poll_s` is how often to look when nothing wakes it."""

    dsn: str
    schema: str
    bootstrap: str
    topic: str
    poll_s: float = NET_BENEATH_THE_WAKE_UP_S


@dataclass(slots=True)
class RelayState:
    """What health and metrics show of a relay."""

    leading: bool = False
    cursor: Cursor | None = None
    sent: int = 0
    error: str | None = None
    caught_up: asyncio.Event = field(default_factory=asyncio.Event)


async def run(settings: RelaySettings, state: RelayState | None = None) -> None:
    """Lead when possible, relay while leading, for ever. Ends by cancellation, or with ForeignStore."""
    state = state or RelayState()
    failures = 0
    while True:
        try:
            sent = state.sent
            async with _leadership(settings, state) as (connection, epoch, cursor):
                state.leading = True
                log.info("relay leads", extra={"topic": settings.topic, "epoch": epoch, "cursor": str(cursor)})
                await _relay(settings, connection, epoch, cursor, state)
        except (psycopg.Error, KafkaError, Fenced, TimeoutError, OSError) as error:
            failures = 0 if state.sent > sent else failures + 1
            delay = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
            state.error = f"{type(error).__name__}: {error}"
            log.warning("relay begins again", extra={"topic": settings.topic, "error": state.error, "delay_s": delay})
            await pause(delay)
        finally:
            state.leading = False


@asynccontextmanager
async def _leadership(settings: RelaySettings, state: RelayState) -> AsyncIterator[tuple[Connection, int, Cursor]]:
    """Wait for the lock; raise the epoch, which fences whoever led before."""
    schema = settings.schema
    connection = await connect(settings.dsn, name=f"{schema}-relay", statement_timeout_ms=10_000)
    async with connection:
        await connection.execute(f"listen {schema}_appended")
        state.error = None  # whoever stands by is well
        while not await _value(connection, "select pg_try_advisory_lock(hashtext(%s), 0)", f"{schema}.relay"):
            await pause(STANDBY_S)  # a waiting pg_advisory_lock would hold a snapshot, and vacuum, for ever
        row = await _row(connection, _LEAD.format(schema=schema), {"name": settings.topic})
        if row is None:
            raise ForeignStore(
                f"the checkpoint of {settings.topic} was written in another PostgreSQL cluster or store: "
                "restore its topics, or remove the row of relay_checkpoint if they are to be filled again"
            )
        epoch, xid, position = row
        yield connection, int(epoch), Cursor(int(xid), int(position))


# One statement takes the lead: it inserts the first checkpoint or raises the epoch of the one that is there, unless
# that one was written in another cluster or another store.
_LEAD: Final = """
insert into {schema}.relay_checkpoint as c (name, epoch, store_epoch, system_identifier, timeline)
select %(name)s, 1, s.epoch, sys.system_identifier, cp.timeline_id
from {schema}.store s, pg_control_system() sys, pg_control_checkpoint() cp
on conflict (name) do update set epoch = c.epoch + 1, timeline = excluded.timeline, updated_at = now()
where c.store_epoch = excluded.store_epoch and c.system_identifier = excluded.system_identifier
returning epoch, xid::text::bigint, position"""

_MOVE: Final = """
update {schema}.relay_checkpoint
set xid = %(xid)s::text::xid8, position = %(position)s, event_id = %(event_id)s, updated_at = now()
where name = %(name)s and epoch = %(epoch)s"""

_FEED: Final = """
select f.tenant_id, f.stream_type, f.stream_id, f.version, f.position, f.xid::text as xid, f.shard,
       f.event_id, f.command_id, f.ordinal, f.remaining, f.type, f.schema_version,
       convert_to(f.data::text, 'UTF8') as data, convert_to(f.metadata::text, 'UTF8') as metadata,
       f.recorded_at, s.epoch as store_epoch
from {schema}.store s, {schema}.feed(%(xid)s::text::xid8, %(position)s, %(limit)s) f"""


@dataclass(frozen=True, slots=True)
class _FeedRow:
    """A row of the feed whose payload stays undecoded bytes."""

    tenant_id: Any
    stream_type: str
    stream_id: Any
    version: int
    position: int
    xid: str
    shard: int
    event_id: Any
    command_id: Any
    ordinal: int
    remaining: int
    type: str
    schema_version: int
    data: bytes
    metadata: bytes
    recorded_at: Any
    store_epoch: Any

    def envelope(self) -> bytes:
        return orjson.dumps(
            {
                "event_id": self.event_id,
                "type": self.type,
                "schema_version": self.schema_version,
                "tenant_id": self.tenant_id,
                "stream_type": self.stream_type,
                "stream_id": self.stream_id,
                "version": self.version,
                "xid": self.xid,
                "position": self.position,
                "store_epoch": self.store_epoch,
                "command_id": self.command_id,
                "ordinal": self.ordinal,
                "remaining": self.remaining,
                "recorded_at": self.recorded_at,
                "metadata": orjson.Fragment(self.metadata),
                "data": orjson.Fragment(self.data),
            },
            option=orjson.OPT_UTC_Z,
        )


async def _relay(
    settings: RelaySettings, connection: Connection, epoch: int, cursor: Cursor, state: RelayState
) -> None:
    move, feed = _MOVE.format(schema=settings.schema), _FEED.format(schema=settings.schema)
    async with _producer(settings) as producer:
        partitions = len(await producer.partitions_for(settings.topic))
        pause = settings.poll_s
        while True:
            rows = await _feed(connection, feed, cursor)
            if not rows:
                state.cursor = cursor
                state.caught_up.set()
                # After a poke a row can stay below the horizon for a moment (somebody's transaction still runs), and
                # nothing tells when it rises: look again soon, then ever less often.
                pause = FIRST_LOOK_S if await _wake_up(connection, pause) else min(pause * 2, settings.poll_s)
                continue
            pause = FIRST_LOOK_S
            state.caught_up.clear()
            async with asyncio.timeout(SEND_TIMEOUT_S):
                futures = [
                    await producer.send(
                        settings.topic,
                        value=row.envelope(),
                        key=key_of(Stream(row.tenant_id, row.stream_type, row.stream_id)),
                        partition=row.shard % partitions,
                    )
                    for row in rows
                ]
                await asyncio.gather(*futures)
            last = rows[-1]
            cursor = Cursor(int(last.xid), last.position)
            done = await connection.execute(
                move,
                {
                    "xid": cursor.xid,
                    "position": cursor.position,
                    "event_id": last.event_id,
                    "name": settings.topic,
                    "epoch": epoch,
                },
            )
            if done.rowcount != 1:
                raise Fenced(f"another relay leads {settings.topic}")
            state.sent += len(rows)


async def _feed(connection: Connection, query: str, cursor: Cursor) -> list[_FeedRow]:
    rows = connection.cursor(row_factory=class_row(_FeedRow))
    await rows.execute(query, {"xid": cursor.xid, "position": cursor.position, "limit": PAGE})
    return await rows.fetchall()


async def _wake_up(connection: Connection, at_most_s: float) -> bool:
    """Return True on a poke, False when none came in time: polling is the net beneath the pokes."""
    return [_ async for _ in connection.notifies(timeout=at_most_s, stop_after=1)] != []


@asynccontextmanager
async def _producer(settings: RelaySettings) -> AsyncIterator[AIOKafkaProducer]:
    """A fresh producer, never used again after a failure: aiokafka counts a batch that never left as sent."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.bootstrap,
        enable_idempotence=True,
        acks="all",
        compression_type="lz4",
        linger_ms=0,
        max_batch_size=262_144,
        max_request_size=4_194_304,
        request_timeout_ms=int(SEND_TIMEOUT_S * 1000),
    )
    try:
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await producer.start()
        yield producer
    finally:
        with suppress(TimeoutError, KafkaError, OSError, asyncio.CancelledError):
            async with asyncio.timeout(2.0):
                await producer.stop()
        # aiokafka's own cancelled tasks speak through `stop`; our cancellation must not be lost among them.
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise asyncio.CancelledError


async def _row(connection: Connection, query: str, params: Any) -> tuple[Any, ...] | None:
    cursor = await connection.execute(query, params)
    return await cursor.fetchone()


async def _value(connection: Connection, query: str, *params: Any) -> Any:
    row = await _row(connection, query, params)
    return row[0] if row else None


class Poke:
    """Tells the relay after a commit that there is something to send: coalesced, off the request's path.

    The NOTIFY goes through a connection of its own, because one inside the append costs two thirds of its rate.
    """

    def __init__(self, dsn: str, schema: str) -> None:
        self._dsn, self._notify = dsn, f"notify {schema}_appended"
        self._wanted = asyncio.Event()

    def __call__(self) -> None:
        self._wanted.set()

    async def run(self) -> None:
        """Send the pokes, for ever; while the database is away the relay's polling takes their place."""
        while True:
            with suppress(psycopg.Error):
                async with await connect(self._dsn, name="poke") as connection:
                    while True:
                        await self._wanted.wait()
                        self._wanted.clear()
                        await connection.execute(self._notify)
            await pause(1.0)
