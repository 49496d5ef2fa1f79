"""What can happen to a user's account. Secrets (password hashes, tokens) never enter an event."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID


@dataclass(frozen=True, slots=True)
class UserRegistered:
    """`by` is the user, or the admin or operator who made the account. `role` is ADMIN, AGENT or USER."""

    email: str
    name: str
    role: str
    by: UUID
    at: datetime


UserEvent: TypeAlias = UserRegistered
