"""What the intake reads and writes, everyone's, in bulk, inside the transaction that moves the guard."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from helpdesk.folds.user import Standing
from helpdesk.postgres.pool import Connection
from helpdesk.recorded import RecordedEvent, Stream
from notifier.domain.notice import Notice, in_app_id
from notifier.domain.person import Person
from notifier.domain.ticket import Ticket

TICKETS: Final = """
select t.tenant_id, t.id, t.number, t.title, t.creator_id, t.assignee_id
from notices.ticket t join unnest(%s::uuid[], %s::uuid[]) as w(tenant_id, id) using (tenant_id, id)"""

WRITE_TICKETS: Final = """
insert into notices.ticket (tenant_id, id, number, title, creator_id, assignee_id)
select * from unnest(%s::uuid[], %s::uuid[], %s::integer[], %s::text[], %s::uuid[], %s::uuid[])
on conflict (tenant_id, id) do update set title = excluded.title, assignee_id = excluded.assignee_id"""

WRITE_PEOPLE: Final = """
insert into notices.person (tenant_id, id, email, name, role, enabled, valid_from, sessions_from)
select * from unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::boolean[], %s::timestamptz[],
                     %s::timestamptz[])
on conflict (tenant_id, id) do update set
    email = excluded.email, name = excluded.name, role = excluded.role, enabled = excluded.enabled,
    valid_from = excluded.valid_from, sessions_from = excluded.sessions_from"""

PEOPLE: Final = """
select p.tenant_id, p.id, p.email, p.name, p.role, p.enabled, p.valid_from, p.sessions_from
from notices.person p join unnest(%s::uuid[], %s::uuid[]) as w(tenant_id, id) using (tenant_id, id)"""

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

# The type tells which of the notices it was that a command could have made for a person.
REWORD: Final = """
update notices.notification n set title = w.title, message = w.message, data = w.data
from unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::jsonb[])
     as w(tenant_id, id, type, title, message, data)
where n.tenant_id = w.tenant_id and n.id = w.id and n.type = w.type"""

FORGET: Final = (
    "delete from notices.notification where tenant_id = %s",
    "delete from notices.ticket where tenant_id = %s",
    "delete from notices.person where tenant_id = %s",
    "delete from notices.closed_tenant where tenant_id = %s",
    "delete from notices.audit where tenant_id = %s",
    "delete from notices.idempotency where tenant_id = %s",
)

# Kept answers quote what was told: they go as they do where events are redacted (docs/operators/privacy.md). Whoever
# takes a key shares this lock.
HOLD_ANSWERS: Final = "select pg_advisory_xact_lock(hashtextextended('notices.answers/' || %s::uuid, 0))"
EMPTY_ANSWERS: Final = "update notices.idempotency set body = null where tenant_id = %s and body is not null"


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
    if not streams:
        return {}
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


async def people(connection: Connection, streams: Sequence[Stream]) -> dict[Stream, Person]:
    """These people as they stand."""
    if not streams:
        return {}
    cursor = await connection.execute(PEOPLE, ([s.tenant_id for s in streams], [s.id for s in streams]))
    return {
        Stream(tenant_id, "user", id_): Person(email, name, Standing(*standing))
        for tenant_id, id_, email, name, *standing in await cursor.fetchall()
    }


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
        [p.standing.role for p in found],
        [p.standing.enabled for p in found],
        [p.standing.valid_from for p in found],
        [p.standing.sessions_from for p in found],
    )
    await connection.execute(WRITE_PEOPLE, columns)


async def roles(connection: Connection, people: Collection[tuple[UUID, UUID]]) -> dict[UUID, dict[UUID, str]]:
    """Tenant → person → role, of these (tenant, person); one who is not known yet is missing."""
    if not people:
        return {}
    cursor = await connection.execute(ROLES, ([tenant for tenant, _ in people], [person for _, person in people]))
    found: dict[UUID, dict[UUID, str]] = {}
    for tenant_id, person_id, role in await cursor.fetchall():
        found.setdefault(tenant_id, {})[person_id] = role
    return found


async def write_notifications(connection: Connection, rows: Sequence[tuple[UUID, RecordedEvent, Notice]]) -> None:
    """Insert in-app notifications, given as (tenant, the command's first event, notice); one that stands is kept."""
    if not rows:
        return
    columns = (
        [tenant_id for tenant_id, _, _ in rows],
        [in_app_id(first, notice.user_id) for _, first, notice in rows],
        [notice.user_id for _, _, notice in rows],
        [first.event_id for _, first, _ in rows],
        [notice.type.value for _, _, notice in rows],
        [notice.title for _, _, notice in rows],
        [notice.message for _, _, notice in rows],
        [Jsonb(dict(notice.data)) for _, _, notice in rows],
        [notice.actor_id for _, _, notice in rows],
        [notice.is_internal for _, _, notice in rows],
        [notice.at for _, _, notice in rows],
    )
    await connection.execute(WRITE_NOTIFICATIONS, columns)


async def reword_notifications(connection: Connection, rows: Sequence[tuple[UUID, RecordedEvent, Notice]]) -> None:
    """Write the texts of those of these notifications anew that stand; none comes into being."""
    columns = (
        [tenant_id for tenant_id, _, _ in rows],
        [in_app_id(first, notice.user_id) for _, first, notice in rows],
        [notice.type.value for _, _, notice in rows],
        [notice.title for _, _, notice in rows],
        [notice.message for _, _, notice in rows],
        [Jsonb(dict(notice.data)) for _, _, notice in rows],
    )
    await connection.execute(REWORD, columns)


async def hold_answers(connection: Connection, tenant_id: UUID) -> None:
    """Wait for the answers under keys that the tenant's people are being given; new ones wait for this transaction."""
    await connection.execute(HOLD_ANSWERS, (tenant_id,))


async def empty_answers(connection: Connection, tenant_id: UUID) -> None:
    """Destroy what the tenant's people were answered under their keys."""
    await connection.execute(EMPTY_ANSWERS, (tenant_id,))


async def forget(connection: Connection, tenant_id: UUID) -> None:
    """Delete all that was made of a tenant."""
    for statement in FORGET:
        await connection.execute(statement, (tenant_id,))
