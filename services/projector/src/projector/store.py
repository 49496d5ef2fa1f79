"""The SQL of the views: load the rows that a batch touches, write what they became. In bulk, never row by row."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from operator import attrgetter
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID

import orjson
from psycopg import AsyncCursor
from psycopg.rows import DictRow, dict_row

from helpdesk.folds.activities import ActivityRow
from helpdesk.postgres.pool import Connection
from helpdesk.recorded import Stream
from projector.domain.attachments import AttachmentRow
from projector.domain.comments import CommentRow
from projector.domain.people import PersonRow
from projector.domain.tenants import TenantRow
from projector.domain.text import json_text
from projector.domain.tickets import TicketRow

Asked: TypeAlias = AsyncCursor[DictRow]
R = TypeVar("R")

TICKETS: Final = """
select t.tenant_id, t.id, t.number, t.title, t.description, t.status, t.priority, t.waiting_on, t.resolution, t.tags,
       t.metadata, t.created_by_id as created_by, t.assignee_id, t.created_at, t.updated_at, t.closed_at, t.deleted,
       t.version
from views.tickets t join unnest(%s::uuid[], %s::uuid[]) as w(tenant_id, id) using (tenant_id, id)"""

COMMENTS: Final = """
select c.tenant_id, c.ticket_id, c.id, c.content, c.is_internal, c.author_id, c.created_at, c.updated_at, c.deleted
from views.comments c join unnest(%s::uuid[], %s::uuid[], %s::uuid[]) as w(tenant_id, ticket_id, id)
  using (tenant_id, ticket_id, id)"""

ATTACHMENTS: Final = """
select a.tenant_id, a.ticket_id, a.id, a.object_id, a.filename, a.file_size, a.mime_type, a.sha256, a.added_by_id,
       a.created_at, a.deleted
from views.attachments a join unnest(%s::uuid[], %s::uuid[], %s::uuid[]) as w(tenant_id, ticket_id, id)
  using (tenant_id, ticket_id, id)"""

# What is written comes as one JSON array, much cheaper than a statement for each row. Its order is the order of the
# inserts. What clients handed in as JSON comes as text within, so that it stays as it was written.
_AS_TEXT: Final = ("metadata", "changes", "settings")
# All that is made of tickets, in one statement: its parameters are tickets, comments, activities.
WRITE_TICKETS: Final = """
with ticket as (
    insert into views.tickets (tenant_id, id, number, title, description, status, priority, waiting_on, resolution,
        tags, metadata, created_by_id, assignee_id, created_at, updated_at, closed_at, deleted, version)
    select tenant_id, id, number, title, description, status, priority, waiting_on, resolution, tags, metadata::json,
        created_by, assignee_id, created_at, updated_at, closed_at, deleted, version
    from json_to_recordset(%s::json) as w(tenant_id uuid, id uuid, number integer, title text, description text,
        status text, priority text, waiting_on text, resolution text, tags text[], metadata text, created_by uuid,
        assignee_id uuid, created_at timestamptz, updated_at timestamptz, closed_at timestamptz, deleted boolean,
        version integer)
    on conflict (tenant_id, id) do update set
        title = excluded.title, description = excluded.description, status = excluded.status,
        priority = excluded.priority, waiting_on = excluded.waiting_on, resolution = excluded.resolution,
        tags = excluded.tags, metadata = excluded.metadata, assignee_id = excluded.assignee_id,
        updated_at = excluded.updated_at, closed_at = excluded.closed_at, deleted = excluded.deleted,
        version = excluded.version
), comment as (
    insert into views.comments (tenant_id, ticket_id, id, content, is_internal, author_id, created_at, updated_at,
        deleted)
    select tenant_id, ticket_id, id, content, is_internal, author_id, created_at, updated_at, deleted
    from json_to_recordset(%s::json) as w(tenant_id uuid, ticket_id uuid, id uuid, content text, is_internal boolean,
        author_id uuid, created_at timestamptz, updated_at timestamptz, deleted boolean)
    on conflict (tenant_id, ticket_id, id) do update set
        content = excluded.content, updated_at = excluded.updated_at, deleted = excluded.deleted
)
insert into views.activities (tenant_id, ticket_id, version, id, type, changes, is_internal, actor_id, created_at)
select tenant_id, ticket_id, version, id, type, changes::json, is_internal, actor_id, created_at
from json_to_recordset(%s::json) as w(tenant_id uuid, ticket_id uuid, version integer, id uuid, type text, changes text,
    is_internal boolean, actor_id uuid, created_at timestamptz)"""

# Apart from the statement above: batches with files are few, and each part of it costs every batch.
WRITE_ATTACHMENTS: Final = """
insert into views.attachments (tenant_id, ticket_id, id, object_id, filename, file_size, mime_type, sha256, added_by_id,
    created_at, deleted)
select tenant_id, ticket_id, id, object_id, filename, file_size, mime_type, sha256, added_by_id, created_at, deleted
from json_to_recordset(%s::json) as w(tenant_id uuid, ticket_id uuid, id uuid, object_id uuid, filename text,
    file_size bigint, mime_type text, sha256 text, added_by_id uuid, created_at timestamptz, deleted boolean)
on conflict (tenant_id, ticket_id, id) do update set filename = excluded.filename, deleted = excluded.deleted"""

PEOPLE: Final = """
select p.tenant_id, p.id, p.email, p.name, p.role, p.enabled, p.invited, p.created_at, p.updated_at, p.valid_from,
       p.sessions_from, p.version
from views.people p join unnest(%s::uuid[], %s::uuid[]) as w(tenant_id, id) using (tenant_id, id)"""

WRITE_PEOPLE: Final = """
insert into views.people (tenant_id, id, email, name, role, enabled, invited, created_at, updated_at, valid_from,
    sessions_from, version)
select tenant_id, id, email, name, role, enabled, invited, created_at, updated_at, valid_from, sessions_from, version
from json_to_recordset(%s::json) as w(tenant_id uuid, id uuid, email text, name text, role text, enabled boolean,
    invited boolean, created_at timestamptz, updated_at timestamptz, valid_from timestamptz, sessions_from timestamptz,
    version integer)
on conflict (tenant_id, id) do update set
    email = excluded.email, name = excluded.name, role = excluded.role, enabled = excluded.enabled,
    invited = excluded.invited, updated_at = excluded.updated_at, valid_from = excluded.valid_from,
    sessions_from = excluded.sessions_from, version = excluded.version"""

TENANTS: Final = """
select t.tenant_id, t.name, t.slug, t.settings, t.created_at, t.updated_at, t.version, t.closed_at
from views.tenants t where t.tenant_id = any(%s)"""

WRITE_TENANTS: Final = """
insert into views.tenants (tenant_id, name, slug, settings, created_at, updated_at, version, closed_at)
select tenant_id, name, slug, settings::jsonb, created_at, updated_at, version, closed_at
from json_to_recordset(%s::json) as w(tenant_id uuid, name text, slug text, settings text, created_at timestamptz,
    updated_at timestamptz, version integer, closed_at timestamptz)
on conflict (tenant_id) do update set
    name = excluded.name, slug = excluded.slug, settings = excluded.settings, updated_at = excluded.updated_at,
    version = excluded.version, closed_at = excluded.closed_at"""

FORGET: Final = (
    *(
        f"delete from views.{table} where tenant_id = %s"
        for table in ("activities", "attachments", "comments", "tickets", "people", "tenants")
    ),
    "select views.forget_reads(%s)",
)

FORGET_STREAM: Final = {
    "ticket": (
        "delete from views.activities where tenant_id = %s and ticket_id = %s",
        "delete from views.attachments where tenant_id = %s and ticket_id = %s",
        "delete from views.comments where tenant_id = %s and ticket_id = %s",
        "delete from views.tickets where tenant_id = %s and id = %s",
    ),
    "user": ("delete from views.people where tenant_id = %s and id = %s",),
    "tenant": ("delete from views.tenants where tenant_id = %s and tenant_id = %s",),
}


async def tickets(
    connection: Connection, streams: Sequence[Stream], wanted: Sequence[tuple[Stream, UUID]]
) -> tuple[dict[Stream, TicketRow], dict[Stream, dict[UUID, CommentRow]]]:
    """These tickets and these comments, by ticket, as they stand; what is new is missing."""
    of_tickets = await _asked(connection, TICKETS, [s.tenant_id for s in streams], [s.id for s in streams])
    of_comments = await _asked(
        connection, COMMENTS, [s.tenant_id for s, _ in wanted], [s.id for s, _ in wanted], [id_ for _, id_ in wanted]
    )
    rows = {
        Stream(row.pop("tenant_id"), "ticket", row.pop("id")): TicketRow(**row | {"tags": tuple(row["tags"])})
        for row in await _rows(of_tickets)
    }
    return rows, _by_ticket(CommentRow, await _rows(of_comments))


async def attachments(
    connection: Connection, wanted: Sequence[tuple[Stream, UUID]]
) -> dict[Stream, dict[UUID, AttachmentRow]]:
    """These files, by ticket, as they stand; what is new is missing."""
    asked = await _asked(
        connection, ATTACHMENTS, [s.tenant_id for s, _ in wanted], [s.id for s, _ in wanted], [id_ for _, id_ in wanted]
    )
    return _by_ticket(AttachmentRow, await _rows(asked))


async def people(connection: Connection, streams: Sequence[Stream]) -> dict[Stream, PersonRow]:
    """The rows of these users as they stand."""
    rows = await _rows(await _asked(connection, PEOPLE, [s.tenant_id for s in streams], [s.id for s in streams]))
    return {Stream(row.pop("tenant_id"), "user", row.pop("id")): PersonRow(**row) for row in rows}


async def tenants(connection: Connection, streams: Sequence[Stream]) -> dict[Stream, TenantRow]:
    """The rows of these tenants as they stand."""
    rows = await _rows(await _asked(connection, TENANTS, [s.tenant_id for s in streams]))
    return {Stream(row["tenant_id"], "tenant", row.pop("tenant_id")): TenantRow(**row) for row in rows}


async def write_tickets(
    connection: Connection,
    rows: Mapping[Stream, TicketRow],
    comments: Sequence[tuple[Stream, CommentRow]],
    activities: Sequence[tuple[Stream, ActivityRow]],
) -> None:
    """Insert or replace tickets, in key order, and their comments; add their activities."""
    await connection.execute(
        WRITE_TICKETS,
        (
            _json([_plain(s, row, "id") for s, row in sorted(rows.items(), key=_first)]),
            _json([_plain(s, row, "ticket_id") for s, row in comments]),
            _json([_plain(s, row, "ticket_id") for s, row in activities]),
        ),
    )


async def write_attachments(connection: Connection, rows: Sequence[tuple[Stream, AttachmentRow]]) -> None:
    """Insert or replace, in the order of their streams."""
    await _write(connection, WRITE_ATTACHMENTS, [_plain(s, row, "ticket_id") for s, row in rows])


async def write_people(connection: Connection, rows: Mapping[Stream, PersonRow]) -> None:
    """Insert or replace, in key order."""
    await _write(connection, WRITE_PEOPLE, [_plain(s, row, "id") for s, row in sorted(rows.items(), key=_first)])


async def write_tenants(connection: Connection, rows: Mapping[Stream, TenantRow]) -> None:
    """Insert or replace, in key order."""
    await _write(connection, WRITE_TENANTS, [_plain(s, row, "id") for s, row in sorted(rows.items(), key=_first)])


async def forget(connection: Connection, tenant_id: UUID) -> None:
    """Delete every row of a tenant."""
    for statement in FORGET:
        await connection.execute(statement, (tenant_id,))


async def forget_stream(connection: Connection, stream: Stream) -> None:
    """Delete every row that was made from one stream."""
    for statement in FORGET_STREAM.get(stream.type, ()):
        await connection.execute(statement, (stream.tenant_id, stream.id))


def _by_ticket(row: type[R], found: Sequence[dict[str, Any]]) -> dict[Stream, dict[UUID, R]]:
    rows: dict[Stream, dict[UUID, R]] = {}
    for one in found:
        stream = Stream(one.pop("tenant_id"), "ticket", one.pop("ticket_id"))
        rows.setdefault(stream, {})[one["id"]] = row(**one)
    return rows


def _first(item: tuple[Stream, Any]) -> Stream:
    return item[0]


def _columns(row: type[Any]) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]], tuple[str, ...]]:
    """The names of a row's columns, what takes their values, and which of them are JSON."""
    names = tuple(one.name for one in fields(row)) if is_dataclass(row) else row._fields
    return names, attrgetter(*names), tuple(name for name in names if name in _AS_TEXT)


_COLUMNS: Final = {
    row: _columns(row) for row in (TicketRow, CommentRow, AttachmentRow, ActivityRow, PersonRow, TenantRow)
}


def _plain(stream: Stream, row: Any, key: str) -> dict[str, Any]:
    """A row as JSON, in which JSON columns are text; `key` is the column of the stream's id."""
    names, values_of, as_text = _COLUMNS[type(row)]
    values = dict(zip(names, values_of(row), strict=True))
    for name in as_text:
        if values[name] is not None:
            values[name] = json_text(values[name])
    values["tenant_id"], values[key] = stream.tenant_id, stream.id
    return values


def _json(rows: Sequence[Mapping[str, Any]]) -> str:
    return orjson.dumps(rows).decode()


async def _asked(connection: Connection, sql: str, *params: Sequence[Any]) -> Asked | None:
    """The question, under way; None when it asks for nothing."""
    if not params[0]:
        return None
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(sql, params)
    return cursor


async def _rows(asked: Asked | None) -> list[dict[str, Any]]:
    return [] if asked is None else await asked.fetchall()


async def _write(connection: Connection, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        await connection.execute(sql, (_json(rows),))
