"""The files of a ticket."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from helpdesk.paging.cursor import Place
from helpdesk.paging.order import Order
from helpdesk.paging.page import Paging
from helpdesk.paging.window import Total, window
from helpdesk.postgres.tenant import Statement
from helpdesk.storage.keys import file_key, file_url

_OF_TICKET: Final = "tenant_id = %(tenant_id)s and ticket_id = %(ticket_id)s and not deleted"
_COLUMNS: Final = "tenant_id, id, ticket_id, object_id, filename, file_size, mime_type, created_at"
_PAGE: Final = """
select {columns} from views.attachments where {of_ticket} {condition} {order_by} {limit}"""
_COUNT: Final = f"select count(*) as total from views.attachments where {_OF_TICKET}"
_ONE: Final = f"select {_COLUMNS} from views.attachments where {_OF_TICKET} and id = %(id)s"
UNKNOWN_TYPE: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class AttachmentRow:
    """One file; `file_size` in bytes. Name and type are empty when they were redacted."""

    tenant_id: UUID
    id: UUID
    ticket_id: UUID
    object_id: UUID
    filename: str
    file_size: int
    mime_type: str
    created_at: datetime


def page(tenant_id: UUID, ticket_id: UUID, paging: Paging) -> Statement[AttachmentRow]:
    """A page of a ticket's files, and one more where there is one."""
    part = window(paging)
    sql = _PAGE.format(
        columns=_COLUMNS, of_ticket=_OF_TICKET, condition=part.condition, order_by=part.order_by, limit=part.limit
    )
    return Statement(sql, AttachmentRow, {"tenant_id": tenant_id, "ticket_id": ticket_id, **part.params})


def total(tenant_id: UUID, ticket_id: UUID) -> Statement[Total]:
    """How many files a ticket has."""
    return Statement(_COUNT, Total, {"tenant_id": tenant_id, "ticket_id": ticket_id})


def one(tenant_id: UUID, ticket_id: UUID, id_: UUID) -> Statement[AttachmentRow]:
    """A file of a ticket, unless removed."""
    return Statement(_ONE, AttachmentRow, {"tenant_id": tenant_id, "ticket_id": ticket_id, "id": id_})


def place_of(row: AttachmentRow, order: Order) -> Place:
    """Where a file stands in an order."""
    return Place(order, row.created_at, row.id)


def key(row: AttachmentRow) -> str:
    """Where it lies in the file store."""
    return file_key(row.tenant_id, row.id, row.object_id)


def attachment(origin: str, row: AttachmentRow) -> dict[str, Any]:
    """The contract's AttachmentShape."""
    return {
        "id": row.id,
        "filename": row.filename,
        "fileUrl": file_url(origin, row.ticket_id, row.id),
        "fileSize": row.file_size,
        "mimeType": row.mime_type,
        "ticketId": row.ticket_id,
        "createdAt": row.created_at,
    }
