"""The SQL of guard and progress."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from psycopg.rows import class_row

from helpdesk.consumer.batch import StreamBatch
from helpdesk.postgres.pool import Connection
from helpdesk.recorded import Cursor, Stream

_VERSIONS: Final = """
select g.tenant_id, g.stream_type, g.stream_id, g.version
from {schema}.stream_guard g
join unnest(%s::uuid[], %s::text[], %s::uuid[]) as w(tenant_id, stream_type, stream_id)
  using (tenant_id, stream_type, stream_id)"""

# Guard and check are one statement: a stream that somebody else moved meanwhile updates no row.
_ADVANCE: Final = """
insert into {schema}.stream_guard as g (tenant_id, stream_type, stream_id, version)
select * from unnest(%(tenants)s::uuid[], %(types)s::text[], %(ids)s::uuid[], %(to)s::int[])
on conflict (tenant_id, stream_type, stream_id) do update set version = excluded.version
where (g.tenant_id, g.stream_type, g.stream_id, g.version) in (
    select * from unnest(%(tenants)s::uuid[], %(types)s::text[], %(ids)s::uuid[], %(from)s::int[]))"""

_PROGRESS: Final = """
select partition, topic_id, next_offset, store_epoch, xid, position, event_id
from {schema}.progress where topic = %s and partition = any(%s)"""

_MOVE: Final = """
insert into {schema}.progress (topic, partition, topic_id, next_offset, store_epoch, xid, position, event_id)
values (%(topic)s, %(partition)s, %(topic_id)s, %(next_offset)s, %(store_epoch)s, %(xid)s, %(position)s, %(event_id)s)
on conflict (topic, partition) do update set
    topic_id = excluded.topic_id, next_offset = excluded.next_offset, store_epoch = excluded.store_epoch,
    xid = excluded.xid, position = excluded.position, event_id = excluded.event_id, updated_at = clock_timestamp()"""


class Superseded(Exception):
    """Another consumer applied these events meanwhile (a rebalance): what this one did is rolled back."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one partition is applied."""

    partition: int
    topic_id: UUID
    next_offset: int
    store_epoch: UUID
    cursor: Cursor
    event_id: UUID


class ConsumerStore:
    """Guard and progress of one consumer, in its owner's schema."""

    def __init__(self, schema: str) -> None:
        self.schema = schema
        self._versions, self._advance = _VERSIONS.format(schema=schema), _ADVANCE.format(schema=schema)
        self._progress, self._move = _PROGRESS.format(schema=schema), _MOVE.format(schema=schema)

    async def versions(self, connection: Connection, streams: Sequence[Stream]) -> dict[Stream, int]:
        """The applied version of each stream; one that was never seen is missing."""
        cursor = await connection.execute(
            self._versions, ([s.tenant_id for s in streams], [s.type for s in streams], [s.id for s in streams])
        )
        return {Stream(tenant, type_, id_): version for tenant, type_, id_, version in await cursor.fetchall()}

    async def advance(self, connection: Connection, batches: Sequence[StreamBatch]) -> None:
        """Move the guards over `batches`. Raises Superseded when one of the streams is elsewhere by now."""
        if not batches:
            return
        cursor = await connection.execute(
            self._advance,
            {
                "tenants": [b.stream.tenant_id for b in batches],
                "types": [b.stream.type for b in batches],
                "ids": [b.stream.id for b in batches],
                "from": [b.from_version for b in batches],
                "to": [b.to_version for b in batches],
            },
        )
        if cursor.rowcount != len(batches):
            raise Superseded

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
            )
            for row in await cursor.fetchall()
        }

    async def move(self, connection: Connection, topic: str, progress: Sequence[Progress]) -> None:
        """Write progress, in the order of partitions."""
        async with connection.cursor() as cursor:
            await cursor.executemany(
                self._move,
                [
                    {
                        "topic": topic,
                        "partition": p.partition,
                        "topic_id": p.topic_id,
                        "next_offset": p.next_offset,
                        "store_epoch": p.store_epoch,
                        "xid": p.cursor.xid,
                        "position": p.cursor.position,
                        "event_id": p.event_id,
                    }
                    for p in sorted(progress, key=lambda p: p.partition)
                ],
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
