"""The SQL of guard, progress and what is parked."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg.rows import class_row

from helpdesk.consumer.batch import Garbage, Guard, Park, StreamBatch
from helpdesk.postgres.arrays import array, texts
from helpdesk.postgres.pool import Connection
from helpdesk.recorded import Cursor, Stream

_SHARE: Final = "select pg_advisory_xact_lock_shared(hashtext(%s))"

# Before the guards, in a statement of its own: whoever unparks a stream holds its row, and has moved its guard when
# this returns. `for share`: as long as a batch passes over a parked stream's event, nobody unparks that stream.
_PARKED: Final = """
select p.tenant_id, p.stream_type, p.stream_id
from {schema}.parked p
join unnest(%s::uuid[], %s::text[], %s::uuid[]) as w(tenant_id, stream_type, stream_id)
  using (tenant_id, stream_type, stream_id)
for share of p"""

_GUARDS: Final = """
select g.tenant_id, g.stream_type, g.stream_id, g.version, g.event_id
from {schema}.stream_guard g
join unnest(%s::uuid[], %s::text[], %s::uuid[]) as w(tenant_id, stream_type, stream_id)
  using (tenant_id, stream_type, stream_id)"""

_ADVANCE: Final = "select {schema}.advance_guards(%s, %s, %s, %s, %s, %s)"

# What `share`, `standing` and `advance` do, and what `purged` asks, in one statement: for whoever expects no surprise.
_TAKE_TURN: Final = "select {schema}.take_turn(%s, %s, %s, %s, %s, %s, %s)"

_PROGRESS: Final = """
select partition, topic_id, next_offset, store_epoch, xid, position, event_id, partitions
from {schema}.progress where topic = %s and partition = any(%s)"""

_MOVE: Final = "select {schema}.move_progress(%s, %s, %s, %s, %s, %s, %s, %s)"
_MOVE_AND_TELL: Final = f"{_MOVE}, pg_notify('{{schema}}_applied', %s)"
_TELL: Final = "notify {schema}_applied"

_SET: Final = """
insert into {schema}.progress
    (topic, partition, topic_id, next_offset, store_epoch, xid, position, event_id, partitions)
select %(topic)s, * from unnest(
    %(partition)s::int[], %(topic_id)s::uuid[], %(next_offset)s::bigint[], %(store_epoch)s::uuid[], %(xid)s::bigint[],
    %(position)s::bigint[], %(event_id)s::uuid[], %(partitions)s::int[])
on conflict (topic, partition) do update set
    topic_id = excluded.topic_id, next_offset = excluded.next_offset, store_epoch = excluded.store_epoch,
    xid = excluded.xid, position = excluded.position, event_id = excluded.event_id, partitions = excluded.partitions,
    updated_at = clock_timestamp()"""

_PARK: Final = """
insert into {schema}.parked as p (tenant_id, stream_type, stream_id, version, error)
select * from unnest(%s::uuid[], %s::text[], %s::uuid[], %s::int[], %s::text[])
on conflict (tenant_id, stream_type, stream_id) do update set
    version = excluded.version, error = excluded.error, tries = p.tries + 1, tried_at = clock_timestamp()"""

_KEEP: Final = """
insert into {schema}.unreadable_record (topic_id, partition, "offset", error, head, length)
select * from unnest(%s::uuid[], %s::int[], %s::bigint[], %s::text[], %s::bytea[], %s::int[])
on conflict do nothing"""

_COUNT: Final = """
select count(*), count(*) filter (where since > clock_timestamp() - make_interval(secs => %(secs)s))
from (select since from {schema}.parked union all select since from {schema}.unreadable_record) waiting"""

_LIST: Final = """
select tenant_id, stream_type, stream_id, version, error, since, tries
from {schema}.parked order by since, tenant_id, stream_type, stream_id"""

_HOLD: Final = """
select from {schema}.parked where tenant_id = %s and stream_type = %s and stream_id = %s for update"""

_RELEASE: Final = "delete from {schema}.parked where tenant_id = %s and stream_type = %s and stream_id = %s"
_FORGET: Final = "delete from {schema}.unreadable_record"
HEAD_BYTES: Final = 65_536
SUPERSEDED: Final = "HD020"
"""SQLSTATE: another consumer applied these events meanwhile (a rebalance); what this one did is rolled back."""
DISPLACED: Final = "HD021"
"""SQLSTATE: progress is not where this consumer left it; what it did since is rolled back."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one partition is applied; a negative offset means: first the store's feed after `cursor`, then Kafka.

    `partitions` is how many there were: the cursor speaks of the shards that they gave this one.
    """

    partition: int
    topic_id: UUID
    next_offset: int
    store_epoch: UUID
    cursor: Cursor
    event_id: UUID
    partitions: int | None


@dataclass(frozen=True, slots=True)
class Move:
    """Progress of one partition: where it stood before a batch, and after it."""

    before: Progress
    after: Progress


@dataclass(frozen=True, slots=True)
class Parked:
    """A stream that waits."""

    stream: Stream
    version: int
    error: str
    since: datetime
    tries: int


class ConsumerStore:
    """Guard, progress and parked streams of one consumer, in its owner's schema."""

    def __init__(self, schema: str) -> None:
        self.schema = schema
        self._parked, self._guards = _PARKED.format(schema=schema), _GUARDS.format(schema=schema)
        self._advance, self._take_turn = _ADVANCE.format(schema=schema), _TAKE_TURN.format(schema=schema)
        self._move, self._move_and_tell = _MOVE.format(schema=schema), _MOVE_AND_TELL.format(schema=schema)
        self._tell, self._set = _TELL.format(schema=schema), _SET.format(schema=schema)
        self._progress, self._park = _PROGRESS.format(schema=schema), _PARK.format(schema=schema)
        self._keep, self._count = _KEEP.format(schema=schema), _COUNT.format(schema=schema)
        self._list, self._hold = _LIST.format(schema=schema), _HOLD.format(schema=schema)
        self._release, self._forget = _RELEASE.format(schema=schema), _FORGET.format(schema=schema)

    async def share(self, connection: Connection, lock: str) -> None:
        """Keep out, until the transaction's end, whoever wants this advisory lock for itself."""
        await connection.execute(_SHARE, (lock,))

    async def standing(
        self, connection: Connection, streams: Sequence[Stream]
    ) -> tuple[dict[Stream, Guard], set[Stream]]:
        """The guard of each stream (one that was never seen is missing), and those that are parked."""
        keys = _keys(streams)
        parked = await connection.execute(self._parked, keys)
        guards = await connection.execute(self._guards, keys)
        return (
            {Stream(t, type_, id_): Guard(v, event) for t, type_, id_, v, event in await guards.fetchall()},
            {Stream(*key) for key in await parked.fetchall()},
        )

    async def advance(self, connection: Connection, batches: Sequence[StreamBatch]) -> None:
        """Move the guards over `batches`; SUPERSEDED when one of the streams is elsewhere by now."""
        await connection.execute(self._advance, _advance(batches))

    async def take_turn(self, connection: Connection, lock: str | None, batches: Sequence[StreamBatch]) -> None:
        """`share` and `advance` at once; SUPERSEDED also when one of the streams is parked or of a purged tenant."""
        await connection.execute(self._take_turn, (lock, *_advance(batches)))

    async def progress(self, connection: Connection, topic: str, partitions: Sequence[int]) -> dict[int, Progress]:
        """The kept progress of these partitions; one that never had any is missing."""
        cursor = connection.cursor(row_factory=class_row(_ProgressRow))
        await cursor.execute(self._progress, (topic, list(partitions)))
        return {
            row.partition: Progress(
                row.partition,
                row.topic_id,
                row.next_offset,
                row.store_epoch,
                Cursor(row.xid, row.position),
                row.event_id,
                row.partitions,
            )
            for row in await cursor.fetchall()
        }

    async def tell(self, connection: Connection) -> None:
        """Whoever waits for guards learns at the commit that some have moved."""
        await connection.execute(self._tell)

    async def move(self, connection: Connection, topic: str, moves: Sequence[Move], *, note: str | None) -> None:
        """Move progress (and tell a `note`, see `told`); DISPLACED when one of the partitions does not stand where it
        stood before."""
        before, after = [one.before for one in moves], [one.after for one in moves]
        await connection.execute(
            self._move if note is None else self._move_and_tell,
            (
                topic,
                array([p.partition for p in after]),
                array([p.next_offset for p in after]),
                array([p.cursor.xid for p in after]),
                array([p.cursor.position for p in after]),
                array([p.event_id for p in after]),
                array([p.next_offset for p in before]),
                array([p.event_id for p in before]),
                *([] if note is None else [note]),
            ),
        )

    async def set(self, connection: Connection, topic: str, progress: Iterable[Progress]) -> None:
        """Write progress, whatever stood there, in the order of partitions."""
        rows = sorted(progress, key=lambda p: p.partition)
        await connection.execute(
            self._set,
            {
                "topic": topic,
                "partition": [p.partition for p in rows],
                "topic_id": [p.topic_id for p in rows],
                "next_offset": [p.next_offset for p in rows],
                "store_epoch": [p.store_epoch for p in rows],
                "xid": [p.cursor.xid for p in rows],
                "position": [p.cursor.position for p in rows],
                "event_id": [p.event_id for p in rows],
                "partitions": [p.partitions for p in rows],
            },
        )

    async def park(self, connection: Connection, parks: Sequence[Park]) -> None:
        """Let these streams wait; one that waits already has failed once more."""
        keys = _keys([one.stream for one in parks])
        await connection.execute(self._park, (*keys, [one.version for one in parks], [one.error for one in parks]))

    async def keep(self, connection: Connection, topic_id: UUID, garbage: Sequence[Garbage]) -> None:
        """Keep the beginning of records that are no envelopes."""
        await connection.execute(
            self._keep,
            (
                [topic_id] * len(garbage),
                [one.partition for one in garbage],
                [one.offset for one in garbage],
                [one.error for one in garbage],
                [one.value[:HEAD_BYTES] for one in garbage],
                [len(one.value) for one in garbage],
            ),
        )

    async def waiting(self, connection: Connection, window_s: float) -> tuple[int, int]:
        """How many streams and records are parked: all, and within the last `window_s`."""
        cursor = await connection.execute(self._count, {"secs": window_s})
        ((all_, recent),) = await cursor.fetchall()
        return int(all_), int(recent)

    async def parked(self, connection: Connection) -> list[Parked]:
        """All that wait, the oldest first."""
        cursor = await connection.execute(self._list)
        return [Parked(Stream(*row[:3]), *row[3:]) for row in await cursor.fetchall()]

    async def hold(self, connection: Connection, stream: Stream) -> bool:
        """Whether it is parked; if so it is the caller's until the end of the transaction."""
        cursor = await connection.execute(self._hold, (stream.tenant_id, stream.type, stream.id))
        return await cursor.fetchone() is not None

    async def release(self, connection: Connection, stream: Stream) -> None:
        """It waits no longer."""
        await connection.execute(self._release, (stream.tenant_id, stream.type, stream.id))

    async def forget_records(self, connection: Connection) -> int:
        """Remove the kept beginnings of records that were no envelopes."""
        return (await connection.execute(self._forget)).rowcount


def _keys(streams: Sequence[Stream]) -> tuple[str, str, str]:
    return array([s.tenant_id for s in streams]), texts([s.type for s in streams]), array([s.id for s in streams])


def _advance(batches: Sequence[StreamBatch]) -> tuple[str, ...]:
    return (
        *_keys([b.stream for b in batches]),
        array([b.from_version for b in batches]),
        array([b.to_version for b in batches]),
        array([b.events[-1].event_id for b in batches]),
    )


@dataclass(frozen=True, slots=True)
class _ProgressRow:
    partition: int
    topic_id: UUID
    next_offset: int
    store_epoch: UUID
    xid: int
    position: int
    event_id: UUID
    partitions: int | None
