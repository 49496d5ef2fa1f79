"""What can happen to a ticket. These classes are history: their stored names live in `helpdesk.wire` for ever.

Fields marked PERSONAL can be redacted. `by` is the acting person's user id, `at` the moment of the decision (UTC, whole
milliseconds). Statuses are the four words of contract §6; a ticket that waits says for whom, one that ended says how.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from helpdesk.events.personal import PERSONAL


@dataclass(frozen=True, slots=True)
class TicketCreated:
    number: int
    title: str = field(metadata=PERSONAL)
    description: str = field(metadata=PERSONAL)
    priority: str
    metadata: Mapping[str, Any] | None = field(metadata=PERSONAL)
    tags: tuple[str, ...] = field(metadata=PERSONAL)
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class TicketRetitled:
    title: str = field(metadata=PERSONAL)
    previous: str = field(metadata=PERSONAL)
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class TicketDescriptionRewritten:
    description: str = field(metadata=PERSONAL)
    previous: str = field(metadata=PERSONAL)
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
    metadata: Mapping[str, Any] | None = field(metadata=PERSONAL)
    previous: Mapping[str, Any] | None = field(metadata=PERSONAL)
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class TicketTagged:
    tags: tuple[str, ...] = field(metadata=PERSONAL)
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class TicketUntagged:
    tags: tuple[str, ...] = field(metadata=PERSONAL)
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
    content: str = field(metadata=PERSONAL)
    is_internal: bool
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class CommentEdited:
    comment_id: UUID
    content: str = field(metadata=PERSONAL)
    previous: str = field(metadata=PERSONAL)
    is_internal: bool
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class CommentDeleted:
    comment_id: UUID
    is_internal: bool
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class AttachmentAdded:
    """A file was uploaded and found to be what it says. `object_id` is the last part of its key in the file store;
    `file_size` in bytes, `sha256` of the stored bytes in hexadecimal."""

    attachment_id: UUID
    object_id: UUID
    filename: str = field(metadata=PERSONAL)
    file_size: int
    mime_type: str = field(metadata=PERSONAL)
    sha256: str
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class AttachmentRemoved:
    attachment_id: UUID
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class TicketRedacted:
    """`fields` of the event `event_id` of this stream were emptied for ever. `reason` is one word, never free text."""

    event_id: UUID
    fields: tuple[str, ...]
    reason: str
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
    | AttachmentAdded
    | AttachmentRemoved
    | TicketRedacted
)
