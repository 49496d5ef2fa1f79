"""The ticket as it stands: the fold of its history. What stands in the history happened and is never refused."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, assert_never
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
class Comment:
    """One comment as it stands."""

    id: UUID
    content: str
    is_internal: bool
    author_id: UUID
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as it stands: what the rules ask, and what the answer of a write shows."""

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
    comments: Mapping[UUID, Comment] = field(default_factory=dict)


def evolve(ticket: Ticket | None, event: TicketEvent) -> Ticket:
    """The ticket after `event`. History is never refused: what stands in it happened."""
    if isinstance(event, TicketCreated):
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
    if ticket is None:
        raise ValueError(f"a ticket's history begins with its creation, not {type(event).__name__}")
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
            return replace(ticket, status="closed", resolution=event.resolution, closed_at=event.at)
        case TicketWaitStarted():
            return replace(ticket, waiting_on=event.waiting_on)
        case TicketWaitEnded():
            return replace(ticket, waiting_on=None)
        case TicketDeleted():
            return replace(ticket, deleted=True)
        case CommentAdded():
            comment = Comment(
                id=event.comment_id,
                content=event.content,
                is_internal=event.is_internal,
                author_id=event.by,
                created_at=event.at,
                updated_at=event.at,
            )
            return replace(ticket, comments={**ticket.comments, event.comment_id: comment})
        case CommentEdited():
            edited = replace(ticket.comments[event.comment_id], content=event.content, updated_at=event.at)
            return replace(ticket, comments={**ticket.comments, event.comment_id: edited})
        case CommentDeleted():
            left = {id_: comment for id_, comment in ticket.comments.items() if id_ != event.comment_id}
            return replace(ticket, comments=left)
        case _:
            assert_never(event)


def unique(tags: Iterable[str]) -> tuple[str, ...]:
    """The tags without repetition, in the order of their first mention."""
    return tuple(dict.fromkeys(tags))


def fold(events: Iterable[TicketEvent]) -> Ticket | None:
    """The ticket that this history makes, `None` for no history."""
    ticket: Ticket | None = None
    for event in events:
        ticket = evolve(ticket, event)
    return ticket
