"""What the store has: the only remedy for whatever Kafka does not have any more, or never had."""

from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row

from helpdesk.bus.envelope import Unreadable
from helpdesk.eventstore.rows import COLUMNS, EventRow
from helpdesk.postgres.pool import Pool
from helpdesk.recorded import Cursor, RecordedEvent, Stream
from helpdesk.wire import Undecodable

_STREAM: Final = "select {columns} from {schema}.read_stream(%s, %s, %s, %s)"
# The deep horizon: what the relay has sent past a foreign transaction must not be missed here either.
_FEED: Final = """
select {columns} from {schema}.feed(
    %(xid)s::text::xid8, %(position)s, %(limit)s, %(divisor)s, %(remainder)s, p_deep => true)"""
_EPOCH: Final = "select epoch from {schema}.store"


class History:
    """Streams and feed of the owner of `schema`, on a pool whose role may read them (`<schema>_reader`).

    An event that this version cannot decode comes as Unreadable. Everything raises `postgres.pool.UNAVAILABLE`.
    """

    def __init__(self, pool: Pool, schema: str = "events") -> None:
        self._pool = pool
        self._stream = _STREAM.format(columns=COLUMNS, schema=schema)
        self._feed = _FEED.format(columns=COLUMNS, schema=schema)
        self._epoch = _EPOCH.format(schema=schema)

    async def stream(self, stream: Stream, after: int = 0) -> list[RecordedEvent | Unreadable]:
        """One stream after a version, oldest first."""
        return await self._read(self._stream, (stream.tenant_id, stream.type, stream.id, after))

    async def page(
        self, after: Cursor, limit: int, divisor: int = 1, remainder: int = 0
    ) -> list[RecordedEvent | Unreadable]:
        """Every tenant's events after `after` in commit order, of shards with shard % divisor = remainder."""
        return await self._read(
            self._feed,
            {
                "xid": after.xid,
                "position": after.position,
                "limit": limit,
                "divisor": divisor,
                "remainder": remainder,
            },
        )

    async def epoch(self) -> UUID:
        """Which store this is; a restore makes it another."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(self._epoch)
            ((epoch,),) = await cursor.fetchall()
        return UUID(str(epoch))

    async def _read(self, query: str, params: Any) -> list[RecordedEvent | Unreadable]:
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(EventRow))
            await cursor.execute(query, params)
            return [_recorded(row) for row in await cursor.fetchall()]


def _recorded(row: EventRow) -> RecordedEvent | Unreadable:
    try:
        return row.recorded()
    except Undecodable as error:
        return Unreadable(
            Stream(row.tenant_id, row.stream_type, row.stream_id),
            row.version,
            Cursor(row.xid, row.position),
            row.event_id,
            row.remaining,
            row.recorded_at,
            str(error),
        )
