"""What intake reads and writes, all of it in the transaction that moves the guard."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from psycopg.rows import class_row, dict_row

from helpdesk.folds.ticket import Ticket
from helpdesk.postgres.pool import Connection
from helpdesk.recorded import Stream

TICKETS: Final = """
select t.*
from webhooks.ticket t
join unnest(%s::uuid[], %s::uuid[]) as w(tenant_id, id) using (tenant_id, id)"""

# One JSON array for all rows, much cheaper than a statement for each. Metadata is text within, so that it stays as it
# was written.
WRITE_TICKETS: Final = """
insert into webhooks.ticket (tenant_id, id, number, title, description, status, priority, metadata, tags, created_by,
    created_at, updated_at, assignee_id, waiting_on, resolution, closed_at, deleted)
select tenant_id, id, number, title, description, status, priority, metadata::json, tags, created_by, created_at,
    updated_at, assignee_id, waiting_on, resolution, closed_at, deleted
from json_to_recordset(%s::json) as w(tenant_id uuid, id uuid, number integer, title text, description text,
    status text, priority text, metadata text, tags text[], created_by uuid, created_at timestamptz,
    updated_at timestamptz, assignee_id uuid, waiting_on text, resolution text, closed_at timestamptz, deleted boolean)
on conflict (tenant_id, id) do update set
    title = excluded.title, description = excluded.description, status = excluded.status,
    priority = excluded.priority, metadata = excluded.metadata, tags = excluded.tags,
    updated_at = excluded.updated_at, assignee_id = excluded.assignee_id, waiting_on = excluded.waiting_on,
    resolution = excluded.resolution, closed_at = excluded.closed_at, deleted = excluded.deleted"""

LISTENING: Final = """
select tenant_id, id, events, created_at
from webhooks.endpoint
where tenant_id = any(%s) and is_active and not deleted"""

WRITE_DELIVERY: Final = """
insert into webhooks.delivery (tenant_id, id, endpoint_id, event_id, ticket_id, type, body)
values (%(tenant_id)s, %(id)s, %(endpoint_id)s, %(event_id)s, %(ticket_id)s, %(type)s, %(body)s)
on conflict (tenant_id, id) do nothing"""

ENDPOINTS: Final = "select id from webhooks.endpoint where tenant_id = %s"

# Whoever sends the former body at this moment loses the claim, so that no answer to it is recorded: it is due again
# when the claim would have ended, and goes out as it stands then.
REWRITE: Final = """
with body as (
    select * from unnest(%(ids)s::uuid[], %(bodies)s::bytea[]) as b(id, body)
), rewritten as (
    update webhooks.delivery d
    set body = b.body, claim = case when d.state = 'sending' then gen_random_uuid() end
    from body b
    where d.tenant_id = %(tenant_id)s and d.id = b.id and d.body <> b.body
    returning d.id
)
select count(*) from rewritten"""

# An answer may quote what it answers to, or what was sent before.
EMPTY_ANSWERS: Final = """
update webhooks.delivery_attempt set head = ''
where tenant_id = %(tenant_id)s and delivery_id = any(%(ids)s) and head <> ''"""

# An attempt refers to its delivery, a delivery to its endpoint.
FORGET: Final = (
    "delete from webhooks.delivery_attempt where tenant_id = %s",
    "delete from webhooks.delivery where tenant_id = %s",
    "delete from webhooks.endpoint where tenant_id = %s",
    "delete from webhooks.ticket where tenant_id = %s",
    "delete from webhooks.person where tenant_id = %s",
    "select webhooks.forget_events(%s)",
)

WAKE_SENDERS: Final = "notify webhooks_due"


@dataclass(frozen=True, slots=True)
class Listening:
    """An active endpoint, as far as intake must know it."""

    tenant_id: UUID
    id: UUID
    events: list[str]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """One message that becomes due at once."""

    tenant_id: UUID
    id: UUID
    endpoint_id: UUID
    event_id: UUID
    ticket_id: UUID
    type: str
    body: bytes


async def tickets(connection: Connection, streams: Sequence[Stream]) -> dict[Stream, Ticket]:
    """These tickets as they stand; a new one is missing."""
    if not streams:
        return {}
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(TICKETS, ([s.tenant_id for s in streams], [s.id for s in streams]))
    return {Stream(row["tenant_id"], "ticket", row["id"]): _ticket(row) for row in await cursor.fetchall()}


async def write_tickets(connection: Connection, tickets: Mapping[Stream, Ticket]) -> None:
    """Bring the snapshots to where these tickets stand, in key order."""
    rows = [_row(stream, tickets[stream]) for stream in sorted(tickets)]
    await connection.execute(WRITE_TICKETS, (orjson.dumps(rows).decode(),))


async def listening(connection: Connection, tenants: Iterable[UUID]) -> dict[UUID, list[Listening]]:
    """The active endpoints of these tenants."""
    cursor = connection.cursor(row_factory=class_row(Listening))
    await cursor.execute(LISTENING, (sorted(set(tenants)),))
    found: dict[UUID, list[Listening]] = {}
    for endpoint in await cursor.fetchall():
        found.setdefault(endpoint.tenant_id, []).append(endpoint)
    return found


async def write_deliveries(connection: Connection, deliveries: Sequence[NewDelivery]) -> None:
    """Make these due, and wake the senders when this commits."""
    async with connection.cursor() as cursor:
        await cursor.executemany(WRITE_DELIVERY, [asdict(one) for one in deliveries])
    await connection.execute(WAKE_SENDERS)


async def endpoints(connection: Connection, tenant_id: UUID) -> list[UUID]:
    """Every endpoint that the tenant ever had."""
    cursor = await connection.execute(ENDPOINTS, (tenant_id,))
    return [id_ for (id_,) in await cursor.fetchall()]


async def rewrite_deliveries(connection: Connection, tenant_id: UUID, bodies: Mapping[UUID, bytes]) -> None:
    """Give those of these deliveries that stand these bodies; where one was another, empty the answers to them all."""
    params = {"tenant_id": tenant_id, "ids": list(bodies), "bodies": list(bodies.values())}
    cursor = await connection.execute(REWRITE, params)
    ((rewritten,),) = await cursor.fetchall()
    if rewritten:
        await connection.execute(EMPTY_ANSWERS, params)


async def forget(connection: Connection, tenant_id: UUID) -> None:
    """Delete all that was made of a tenant, its endpoints and their events too."""
    for statement in FORGET:
        await connection.execute(statement, (tenant_id,))


def _ticket(row: Mapping[str, Any]) -> Ticket:
    return Ticket(**{one.name: row[one.name] for one in fields(Ticket)} | {"tags": tuple(row["tags"])})


def _row(stream: Stream, ticket: Ticket) -> dict[str, Any]:
    metadata = None if ticket.metadata is None else json.dumps(ticket.metadata)
    plain = {one.name: getattr(ticket, one.name) for one in fields(Ticket)}
    return plain | {"tenant_id": stream.tenant_id, "id": stream.id, "metadata": metadata}
