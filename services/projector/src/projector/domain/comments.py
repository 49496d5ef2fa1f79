"""Read model `comments`: one row a comment; a deleted one leaves its marker without its text."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from helpdesk.events.ticket import CommentAdded, CommentDeleted, CommentEdited, TicketEvent


class CommentRow(NamedTuple):
    """A comment as it stands."""

    id: UUID
    content: str
    is_internal: bool
    author_id: UUID
    created_at: datetime
    updated_at: datetime
    deleted: bool = False


def touched(events: Iterable[TicketEvent]) -> set[UUID]:
    """The comments that stood before these events and are changed by them."""
    return {one.comment_id for one in events if isinstance(one, CommentEdited | CommentDeleted)}


def after(rows: Mapping[UUID, CommentRow], events: Iterable[TicketEvent]) -> dict[UUID, CommentRow]:
    """The rows that `events` make or change, given those of `touched` that stood before."""
    known = dict(rows)
    changed: dict[UUID, CommentRow] = {}
    for event in events:
        match event:
            case CommentAdded():
                row = CommentRow(
                    id=event.comment_id,
                    content=event.content,
                    is_internal=event.is_internal,
                    author_id=event.by,
                    created_at=event.at,
                    updated_at=event.at,
                )
            case CommentEdited():
                row = known[event.comment_id]._replace(content=event.content, updated_at=event.at)
            case CommentDeleted():
                row = known[event.comment_id]._replace(content="", updated_at=event.at, deleted=True)
            case _:
                continue
        known[row.id] = changed[row.id] = row
    return changed
