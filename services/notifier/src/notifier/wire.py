"""What goes over HTTP: contract §5 and §10."""

from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from pydantic import BeforeValidator, Field

from helpdesk.http.shapes import PersonShape, person
from helpdesk.http.wire import Answer, Instant
from helpdesk.paging.wire import Envelope, PageQuery
from notifier.domain.notice import NoticeType
from notifier.store.feed import NotificationRow


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


class ListQuery(PageQuery):
    """What the list is asked for."""

    unread_only: bool = Field(False, description="Only those that are not read yet.")
    is_read: bool | None = None
    type: Annotated[NoticeType | None, BeforeValidator(_upper)] = Field(None, description="In any case.")
    sort_by: Literal["createdAt"] | None = Field(None, description="There is no other order.")


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


class NotificationPage(Envelope[NotificationShape]):
    """A page of notifications."""


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
