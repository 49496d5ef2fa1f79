"""The two exceptions of immutability, for operators: destroy personal fields of a stream, or all of a tenant.

Both are recorded by an event in the transaction that begins to destroy. docs/operators/privacy.md tells what remains
elsewhere, where, and for how long.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID

import psycopg

from helpdesk.events.operations import PLATFORM, TenantPurged
from helpdesk.events.personal import personal_fields
from helpdesk.events.ticket import TicketRedacted
from helpdesk.events.user import UserRedacted
from helpdesk.eventstore.store import EventStore, StreamAppend
from helpdesk.ids import new_id
from helpdesk.postgres.pool import Pool
from helpdesk.recorded import Metadata, RecordedEvent, Stream

Redaction: TypeAlias = TicketRedacted | UserRedacted
REDACTABLE: Final[dict[str, type[Redaction]]] = {"ticket": TicketRedacted, "user": UserRedacted}
"""Stream type → the event that records a redaction there. A tenant is purged; an endpoint is deleted and purged."""
GRACE: Final = timedelta(days=30)


class NotErased(Exception):
    """Nothing was destroyed, for a reason that an operator can read."""


def redactions(
    history: Sequence[RecordedEvent],
    *,
    events: Sequence[UUID] = (),
    fields: Sequence[str] = (),
    reason: str,
    by: UUID,
    at: datetime,
) -> list[Redaction]:
    """What to record in order to empty personal fields of one stream's `history`: of these events (none: of all), these
    fields (none: all). Fields that hold nothing are left out. Raises NotErased for an event or field that is none.
    """
    if not history:
        raise NotErased("there is no such stream")
    kind = REDACTABLE.get(history[0].stream.type)
    if kind is None:
        raise NotErased(f"streams of type {history[0].stream.type} are not redacted: purge the tenant")
    if strangers := set(events) - {one.event_id for one in history}:
        raise NotErased(f"the stream has no event {min(strangers)}")
    wanted = [one for one in history if not events or one.event_id in events]
    marked = {name for one in wanted if one.event is not None for name in personal_fields(one.event)}
    if strange := set(fields) - marked:
        raise NotErased(f"{min(strange)} is no personal field of these events; theirs are {', '.join(sorted(marked))}")
    return [
        kind(event_id=one.event_id, fields=tuple(names), reason=reason, by=by, at=at)
        for one in wanted
        if (names := [name for name in _holding(one) if not fields or name in fields])
    ]


def _holding(one: RecordedEvent) -> Iterator[str]:
    if one.event is not None:
        yield from (name for name in personal_fields(one.event) if getattr(one.event, name))


async def redact(
    pool: Pool, schema: str, stream: Stream, version: int, recorded: Sequence[Redaction], metadata: Metadata
) -> None:
    """Empty what `recorded` names of a stream that is at `version`, and append `recorded` to it, in one transaction.

    Raises NotErased for what the database refuses, WrongVersion when somebody appended meanwhile: read and try again.
    """
    store = EventStore(pool, schema)
    async with pool.connection() as connection, connection.transaction():
        # Before any write: whoever keeps an answer, and so must be waited for, may wait for what is written here.
        await connection.execute(
            "select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"{schema}.answers/{stream.tenant_id}",)
        )
        # Then the append: it must be the first write of its transaction.
        await store.append_in(connection, new_id(), [StreamAppend(stream, version, recorded)], metadata)
        for one in recorded:
            try:
                await connection.execute(
                    f"select {schema}.redact(%s, %s, %s, %s, %s)",
                    (stream.tenant_id, stream.type, stream.id, one.event_id, list(one.fields)),
                )
            except psycopg.Error as error:
                raise _told(error) from error


async def purge(pool: Pool, schema: str, record: TenantPurged, metadata: Metadata, grace: timedelta = GRACE) -> int:
    """Destroy every row of a closed tenant in this schema, and answer how many there were.

    The first slice and its record are one transaction; the others follow, each short. Broken off, it can be begun again
    and ends what was left. Raises NotErased when the tenant is not closed, or not for `grace`.
    """
    store = EventStore(pool, schema)
    stream = Stream(PLATFORM, "platform", record.tenant_id)
    purged = f"select {schema}.purge(%s, %s)"
    version = len(await store.read_stream(stream))
    try:
        async with pool.connection() as connection, connection.transaction():
            await store.append_in(connection, new_id(), [StreamAppend(stream, version, [record])], metadata)
            gone = slice_ = await _count(connection, purged, record.tenant_id, grace)
        while slice_:
            async with pool.connection() as connection:
                slice_ = await _count(connection, purged, record.tenant_id, grace)
            gone += slice_
    except psycopg.Error as error:
        raise _told(error) from error
    return gone


async def _count(connection: psycopg.AsyncConnection[tuple[int]], sql: str, tenant_id: UUID, grace: timedelta) -> int:
    cursor = await connection.execute(sql, (tenant_id, grace))
    row = await cursor.fetchone()
    return row[0] if row else 0


def _told(error: psycopg.Error) -> Exception:
    """The database's own sentence where it refuses; any other error as it is."""
    if error.sqlstate in ("HD030", "HD031", "HD032"):
        return NotErased(str(error.diag.message_primary))
    return error
