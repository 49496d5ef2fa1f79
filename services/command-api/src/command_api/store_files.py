"""The private rows about files: uploads under way, and what the worker must look at."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from psycopg.rows import class_row

from helpdesk.postgres.pool import Pool
from helpdesk.postgres.tenant import Statement, read

BEGIN: Final = """
insert into events.watched_file (tenant_id, id, ticket_id, look_at, by_id, mime_type, file_size, sha256)
values (%(tenant_id)s, %(id)s, %(ticket_id)s, clock_timestamp() + %(keep)s, %(by_id)s, %(mime_type)s, %(file_size)s,
        %(sha256)s)
returning id"""

# The worker takes `by_id` away before it deletes anything. Who was faster has the row: an upload that is being
# completed is not looked at meanwhile, and one that is being deleted cannot be completed.
HOLD: Final = """
update events.watched_file set look_at = greatest(look_at, clock_timestamp() + %(hold)s)
where tenant_id = %(tenant_id)s and id = %(id)s and ticket_id = %(ticket_id)s and by_id = %(by_id)s
returning mime_type, file_size, sha256"""

DOUBT: Final = """
insert into events.watched_file (tenant_id, id, ticket_id, look_at)
values (%(tenant_id)s, %(id)s, %(ticket_id)s, clock_timestamp() + %(after)s)
on conflict (tenant_id, id) do update set look_at = excluded.look_at, by_id = null
returning id"""

CLAIM: Final = """
update events.watched_file w set by_id = null, look_at = clock_timestamp() + %(again)s
from (select d.tenant_id, d.id from events.watched_file d where d.look_at <= clock_timestamp()
      order by d.look_at limit %(limit)s for update skip locked) due
where w.tenant_id = due.tenant_id and w.id = due.id
returning w.tenant_id, w.id, w.ticket_id"""

SETTLE: Final = "delete from events.watched_file where tenant_id = %(tenant_id)s and id = %(id)s"


@dataclass(frozen=True, slots=True)
class Declared:
    """What was declared of an upload when it was begun."""

    mime_type: str
    file_size: int | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Watched:
    """A file that the worker looks at."""

    tenant_id: UUID
    id: UUID
    ticket_id: UUID


@dataclass(frozen=True, slots=True)
class _Id:
    id: UUID


async def begin(pool: Pool, file: Watched, by_id: UUID, declared: Declared, keep: timedelta) -> None:
    """An upload begins; for `keep` it may be completed."""
    params = {
        "tenant_id": file.tenant_id,
        "id": file.id,
        "ticket_id": file.ticket_id,
        "keep": keep,
        "by_id": by_id,
        "mime_type": declared.mime_type,
        "file_size": declared.file_size,
        "sha256": declared.sha256,
    }
    await read(pool, file.tenant_id, Statement(BEGIN, _Id, params))


async def hold(pool: Pool, file: Watched, by_id: UUID, for_: timedelta) -> Declared | None:
    """What was declared of an upload of this person to this ticket, kept at least `for_`; None: no such one."""
    params = {
        "tenant_id": file.tenant_id,
        "id": file.id,
        "ticket_id": file.ticket_id,
        "by_id": by_id,
        "hold": for_,
    }
    found = await read(pool, file.tenant_id, Statement(HOLD, Declared, params))
    return found[0] if found else None


async def doubt(pool: Pool, file: Watched, after: timedelta) -> None:
    """The file may be removed from its ticket now: to be looked at later, and not to be completed any more."""
    params = {"tenant_id": file.tenant_id, "id": file.id, "ticket_id": file.ticket_id, "after": after}
    await read(pool, file.tenant_id, Statement(DOUBT, _Id, params))


async def claim(pool: Pool, limit: int, again: timedelta) -> list[Watched]:
    """Of all tenants: what is due, which nobody completes from now on. Who fails to settle it gets it `again`."""
    async with pool.connection() as connection:
        cursor = connection.cursor(row_factory=class_row(Watched))
        await cursor.execute(CLAIM, {"limit": limit, "again": again})
        return await cursor.fetchall()


async def settle(pool: Pool, file: Watched) -> None:
    """The file store holds of this file what it should."""
    async with pool.connection() as connection:
        await connection.execute(SETTLE, {"tenant_id": file.tenant_id, "id": file.id})
