"""A stream as it stood: at a version, or at a moment."""

from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from helpdesk.eventstore.rows import COLUMNS, EventRow
from helpdesk.folds import ticket as fold
from helpdesk.postgres.pool import Pool
from helpdesk.recorded import RecordedEvent, Stream


class Past:
    """The past of one owner's streams, for a login that may read events (its appender or its reader).

    A moment is compared with `recorded_at`: one clock, the database's, that nobody brings along. An event's own `at` is
    what the process believed that decided, or what an import said; it need not grow along a stream. What was in flight
    at a moment may still come to be recorded before it, so an answer is final once the appends of that moment have
    ended: milliseconds later, and at the latest after the time-outs of `postgres.pool`.

    Redacted events come as they are now: what was destroyed has no past.
    """

    def __init__(self, pool: Pool, schema: str) -> None:
        self._pool = pool
        self._read: str = f"select {COLUMNS} from {schema}.read_stream_as_of(%s, %s, %s, %s, %s)"

    async def read_stream(self, stream: Stream, *, as_of: int | datetime) -> list[RecordedEvent]:
        """The events up to a version, or the longest run of whole commands that was recorded at or before a moment.

        Oldest first; `[]` for a stream that did not exist then. Raises ValueError for a moment without a time zone,
        wire.Undecodable, `postgres.pool.UNAVAILABLE`.
        """
        version, moment = _place(as_of)
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(EventRow))
            await cursor.execute(self._read, (stream.tenant_id, stream.type, stream.id, version, moment))
            return [row.recorded() for row in await cursor.fetchall()]

    async def ticket(self, tenant_id: UUID, ticket_id: UUID, *, as_of: int | datetime) -> fold.Ticket | None:
        """The ticket as it stood then; None when there was none. Raises as `read_stream` does."""
        stream = Stream(tenant_id, "ticket", ticket_id)
        past = [one.event for one in await self.read_stream(stream, as_of=as_of)]
        events = [event for event in past if isinstance(event, fold.EVENTS)]
        return fold.fold(None, events, stream) if events else None


def _place(as_of: int | datetime) -> tuple[int | None, datetime | None]:
    if isinstance(as_of, int):
        return as_of, None
    if as_of.tzinfo is None:
        raise ValueError("a moment needs its time zone")
    return None, as_of
