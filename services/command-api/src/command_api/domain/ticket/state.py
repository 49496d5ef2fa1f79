"""The ticket as the rules see it: the shared fold, with its comments and files."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from helpdesk.events.ticket import (
    AttachmentAdded,
    AttachmentRemoved,
    CommentAdded,
    CommentDeleted,
    CommentEdited,
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


_BARE: Final = tuple(one.name for one in fields(shared.Ticket))


def evolve(ticket: Ticket | None, event: TicketEvent) -> Ticket:
    """The ticket after `event`. Raises ValueError for a history that does not begin with the creation."""
    return _after(ticket, [event])


def fold(events: Iterable[TicketEvent], ticket: Ticket | None = None) -> Ticket | None:
    """The ticket that this history makes, or goes on to make of what `ticket` was; `None` for no history at all.

    Raises ValueError as `evolve` does.
    """
    happened = list(events)
    return _after(ticket, happened) if happened else ticket


def _after(ticket: Ticket | None, events: Sequence[TicketEvent]) -> Ticket:
    bare = shared.fold(ticket, events, "a ticket's history")
    # Copied once for all events, not for each: 10 µs where a ticket has 5,000 comments.
    comments = dict(ticket.comments) if ticket else {}
    attachments = dict(ticket.attachments) if ticket else {}
    removed = set(ticket.removed_attachments) if ticket else set()
    for event in events:
        match event:
            case CommentAdded():
                comments[event.comment_id] = Comment(
                    id=event.comment_id,
                    content=event.content,
                    is_internal=event.is_internal,
                    author_id=event.by,
                    created_at=event.at,
                    updated_at=event.at,
                )
            case CommentEdited():
                edited = replace(comments[event.comment_id], content=event.content, updated_at=event.at)
                comments[event.comment_id] = edited
            case CommentDeleted():
                comments.pop(event.comment_id, None)
            case AttachmentAdded():
                attachments[event.attachment_id] = Attachment(
                    id=event.attachment_id,
                    object_id=event.object_id,
                    filename=event.filename,
                    file_size=event.file_size,
                    mime_type=event.mime_type,
                    created_at=event.at,
                )
            case AttachmentRemoved():
                attachments.pop(event.attachment_id, None)
                removed.add(event.attachment_id)
            case _:
                pass
    return Ticket(
        **{name: getattr(bare, name) for name in _BARE},
        comments=comments,
        attachments=attachments,
        removed_attachments=frozenset(removed),
    )
