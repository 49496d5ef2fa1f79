"""The ticket as the rules see it: the shared fold, with its comments and files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from uuid import UUID

from helpdesk.events.ticket import (
    AttachmentAdded,
    AttachmentRemoved,
    CommentAdded,
    CommentDeleted,
    CommentEdited,
    TicketCreated,
    TicketEvent,
)
from helpdesk.folds import ticket as shared


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
class Attachment:
    """One file as it stands; a removed one is known by its id alone."""

    id: UUID
    object_id: UUID
    filename: str
    file_size: int
    mime_type: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Ticket(shared.Ticket):
    """What the rules ask, and what the answer of a write shows."""

    comments: Mapping[UUID, Comment] = field(default_factory=dict)
    attachments: Mapping[UUID, Attachment] = field(default_factory=dict)
    removed_attachments: frozenset[UUID] = frozenset()


def evolve(ticket: Ticket | None, event: TicketEvent) -> Ticket:
    """The ticket after `event`."""
    if isinstance(event, TicketCreated):
        begun = shared.created(event)
        return Ticket(**{one.name: getattr(begun, one.name) for one in fields(begun)})
    if ticket is None:
        raise ValueError(f"a ticket's history begins with its creation, not {type(event).__name__}")
    ticket = shared.evolve(ticket, event)
    match event:
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
        case AttachmentAdded():
            attachment = Attachment(
                id=event.attachment_id,
                object_id=event.object_id,
                filename=event.filename,
                file_size=event.file_size,
                mime_type=event.mime_type,
                created_at=event.at,
            )
            return replace(ticket, attachments={**ticket.attachments, event.attachment_id: attachment})
        case AttachmentRemoved():
            rest = {id_: one for id_, one in ticket.attachments.items() if id_ != event.attachment_id}
            removed = ticket.removed_attachments | {event.attachment_id}
            return replace(ticket, attachments=rest, removed_attachments=removed)
        case _:
            return ticket


def fold(events: Iterable[TicketEvent]) -> Ticket | None:
    """The ticket that this history makes, `None` for no history."""
    ticket: Ticket | None = None
    for event in events:
        ticket = evolve(ticket, event)
    return ticket
