"""What goes over HTTP: contract §5 and §10."""

from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from pydantic import BeforeValidator, Field

from helpdesk.http.shapes import PersonShape, person
from helpdesk.http.wire import Answer, Body, Instant
from notifier.domain.notice import NoticeType
from notifier.store.feed import NotificationRow


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class ListQuery(Body):
    """The query of a list. Any of page, limit, cursor, sortBy, sortOrder asks for the envelope."""

    unread_only: bool = Field(False, description="Only those that are not read yet.")
    is_read: bool | None = None
    type: Annotated[NoticeType | None, BeforeValidator(_upper)] = Field(None, description="In any case.")
    page: int = Field(1, ge=1, le=2**53 - 1, description="Page mode: which page, from 1; as deep as row 10,000.")
    limit: int = Field(20, ge=1, le=100, description="Rows on a page.")
    cursor: str | None = Field(
        None, max_length=4096, description="Cursor mode: a `nextCursor` or `previousCursor`; empty: from the start."
    )
    sort_by: Literal["createdAt"] = Field("createdAt", description="There is no other order.")
    sort_order: Annotated[Literal["asc", "desc"], BeforeValidator(_lower)] = Field(
        "asc", description="Of paged lists; a cursor carries its own."
    )


class NotificationShape(Answer):
    """One in-app notification."""

    id: UUID
    type: str = Field(description="TICKET_ASSIGNED, COMMENT_ADDED, STATUS_CHANGED and newer ones.")
    user_id: UUID
    title: str
    message: str = Field(description="A sentence with the ticket's title.")
    data: dict[str, str | int] = Field(description="ticketId, ticketNumber, actorId, and what else the type tells of.")
    is_read: bool
    created_at: Instant
    actor: PersonShape | None = Field(description="Who did it; null while their account is not known here yet.")


class NotificationMeta(Answer):
    """Where a page stands, and how to go on in either direction. A cursor's page has no number and is not counted."""

    limit: int
    has_next_page: bool
    has_previous_page: bool
    next_cursor: str | None
    previous_cursor: str | None
    page: int | None = None
    total: int | None = None
    total_pages: int | None = None


class NotificationPage(Answer):
    """The envelope of a list."""

    data: list[NotificationShape]
    meta: NotificationMeta


NotificationList: TypeAlias = list[NotificationShape] | NotificationPage
"""Bare and newest first, or in its envelope."""


class CountShape(Answer):
    """How many."""

    count: int


def notification(row: NotificationRow) -> NotificationShape:
    """A stored notification as clients see it."""
    known = row.actor_email is not None and row.actor_name is not None
    return NotificationShape(
        id=row.id,
        type=row.type,
        user_id=row.user_id,
        title=row.title,
        message=row.message,
        data=row.data,
        is_read=row.is_read,
        created_at=row.created_at,
        actor=person(row.actor_id, row.actor_email or "", row.actor_name or "") if known else None,
    )
