"""The SQL of the views: load the rows that a batch touches, write what they became. In bulk, never row by row."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from psycopg.rows import dict_row
from psycopg.types.json import Json

from helpdesk.postgres.pool import Connection
from helpdesk.recorded import Stream
from projector.domain.activities import ActivityRow
from projector.domain.comments import CommentRow
from projector.domain.people import PersonRow
from projector.domain.tenants import TenantRow
from projector.domain.tickets import TicketRow

TICKETS: Final = """
select t.tenant_id, t.id, t.number, t.title, t.description, t.status, t.priority, t.waiting_on, t.resolution, t.tags,
       t.metadata, t.created_by_id as created_by, t.assignee_id, t.created_at, t.updated_at, t.closed_at, t.deleted,
       t.version
from views.tickets t join unnest(%s::uuid[], %s::uuid[]) as w(tenant_id, id) using (tenant_id, id)"""

COMMENTS: Final = """
select c.tenant_id, c.ticket_id, c.id, c.content, c.is_internal, c.author_id, c.created_at, c.updated_at, c.deleted
from views.comments c join unnest(%s::uuid[], %s::uuid[], %s::uuid[]) as w(tenant_id, ticket_id, id)
  using (tenant_id, ticket_id, id)"""

WRITE_TICKET: Final = """
insert into views.tickets (tenant_id, id, number, title, description, status, priority, waiting_on, resolution, tags,
    metadata, created_by_id, assignee_id, created_at, updated_at, closed_at, deleted, version)
values (%(tenant_id)s, %(id)s, %(number)s, %(title)s, %(description)s, %(status)s, %(priority)s, %(waiting_on)s,
    %(resolution)s, %(tags)s, %(metadata)s, %(created_by)s, %(assignee_id)s, %(created_at)s, %(updated_at)s,
    %(closed_at)s, %(deleted)s, %(version)s)
on conflict (tenant_id, id) do update set
    title = excluded.title, description = excluded.description, status = excluded.status,
    priority = excluded.priority, waiting_on = excluded.waiting_on, resolution = excluded.resolution,
    tags = excluded.tags, metadata = excluded.metadata, assignee_id = excluded.assignee_id,
    updated_at = excluded.updated_at, closed_at = excluded.closed_at, deleted = excluded.deleted,
    version = excluded.version"""

WRITE_COMMENT: Final = """
insert into views.comments (tenant_id, ticket_id, id, content, is_internal, author_id, created_at, updated_at, deleted)
values (%(tenant_id)s, %(ticket_id)s, %(id)s, %(content)s, %(is_internal)s, %(author_id)s, %(created_at)s,
    %(updated_at)s, %(deleted)s)
on conflict (tenant_id, ticket_id, id) do update set
    content = excluded.content, updated_at = excluded.updated_at, deleted = excluded.deleted"""

WRITE_ACTIVITY: Final = """
insert into views.activities (tenant_id, ticket_id, version, id, type, changes, is_internal, actor_id, created_at)
values (%(tenant_id)s, %(ticket_id)s, %(version)s, %(id)s, %(type)s, %(changes)s, %(is_internal)s, %(actor_id)s,
    %(created_at)s)"""

PEOPLE: Final = """
select p.tenant_id, p.id, p.email, p.name, p.role, p.enabled, p.created_at, p.updated_at, p.version
from views.people p join unnest(%s::uuid[], %s::uuid[]) as w(tenant_id, id) using (tenant_id, id)"""

WRITE_PERSON: Final = """
insert into views.people (tenant_id, id, email, name, role, enabled, created_at, updated_at, version)
values (%(tenant_id)s, %(id)s, %(email)s, %(name)s, %(role)s, %(enabled)s, %(created_at)s, %(updated_at)s, %(version)s)
on conflict (tenant_id, id) do update set
    email = excluded.email, name = excluded.name, role = excluded.role, enabled = excluded.enabled,
    updated_at = excluded.updated_at, version = excluded.version"""

TENANTS: Final = """
select t.tenant_id, t.name, t.slug, t.settings, t.created_at, t.updated_at, t.version
from views.tenants t where t.tenant_id = any(%s)"""

WRITE_TENANT: Final = """
insert into views.tenants (tenant_id, name, slug, settings, created_at, updated_at, version)
values (%(tenant_id)s, %(name)s, %(slug)s, %(settings)s, %(created_at)s, %(updated_at)s, %(version)s)
on conflict (tenant_id) do update set
    name = excluded.name, slug = excluded.slug, settings = excluded.settings, updated_at = excluded.updated_at,
    version = excluded.version"""

FORGET: Final = tuple(
    f"delete from views.{table} where tenant_id = %s"
    for table in ("activities", "comments", "tickets", "people", "tenants")
)

FORGET_STREAM: Final = {
    "ticket": (
        "delete from views.activities where tenant_id = %s and ticket_id = %s",
        "delete from views.comments where tenant_id = %s and ticket_id = %s",
        "delete from views.tickets where tenant_id = %s and id = %s",
    ),
    "user": ("delete from views.people where tenant_id = %s and id = %s",),
    "tenant": ("delete from views.tenants where tenant_id = %s and tenant_id = %s",),
}


async def tickets(connection: Connection, streams: Sequence[Stream]) -> dict[Stream, TicketRow]:
    """The rows of these tickets as they stand; a new ticket has none."""
    rows = await _rows(connection, TICKETS, [s.tenant_id for s in streams], [s.id for s in streams])
    return {
        Stream(row.pop("tenant_id"), "ticket", row.pop("id")): TicketRow(**row | {"tags": tuple(row["tags"])})
        for row in rows
    }


async def comments(
    connection: Connection, wanted: Iterable[tuple[Stream, UUID]]
) -> dict[Stream, dict[UUID, CommentRow]]:
    """These comments as they stand, by ticket."""
    keys = list(wanted)
    if not keys:
        return {}
    rows = await _rows(
        connection, COMMENTS, [s.tenant_id for s, _ in keys], [s.id for s, _ in keys], [comment for _, comment in keys]
    )
    found: dict[Stream, dict[UUID, CommentRow]] = {}
    for row in rows:
        stream = Stream(row.pop("tenant_id"), "ticket", row.pop("ticket_id"))
        found.setdefault(stream, {})[row["id"]] = CommentRow(**row)
    return found


async def people(connection: Connection, streams: Sequence[Stream]) -> dict[Stream, PersonRow]:
    """The rows of these users as they stand."""
    rows = await _rows(connection, PEOPLE, [s.tenant_id for s in streams], [s.id for s in streams])
    return {Stream(row.pop("tenant_id"), "user", row.pop("id")): PersonRow(**row) for row in rows}


async def tenants(connection: Connection, streams: Sequence[Stream]) -> dict[Stream, TenantRow]:
    """The rows of these tenants as they stand."""
    rows = await _rows(connection, TENANTS, [s.tenant_id for s in streams])
    return {Stream(row["tenant_id"], "tenant", row.pop("tenant_id")): TenantRow(**row) for row in rows}


async def write_tickets(connection: Connection, rows: Mapping[Stream, TicketRow]) -> None:
    """Insert or replace, in key order."""
    await _write(connection, WRITE_TICKET, [{**_key(s), **_plain(row)} for s, row in sorted(rows.items(), key=_first)])


async def write_comments(connection: Connection, rows: Iterable[tuple[Stream, CommentRow]]) -> None:
    """Insert or replace."""
    await _write(connection, WRITE_COMMENT, [{**_under(s), **_plain(row)} for s, row in rows])


async def write_activities(connection: Connection, rows: Iterable[tuple[Stream, ActivityRow]]) -> None:
    """Insert; the guard makes sure that none stands there already."""
    await _write(connection, WRITE_ACTIVITY, [{**_under(s), **_plain(row)} for s, row in rows])


async def write_people(connection: Connection, rows: Mapping[Stream, PersonRow]) -> None:
    """Insert or replace, in key order."""
    await _write(connection, WRITE_PERSON, [{**_key(s), **_plain(row)} for s, row in sorted(rows.items(), key=_first)])


async def write_tenants(connection: Connection, rows: Mapping[Stream, TenantRow]) -> None:
    """Insert or replace, in key order."""
    await _write(connection, WRITE_TENANT, [{**_key(s), **_plain(row)} for s, row in sorted(rows.items(), key=_first)])


async def forget(connection: Connection, tenant_id: UUID) -> None:
    """Delete every row of a tenant."""
    for statement in FORGET:
        await connection.execute(statement, (tenant_id,))


async def forget_stream(connection: Connection, stream: Stream) -> None:
    """Delete every row that was made from one stream."""
    for statement in FORGET_STREAM.get(stream.type, ()):
        await connection.execute(statement, (stream.tenant_id, stream.id))


def _key(stream: Stream) -> dict[str, UUID]:
    return {"tenant_id": stream.tenant_id, "id": stream.id}


def _under(stream: Stream) -> dict[str, UUID]:
    return {"tenant_id": stream.tenant_id, "ticket_id": stream.id}


def _first(item: tuple[Stream, Any]) -> Stream:
    return item[0]


def _plain(row: Any) -> dict[str, Any]:
    """A row as parameters: mappings become json, tuples arrays."""
    values = {name: getattr(row, name) for name in type(row).__dataclass_fields__}
    for name, value in values.items():
        if isinstance(value, Mapping):
            values[name] = Json(value, dumps=json.dumps)
        elif isinstance(value, tuple):
            values[name] = list(value)
    return values


async def _rows(connection: Connection, sql: str, *params: Any) -> list[dict[str, Any]]:
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(sql, params)
    return await cursor.fetchall()


async def _write(connection: Connection, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        async with connection.cursor() as cursor:
            await cursor.executemany(sql, rows)
