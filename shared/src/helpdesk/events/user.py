"""What can happen to a user's account. Secrets (password hashes, tokens) never enter an event."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from helpdesk.events.personal import PERSONAL


@dataclass(frozen=True, slots=True)
class UserRegistered:
    """`by` is the user, or the admin or operator who made the account. `role` is ADMIN, AGENT or USER."""

    email: str = field(metadata=PERSONAL)
    name: str = field(metadata=PERSONAL)
    role: str
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


UserEvent: TypeAlias = UserRegistered | UserRedacted
