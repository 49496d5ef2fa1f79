"""A ticket as it stands after its history. What stands in the history happened and is never refused."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar, assert_never
from uuid import UUID

from helpdesk.events.ticket import (
    CommentAdded,
    CommentDeleted,
    CommentEdited,
    TicketAssigned,
    TicketClosed,
    TicketCreated,
    TicketDeleted,
    TicketDescriptionRewritten,
    TicketEvent,
    TicketMetadataReplaced,
    TicketPrioritized,
    TicketReopened,
    TicketResolved,
    TicketRetitled,
    TicketReturned,
    TicketStarted,
    TicketTagged,
    TicketUnassigned,
    TicketUntagged,
    TicketWaitEnded,
    TicketWaitStarted,
)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket without its comments."""

    number: int
    title: str
    description: str
    status: str
    priority: str
    metadata: Mapping[str, Any] | None
    tags: tuple[str, ...]
    created_by: UUID
    created_at: datetime
    updated_at: datetime
    assignee_id: UUID | None = None
    waiting_on: str | None = None
    resolution: str | None = None
    closed_at: datetime | None = None
    deleted: bool = False


T = TypeVar("T", bound=Ticket)


def created(event: TicketCreated) -> Ticket:
    """The ticket that begins."""
    return Ticket(
        number=event.number,
        title=event.title,
        description=event.description,
        status="open",
        priority=event.priority,
        metadata=event.metadata,
        tags=event.tags,
        created_by=event.by,
        created_at=event.at,
        updated_at=event.at,
    )


def evolve(ticket: T, event: TicketEvent) -> T:
    """The ticket after `event`, whatever else its class holds. Each event moves `updated_at`."""
    ticket = replace(ticket, updated_at=event.at)
    match event:
        case TicketRetitled():
            return replace(ticket, title=event.title)
        case TicketDescriptionRewritten():
            return replace(ticket, description=event.description)
        case TicketPrioritized():
            return replace(ticket, priority=event.priority)
        case TicketMetadataReplaced():
            return replace(ticket, metadata=event.metadata)
        case TicketTagged():
            return replace(ticket, tags=unique((*ticket.tags, *event.tags)))
        case TicketUntagged():
            return replace(ticket, tags=tuple(tag for tag in ticket.tags if tag not in event.tags))
        case TicketAssigned():
            return replace(ticket, assignee_id=event.assignee_id)
        case TicketUnassigned():
            return replace(ticket, assignee_id=None)
        case TicketStarted():
            return replace(ticket, status="in_progress")
        case TicketReturned():
            return replace(ticket, status="open")
        case TicketReopened():
            return replace(ticket, status=event.status, resolution=None, closed_at=None)
        case TicketResolved():
            return replace(ticket, status="resolved", resolution=event.resolution)
        case TicketClosed():
            # A closed ticket whose resolution is corrected was closed when it was closed.
            closed_at = ticket.closed_at if ticket.status == "closed" else event.at
            return replace(ticket, status="closed", resolution=event.resolution, closed_at=closed_at)
        case TicketWaitStarted():
            return replace(ticket, waiting_on=event.waiting_on)
        case TicketWaitEnded():
            return replace(ticket, waiting_on=None)
        case TicketDeleted():
            return replace(ticket, deleted=True)
        case TicketCreated() | CommentAdded() | CommentEdited() | CommentDeleted():
            return ticket
        case _:
            assert_never(event)


def unique(tags: Iterable[str]) -> tuple[str, ...]:
    """The tags without repetition, in the order of their first mention."""
    return tuple(dict.fromkeys(tags))
