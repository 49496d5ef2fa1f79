"""What one person is told about one command."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

from helpdesk.recorded import RecordedEvent


class NoticeType(StrEnum):
    """The contract's words (§10). TICKET_CREATED and TICKET_UPDATED have no rule that writes them yet."""

    TICKET_CREATED = "TICKET_CREATED"
    TICKET_UPDATED = "TICKET_UPDATED"
    TICKET_ASSIGNED = "TICKET_ASSIGNED"
    COMMENT_ADDED = "COMMENT_ADDED"
    STATUS_CHANGED = "STATUS_CHANGED"


@dataclass(frozen=True, slots=True)
class Notice:
    """`data` names what it is about by ids. `is_internal` notices are shown only to those who are staff when they read.

    `title` and `message` never quote a comment: redaction would have to find it here again.
    """

    user_id: UUID
    type: NoticeType
    title: str
    message: str
    data: Mapping[str, str | int]
    is_internal: bool
    actor_id: UUID
    at: datetime


def in_app_id(first: RecordedEvent, user_id: UUID) -> UUID:
    """The id of the in-app notification that a command makes for a person: the same however often it is made
    (ADR 27)."""
    if first.has_former_id:
        return uuid5(first.event_id, f"in_app/{user_id}")
    return first.effect_id("in_app", user_id)
