"""Tickets: lists, one, counts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from helpdesk.paging.cursor import Place
from helpdesk.paging.order import Key, Order, Sort
from helpdesk.paging.page import Paging
from helpdesk.paging.window import TIMES, Total, window
from helpdesk.postgres.tenant import Statement
from query_api.domain.tickets import Sight, TicketFilter
from query_api.domain.words import PRIORITIES, STATUSES
from query_api.views.narrowing import narrowed
from query_api.views.people import person

LONGEST_PREVIEW: Final = 100
"""Comments of one ticket in a list: the newest so many; the ticket's own list has all."""

_COLUMNS: Final = """
    t.id, t.tenant_id, t.number, t.title, t.description, t.status, t.priority, t.waiting_on, t.resolution, t.tags,
    t.metadata::text as metadata, t.created_by_id, t.assignee_id, t.created_at, t.updated_at, t.version,
    p.email as creator_email, p.name as creator_name"""
_PAGE: Final = """
select {columns}, coalesce(c.comments, '[]') as comments
from (select * from views.tickets where {visible} {condition} {order_by} {limit}) t
left join views.people p on p.tenant_id = t.tenant_id and p.id = t.created_by_id
left join lateral (
    select json_agg(json_build_object(
        'id', id,
        'content', content,
        'createdAt', to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
    ) order by created_at desc, id desc)::text as comments
    from (select id, content, created_at from views.comments
          where tenant_id = %(tenant_id)s and ticket_id = t.id and not deleted and (%(internal)s or not is_internal)
          order by created_at desc, id desc limit %(preview)s) newest
) c on true
{order_by}"""
_COUNT: Final = "select count(*) as total from views.tickets where {visible}"
_ONE: Final = f"""
select {_COLUMNS}, '[]' as comments
from views.tickets t
left join views.people p on p.tenant_id = t.tenant_id and p.id = t.created_by_id
where t.tenant_id = %(tenant_id)s and t.id = %(id)s and not t.deleted"""
_HEAD: Final = """
select created_by_id from views.tickets where tenant_id = %(tenant_id)s and id = %(id)s and not deleted"""


def _rank(column: str, words: tuple[str, ...]) -> str:
    return f"array_position(array[{', '.join(repr(word) for word in words)}], {column})"


KEYS: Final = {
    **TIMES,
    Sort.TITLE: 'title collate "C"',
    Sort.STATUS: _rank("status", STATUSES),
    Sort.PRIORITY: _rank("priority", PRIORITIES),
}
"""What tickets are sorted by: titles by code point, words in their natural order."""


@dataclass(frozen=True, slots=True)
class TicketRow:
    """One ticket with its creator's name. `metadata` and `comments` are JSON already."""

    id: UUID
    tenant_id: UUID
    number: int
    title: str
    description: str
    status: str
    priority: str
    waiting_on: str | None
    resolution: str | None
    tags: list[str]
    metadata: str | None
    created_by_id: UUID
    assignee_id: UUID | None
    created_at: datetime
    updated_at: datetime
    version: int
    creator_email: str | None
    creator_name: str | None
    comments: str


@dataclass(frozen=True, slots=True)
class HeadRow:
    """As much of a ticket as its access asks for."""

    created_by_id: UUID


def page(tenant_id: UUID, sight: Sight, filter_: TicketFilter, paging: Paging) -> Statement[TicketRow]:
    """A page of the tickets in sight, and one more where there is one, with their comments and creators."""
    visible, params = narrowed(tenant_id, sight, filter_)
    part = window(paging, KEYS)
    sql = _PAGE.format(
        columns=_COLUMNS, visible=visible, condition=part.condition, order_by=part.order_by, limit=part.limit
    )
    return Statement(sql, TicketRow, {**params, **part.params, "internal": sight.internal, "preview": LONGEST_PREVIEW})


def total(tenant_id: UUID, sight: Sight, filter_: TicketFilter) -> Statement[Total]:
    """How many tickets in sight the filter leaves."""
    visible, params = narrowed(tenant_id, sight, filter_)
    return Statement(_COUNT.format(visible=visible), Total, params)


def one(tenant_id: UUID, ticket_id: UUID) -> Statement[TicketRow]:
    """A ticket, unless deleted; whoever created it."""
    return Statement(_ONE, TicketRow, {"tenant_id": tenant_id, "id": ticket_id})


def head(tenant_id: UUID, ticket_id: UUID) -> Statement[HeadRow]:
    """Who created a ticket, unless it is deleted."""
    return Statement(_HEAD, HeadRow, {"tenant_id": tenant_id, "id": ticket_id})


def place_of(row: TicketRow, order: Order) -> Place:
    """Where a ticket stands in an order."""
    return Place(order, _key(row, order.by), row.id)


def ticket(row: TicketRow) -> dict[str, Any]:
    """The contract's TicketShape."""
    return {
        "id": row.id,
        "number": row.number,
        "title": row.title,
        "description": row.description,
        "status": row.status,
        "priority": row.priority,
        "waitingOn": row.waiting_on,
        "resolution": row.resolution,
        "tags": row.tags,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
        "tenantId": row.tenant_id,
        "createdById": row.created_by_id,
        "assignedToId": row.assignee_id,
        "metadata": None if row.metadata is None else orjson.Fragment(row.metadata),
        "createdBy": person(row.created_by_id, row.creator_email, row.creator_name),
    }


def listed(row: TicketRow) -> dict[str, Any]:
    """The shape in lists, with the comments in short."""
    return {**ticket(row), "comments": orjson.Fragment(row.comments)}


def _key(row: TicketRow, by: Sort) -> Key:
    match by:
        case Sort.CREATED_AT:
            return row.created_at
        case Sort.UPDATED_AT:
            return row.updated_at
        case Sort.TITLE:
            return row.title
        case Sort.STATUS:
            return STATUSES.index(row.status) + 1
        case Sort.PRIORITY:
            return PRIORITIES.index(row.priority) + 1
