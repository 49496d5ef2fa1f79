"""What may be asked of a ticket. Values are parsed already; a rule never meets a raw request."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID


class Unset(Enum):
    """The value of a field that a partial edit does not mention (`None` clears)."""

    UNSET = 0


UNSET: Final = Unset.UNSET
T = TypeVar("T")
Maybe: TypeAlias = T | Unset


@dataclass(frozen=True, slots=True)
class Actor:
    """Who commands: the rights of the role as they are now."""

    id: UUID
    role: str


@dataclass(frozen=True, slots=True)
class CreateTicket:
    number: int
    title: str
    description: str
    priority: str
    metadata: Mapping[str, Any] | None
    tags: tuple[str, ...]
    assignee_id: UUID | None
    by: Actor
    at: datetime


@dataclass(frozen=True, slots=True)
class EditTicket:
    """Any of the fields; all of them happen or none."""

    by: Actor
    at: datetime
    title: Maybe[str] = UNSET
    description: Maybe[str] = UNSET
    priority: Maybe[str] = UNSET
    metadata: Maybe[Mapping[str, Any] | None] = UNSET
    tags: Maybe[tuple[str, ...]] = UNSET
    assignee_id: Maybe[UUID | None] = UNSET
    status: Maybe[str] = UNSET
    resolution: Maybe[str | None] = UNSET
    waiting_on: Maybe[str | None] = UNSET


@dataclass(frozen=True, slots=True)
class DeleteTicket:
    by: Actor
    at: datetime


@dataclass(frozen=True, slots=True)
class AddComment:
    comment_id: UUID
    content: str
    is_internal: bool
    by: Actor
    at: datetime


@dataclass(frozen=True, slots=True)
class EditComment:
    """`content` None leaves it as it is (a partial edit that names nothing)."""

    comment_id: UUID
    content: str | None
    by: Actor
    at: datetime


@dataclass(frozen=True, slots=True)
class DeleteComment:
    comment_id: UUID
    by: Actor
    at: datetime


@dataclass(frozen=True, slots=True)
class BeginUpload:
    """May a file be attached? Nothing happens yet: the client uploads it first."""

    by: Actor
    at: datetime


@dataclass(frozen=True, slots=True)
class AddAttachment:
    """A stored file, looked at already. `file_size` in bytes, `sha256` in hexadecimal."""

    attachment_id: UUID
    object_id: UUID
    filename: str
    file_size: int
    mime_type: str
    sha256: str
    by: Actor
    at: datetime


@dataclass(frozen=True, slots=True)
class RemoveAttachment:
    attachment_id: UUID
    by: Actor
    at: datetime


TicketCommand: TypeAlias = (
    CreateTicket
    | EditTicket
    | DeleteTicket
    | AddComment
    | EditComment
    | DeleteComment
    | BeginUpload
    | AddAttachment
    | RemoveAttachment
)
