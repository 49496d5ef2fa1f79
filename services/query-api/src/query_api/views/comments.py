"""Comments of a ticket."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from helpdesk.paging.cursor import Place
from helpdesk.paging.order import Order, Sort
from helpdesk.paging.page import Paging
from helpdesk.paging.window import Total, window
from helpdesk.postgres.tenant import Statement
from query_api.domain.tickets import Sight
from query_api.views.people import person

_OF_TICKET: Final = """
    tenant_id = %(tenant_id)s and ticket_id = %(ticket_id)s and not deleted and (%(internal)s or not is_internal)"""
_PAGE: Final = """
select c.id, c.ticket_id, c.content, c.is_internal, c.author_id, c.created_at, c.updated_at,
       p.email as author_email, p.name as author_name
from (select * from views.comments where {of_ticket} {condition} {order_by} {limit}) c
left join views.people p on p.tenant_id = c.tenant_id and p.id = c.author_id
{order_by}"""
_COUNT: Final = f"select count(*) as total from views.comments where {_OF_TICKET}"


@dataclass(frozen=True, slots=True)
class CommentRow:
    """One comment with its author's name."""

    id: UUID
    ticket_id: UUID
    content: str
    is_internal: bool
    author_id: UUID
    created_at: datetime
    updated_at: datetime
    author_email: str | None
    author_name: str | None


def page(tenant_id: UUID, sight: Sight, ticket_id: UUID, paging: Paging) -> Statement[CommentRow]:
    """A page of a ticket's comments in sight, and one more where there is one, with their authors."""
    part = window(paging)
    sql = _PAGE.format(of_ticket=_OF_TICKET, condition=part.condition, order_by=part.order_by, limit=part.limit)
    return Statement(sql, CommentRow, {**_params(tenant_id, sight, ticket_id), **part.params})


def total(tenant_id: UUID, sight: Sight, ticket_id: UUID) -> Statement[Total]:
    """How many comments of a ticket are in sight."""
    return Statement(_COUNT, Total, _params(tenant_id, sight, ticket_id))


def place_of(row: CommentRow, order: Order) -> Place:
    """Where a comment stands in an order."""
    return Place(order, row.updated_at if order.by is Sort.UPDATED_AT else row.created_at, row.id)


def comment(row: CommentRow) -> dict[str, Any]:
    """The contract's CommentShape."""
    author = person(row.author_id, row.author_email, row.author_name)
    return {
        "id": row.id,
        "ticketId": row.ticket_id,
        "content": row.content,
        "isInternal": row.is_internal,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
        "authorId": row.author_id,
        "userId": row.author_id,
        "authorName": f"{author['firstName']} {author['lastName']}".strip(),
        "author": author,
    }


def _params(tenant_id: UUID, sight: Sight, ticket_id: UUID) -> dict[str, Any]:
    return {"tenant_id": tenant_id, "ticket_id": ticket_id, "internal": sight.internal}
