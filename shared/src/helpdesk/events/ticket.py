"""What can happen to a ticket. These classes are history: their stored names live in `helpdesk.wire` for ever.

`by` is the acting person's user id, `at` the moment of the decision (UTC, whole milliseconds). Statuses are the four
words of contract §6; a ticket that waits says for whom, one that ended says how.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID


@dataclass(frozen=True, slots=True)
class TicketCreated:
    number: int
    title: str
    description: str
    priority: str
    metadata: Mapping[str, Any] | None
    tags: tuple[str, ...]
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class TicketRetitled:
    title: str
    previous: str
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class TicketDescriptionRewritten:
    description: str
    previous: str
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class TicketPrioritized:
    priority: str
    previous: str
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class TicketMetadataReplaced:
    metadata: Mapping[str, Any] | None
    previous: Mapping[str, Any] | None
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class TicketTagged:
    tags: tuple[str, ...]
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class TicketUntagged:
    tags: tuple[str, ...]
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class TicketAssigned:
    assignee_id: UUID
    previous: UUID | None
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class TicketUnassigned:
    previous: UUID
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class TicketStarted:
    """Somebody works on it: `in_progress`."""

    previous: str
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class TicketReturned:
    """Work stopped without an end: back to `open`."""

    previous: str
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class TicketResolved:
    resolution: str
    previous: str
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class TicketClosed:
    resolution: str
    previous: str
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class TicketReopened:
    """A resolved or closed ticket lives again, as `status` (`open` or `in_progress`)."""

    status: str
    previous: str
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class TicketWaitStarted:
    waiting_on: str
    previous: str | None
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class TicketWaitEnded:
    previous: str
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class TicketDeleted:
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class CommentAdded:
    comment_id: UUID
    content: str
    is_internal: bool
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class CommentEdited:
    comment_id: UUID
    content: str
    previous: str
    is_internal: bool
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class CommentDeleted:
    comment_id: UUID
    is_internal: bool
    by: UUID
    at: datetime


TicketEvent: TypeAlias = (
    TicketCreated
    | TicketRetitled
    | TicketDescriptionRewritten
    | TicketPrioritized
    | TicketMetadataReplaced
    | TicketTagged
    | TicketUntagged
    | TicketAssigned
    | TicketUnassigned
    | TicketStarted
    | TicketReturned
    | TicketResolved
    | TicketClosed
    | TicketReopened
    | TicketWaitStarted
    | TicketWaitEnded
    | TicketDeleted
    | CommentAdded
    | CommentEdited
    | CommentDeleted
)
