"""Tickets as rows of a file. Comments are none of its columns, so no internal note can be in it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from helpdesk.http.wire import instant
from helpdesk.postgres.tenant import Statement
from query_api.domain.csv import Cell
from query_api.domain.tickets import Sight, TicketFilter
from query_api.views.narrowing import narrowed

MEDIA_TYPE: Final = "text/csv"
MOST: Final = 1_000
"""So many tickets one answer holds."""
HEADINGS: Final = (
    *("id", "number", "title", "description", "status", "priority", "waitingOn", "resolution", "tags"),
    *("createdAt", "updatedAt", "createdById", "createdBy", "createdByEmail", "assignedToId", "assignedTo"),
    *("assignedToEmail", "metadata"),
)
_ROWS: Final = """
select t.id, t.number, t.title, t.description, t.status, t.priority, t.waiting_on, t.resolution, t.tags,
       t.metadata::text as metadata, t.created_at, t.updated_at, t.created_by_id, t.assignee_id,
       creator.name as creator_name, creator.email as creator_email,
       assignee.name as assignee_name, assignee.email as assignee_email
from (select * from views.tickets where {visible} order by created_at, id limit %(limit)s) t
left join views.people creator on creator.tenant_id = t.tenant_id and creator.id = t.created_by_id
left join views.people assignee on assignee.tenant_id = t.tenant_id and assignee.id = t.assignee_id
order by t.created_at, t.id"""


@dataclass(frozen=True, slots=True)
class ExportRow:
    """One ticket with the names of its people. `metadata` is JSON."""

    id: UUID
    number: int
    title: str
    description: str
    status: str
    priority: str
    waiting_on: str | None
    resolution: str | None
    tags: list[str]
    metadata: str | None
    created_at: datetime
    updated_at: datetime
    created_by_id: UUID
    assignee_id: UUID | None
    creator_name: str | None
    creator_email: str | None
    assignee_name: str | None
    assignee_email: str | None


def tickets(tenant_id: UUID, sight: Sight, filter_: TicketFilter) -> Statement[ExportRow]:
    """The tickets in sight that the filter leaves, oldest first: `MOST`, and one more where there is one."""
    visible, params = narrowed(tenant_id, sight, filter_)
    return Statement(_ROWS.format(visible=visible), ExportRow, {**params, "limit": MOST + 1})


def cells(row: ExportRow) -> list[Cell]:
    """A ticket under `HEADINGS`; times as the API writes them, tags with commas between."""
    return [
        str(row.id),
        row.number,
        row.title,
        row.description,
        row.status,
        row.priority,
        row.waiting_on,
        row.resolution,
        ", ".join(row.tags),
        instant(row.created_at),
        instant(row.updated_at),
        str(row.created_by_id),
        row.creator_name,
        row.creator_email,
        None if row.assignee_id is None else str(row.assignee_id),
        row.assignee_name,
        row.assignee_email,
        row.metadata,
    ]
