"""A ticket as it stands after its history. What stands in the history happened and is never refused."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeVar, assert_never, get_args
from uuid import UUID

from helpdesk.events import ticket as happened

EVENTS: Final[tuple[type[happened.TicketEvent], ...]] = get_args(happened.TicketEvent)
"""The classes of what can happen to a ticket."""


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


def created(event: happened.TicketCreated) -> Ticket:
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


def evolve(ticket: T, event: happened.TicketEvent) -> T:
    """The ticket after `event`, whatever else its class holds. Each event moves `updated_at`."""
    at = event.at  # one replacement an event: half of what folding costs
    match event:
        case happened.TicketRetitled():
            return replace(ticket, updated_at=at, title=event.title)
        case happened.TicketDescriptionRewritten():
            return replace(ticket, updated_at=at, description=event.description)
        case happened.TicketPrioritized():
            return replace(ticket, updated_at=at, priority=event.priority)
        case happened.TicketMetadataReplaced():
            return replace(ticket, updated_at=at, metadata=event.metadata)
        case happened.TicketTagged():
            return replace(ticket, updated_at=at, tags=unique((*ticket.tags, *event.tags)))
        case happened.TicketUntagged():
            return replace(ticket, updated_at=at, tags=tuple(tag for tag in ticket.tags if tag not in event.tags))
        case happened.TicketAssigned():
            return replace(ticket, updated_at=at, assignee_id=event.assignee_id)
        case happened.TicketUnassigned():
            return replace(ticket, updated_at=at, assignee_id=None)
        case happened.TicketStarted():
            return replace(ticket, updated_at=at, status="in_progress")
        case happened.TicketReturned():
            return replace(ticket, updated_at=at, status="open")
        case happened.TicketReopened():
            return replace(ticket, updated_at=at, status=event.status, resolution=None, closed_at=None)
        case happened.TicketResolved():
            return replace(ticket, updated_at=at, status="resolved", resolution=event.resolution)
        case happened.TicketClosed():
            # A closed ticket whose resolution is corrected was closed when it was closed.
            closed_at = ticket.closed_at if ticket.status == "closed" else event.at
            return replace(ticket, updated_at=at, status="closed", resolution=event.resolution, closed_at=closed_at)
        case happened.TicketWaitStarted():
            return replace(ticket, updated_at=at, waiting_on=event.waiting_on)
        case happened.TicketWaitEnded():
            return replace(ticket, updated_at=at, waiting_on=None)
        case happened.TicketDeleted():
            return replace(ticket, updated_at=at, deleted=True)
        case (
            happened.TicketCreated()
            | happened.CommentAdded()
            | happened.CommentEdited()
            | happened.CommentDeleted()
            | happened.AttachmentAdded()
            | happened.AttachmentRemoved()
            | happened.TicketRedacted()
        ):
            return replace(ticket, updated_at=at)
        case _:
            assert_never(event)


def fold(ticket: Ticket | None, events: Iterable[happened.TicketEvent], name: object) -> Ticket:
    """The ticket after more of its history. Raises ValueError, with its `name`, when that lacks its beginning."""
    touched: happened.TicketEvent | None = None
    for event in events:
        if isinstance(event, happened.TicketCreated):
            ticket = created(event)
        elif ticket is None:
            raise ValueError(f"{name} does not begin with its creation but with {type(event).__name__}")
        elif isinstance(event, _ONLY_TOUCH):
            touched = event  # whatever comes next moves `updated_at` again: one replacement for all of them
            continue
        else:
            ticket = evolve(ticket, event)
        touched = None
    if ticket is None:
        raise ValueError(f"{name} has no event that makes a ticket")
    return evolve(ticket, touched) if touched else ticket


_ONLY_TOUCH: Final = (
    happened.CommentAdded,
    happened.CommentEdited,
    happened.CommentDeleted,
    happened.AttachmentAdded,
    happened.AttachmentRemoved,
)


def unique(tags: Iterable[str]) -> tuple[str, ...]:
    """The tags without repetition, in the order of their first mention."""
    return tuple(dict.fromkeys(tags))
