"""The SQL of the schema `notices`: the intake writes in bulk, people read and change their own within their tenant."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from helpdesk.auth.tokens import Principal
from helpdesk.postgres.pool import Connection, Pool
from helpdesk.postgres.tenant import Statement, read, read_all
from helpdesk.recorded import Stream
from notifier.domain.notice import Notice, NoticeType, in_app_id
from notifier.domain.person import Person
from notifier.domain.ticket import Ticket

# --- intake ---------------------------------------------------------------------------------------------------------

TICKETS: Final = """
select t.tenant_id, t.id, t.number, t.title, t.creator_id, t.assignee_id
from notices.ticket t join unnest(%s::uuid[], %s::uuid[]) as w(tenant_id, id) using (tenant_id, id)"""

WRITE_TICKETS: Final = """
insert into notices.ticket (tenant_id, id, number, title, creator_id, assignee_id)
select * from unnest(%s::uuid[], %s::uuid[], %s::integer[], %s::text[], %s::uuid[], %s::uuid[])
on conflict (tenant_id, id) do update set title = excluded.title, assignee_id = excluded.assignee_id"""

WRITE_PEOPLE: Final = """
insert into notices.person (tenant_id, id, email, name, role)
select * from unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[])
on conflict (tenant_id, id) do update set email = excluded.email, name = excluded.name, role = excluded.role"""

ROLES: Final = """
select p.tenant_id, p.id, p.role
from notices.person p join unnest(%s::uuid[], %s::uuid[]) as w(tenant_id, id) using (tenant_id, id)"""

# A zombie after a rebalance may write the same row first; it, or this one, then loses on the guard and rolls back.
WRITE_NOTIFICATIONS: Final = """
insert into notices.notification
    (tenant_id, id, user_id, event_id, type, title, message, data, actor_id, is_internal, created_at)
select * from unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::jsonb[],
                     %s::uuid[], %s::boolean[], %s::timestamptz[])
on conflict (tenant_id, id) do nothing"""


@dataclass(frozen=True, slots=True)
class _TicketRow:
    tenant_id: UUID
    id: UUID
    number: int
    title: str
    creator_id: UUID
    assignee_id: UUID | None


async def tickets(connection: Connection, streams: Sequence[Stream]) -> dict[Stream, Ticket]:
    """The snapshots of these tickets as they stand."""
    cursor = connection.cursor(row_factory=class_row(_TicketRow))
    await cursor.execute(TICKETS, ([s.tenant_id for s in streams], [s.id for s in streams]))
    return {
        Stream(row.tenant_id, "ticket", row.id): Ticket(row.id, row.number, row.title, row.creator_id, row.assignee_id)
        for row in await cursor.fetchall()
    }


async def write_tickets(connection: Connection, rows: Mapping[Stream, Ticket]) -> None:
    """Insert or replace, in key order."""
    ordered = sorted(rows)
    found = [rows[stream] for stream in ordered]
    columns = (
        [s.tenant_id for s in ordered],
        [t.id for t in found],
        [t.number for t in found],
        [t.title for t in found],
        [t.creator_id for t in found],
        [t.assignee_id for t in found],
    )
    await connection.execute(WRITE_TICKETS, columns)


async def write_people(connection: Connection, rows: Mapping[Stream, Person]) -> None:
    """Insert or replace, in key order."""
    if not rows:
        return
    ordered = sorted(rows)
    found = [rows[stream] for stream in ordered]
    columns = (
        [s.tenant_id for s in ordered],
        [s.id for s in ordered],
        [p.email for p in found],
        [p.name for p in found],
        [p.role for p in found],
    )
    await connection.execute(WRITE_PEOPLE, columns)


async def roles(connection: Connection, people: Collection[tuple[UUID, UUID]]) -> dict[UUID, dict[UUID, str]]:
    """Tenant → person → role, of these (tenant, person); one who is not known yet is missing."""
    cursor = await connection.execute(ROLES, ([tenant for tenant, _ in people], [person for _, person in people]))
    found: dict[UUID, dict[UUID, str]] = {}
    for tenant_id, person_id, role in await cursor.fetchall():
        found.setdefault(tenant_id, {})[person_id] = role
    return found


async def write_notifications(connection: Connection, rows: Sequence[tuple[UUID, UUID, Notice]]) -> None:
    """Insert in-app notifications, given as (tenant, the command's first event, notice); one that stands is kept."""
    if not rows:
        return
    columns = (
        [tenant_id for tenant_id, _, _ in rows],
        [in_app_id(event_id, notice.user_id) for _, event_id, notice in rows],
        [notice.user_id for _, _, notice in rows],
        [event_id for _, event_id, _ in rows],
        [notice.type.value for _, _, notice in rows],
        [notice.title for _, _, notice in rows],
        [notice.message for _, _, notice in rows],
        [Jsonb(dict(notice.data)) for _, _, notice in rows],
        [notice.actor_id for _, _, notice in rows],
        [notice.is_internal for _, _, notice in rows],
        [notice.at for _, _, notice in rows],
    )
    await connection.execute(WRITE_NOTIFICATIONS, columns)


# --- the feed of one person -----------------------------------------------------------------------------------------

# One's own; an internal note only while one is staff: by the directory, or by the token where it does not know yet.
_OWN: Final = """n.tenant_id = %(tenant)s and n.user_id = %(user)s
  and (not n.is_internal or coalesce(
        (select p.role from notices.person p where p.tenant_id = %(tenant)s and p.id = %(user)s),
        %(role)s) in ('AGENT', 'ADMIN'))"""

_READ: Final = {None: "", True: "and n.is_read", False: "and not n.is_read"}
_TYPED: Final = "and (%(type)s::text is null or n.type = %(type)s)"

_COLUMNS: Final = """n.id, n.type, n.user_id, n.title, n.message, n.data, n.is_read, n.created_at, n.actor_id,
       a.email as actor_email, a.name as actor_name"""
_ACTOR: Final = "left join notices.person a on a.tenant_id = n.tenant_id and a.id = n.actor_id"

NEWEST_FIRST: Final = f"""
select {_COLUMNS} from notices.notification n {_ACTOR}
where {_OWN} {{read}} {_TYPED}
  and (n.created_at, n.id) < (%(at)s::timestamptz, %(id)s::uuid)
order by n.created_at desc, n.id desc limit %(limit)s offset %(offset)s"""

OLDEST_FIRST: Final = f"""
select {_COLUMNS} from notices.notification n {_ACTOR}
where {_OWN} {{read}} {_TYPED}
  and (n.created_at, n.id) > (%(at)s::timestamptz, %(id)s::uuid)
order by n.created_at, n.id limit %(limit)s offset %(offset)s"""

COUNT: Final = f"select count(*) from notices.notification n where {_OWN} {{read}} {_TYPED}"

MARK_READ: Final = f"""
with n as (
    update notices.notification n set is_read = true where {_OWN} and n.id = %(id)s returning n.*)
select {_COLUMNS} from n {_ACTOR}"""

MARK_ALL_READ: Final = f"""
with n as (
    update notices.notification n set is_read = true where {_OWN} and not n.is_read returning n.id)
select count(*) from n"""

DELETE: Final = f"""
with n as (delete from notices.notification n where {_OWN} and n.id = %(id)s returning n.id)
select count(*) from n"""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which notifications; None: all."""

    is_read: bool | None = None
    type: NoticeType | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a notification stands in the order. `at` is a time as PostgreSQL reads it."""

    at: str
    id: UUID


FUTURE: Final = Place("infinity", UUID(int=2**128 - 1))
PAST: Final = Place("-infinity", UUID(int=0))


@dataclass(frozen=True, slots=True)
class NotificationRow:
    """A notification with its actor's name; the actor is None while their account has not arrived."""

    id: UUID
    type: str
    user_id: UUID
    title: str
    message: str
    data: dict[str, str | int]
    is_read: bool
    created_at: datetime
    actor_id: UUID
    actor_email: str | None
    actor_name: str | None


@dataclass(frozen=True, slots=True)
class _Count:
    count: int


async def newest(
    pool: Pool, reader: Principal, wanted: Filter, limit: int, before: Place = FUTURE
) -> list[NotificationRow]:
    """At most `limit` of the reader's notifications before a place, newest first."""
    return await read(pool, reader.tenant_id, _listing(NEWEST_FIRST, reader, wanted, before, limit))


async def oldest(
    pool: Pool, reader: Principal, wanted: Filter, limit: int, after: Place = PAST
) -> list[NotificationRow]:
    """At most `limit` of the reader's notifications after a place, oldest first."""
    return await read(pool, reader.tenant_id, _listing(OLDEST_FIRST, reader, wanted, after, limit))


async def page(
    pool: Pool, reader: Principal, wanted: Filter, *, newest_first: bool, limit: int, offset: int
) -> tuple[list[NotificationRow], int]:
    """One page, and how many there are in all."""
    sql, place = (NEWEST_FIRST, FUTURE) if newest_first else (OLDEST_FIRST, PAST)
    rows, counts = await read_all(
        pool, reader.tenant_id, _listing(sql, reader, wanted, place, limit, offset), _counting(reader, wanted)
    )
    return rows, int(counts[0].count)


async def count(pool: Pool, reader: Principal, wanted: Filter) -> int:
    """How many of the reader's notifications match: counted, never kept."""
    rows = await read(pool, reader.tenant_id, _counting(reader, wanted))
    return rows[0].count


# `read` sends one statement with its tenant in one transaction: one that changes rows is committed by it.


async def mark_read(pool: Pool, reader: Principal, id_: UUID) -> NotificationRow | None:
    """The notification, read from now on; None when it is not the reader's."""
    rows = await read(pool, reader.tenant_id, Statement(MARK_READ, NotificationRow, _of(reader) | {"id": id_}))
    return rows[0] if rows else None


async def mark_all_read(pool: Pool, reader: Principal) -> int:
    """How many became read."""
    rows = await read(pool, reader.tenant_id, Statement(MARK_ALL_READ, _Count, _of(reader)))
    return rows[0].count


async def delete(pool: Pool, reader: Principal, id_: UUID) -> bool:
    """Whether there was one to delete."""
    rows = await read(pool, reader.tenant_id, Statement(DELETE, _Count, _of(reader) | {"id": id_}))
    return rows[0].count > 0


def _listing(
    sql: str, reader: Principal, wanted: Filter, place: Place, limit: int, offset: int = 0
) -> Statement[NotificationRow]:
    params = {"type": wanted.type, "at": place.at, "id": place.id, "limit": limit, "offset": offset}
    return Statement(sql.format(read=_READ[wanted.is_read]), NotificationRow, _of(reader) | params)


def _counting(reader: Principal, wanted: Filter) -> Statement[_Count]:
    return Statement(COUNT.format(read=_READ[wanted.is_read]), _Count, _of(reader) | {"type": wanted.type})


def _of(reader: Principal) -> dict[str, Any]:
    return {"tenant": reader.tenant_id, "user": reader.user_id, "role": reader.role}
