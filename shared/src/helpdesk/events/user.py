"""What can happen to a user's account. Secrets (password hashes, tokens) never enter an event.

`by` is the user, or the admin or operator who did it. `role` is ADMIN, AGENT or USER.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from helpdesk.events.personal import PERSONAL


@dataclass(frozen=True, slots=True)
class UserRegistered:
    email: str = field(metadata=PERSONAL)
    name: str = field(metadata=PERSONAL)
    role: str
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class UserInvited:
    """An account without a password yet. Whoever mails the link signs `invitation_id` when it is sent."""

    invitation_id: UUID
    email: str = field(metadata=PERSONAL)
    name: str = field(metadata=PERSONAL)
    role: str
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class UserRenamed:
    name: str = field(metadata=PERSONAL)
    previous: str = field(metadata=PERSONAL)
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class UserRoleChanged:
    role: str
    previous: str
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class UserDeactivated:
    """Nobody signs in to it, and every token of it has ended."""

    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class UserReactivated:
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class UserPasswordChanged:
    """Every token that was issued before has ended."""

    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class UserSignedOut:
    """Every token that was issued before has ended."""

    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class UserRedacted:
    """`fields` of the event `event_id` of this stream were emptied for ever. `reason` is one word, never free text."""

    event_id: UUID
    fields: tuple[str, ...]
    reason: str
    by: UUID
    at: datetime


UserEvent: TypeAlias = (
    UserRegistered
    | UserInvited
    | UserRenamed
    | UserRoleChanged
    | UserDeactivated
    | UserReactivated
    | UserPasswordChanged
    | UserSignedOut
    | UserRedacted
)
