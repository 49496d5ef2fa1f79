"""The user's account: how it begins (contract §4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from command_api.domain.rejected import Rejected
from helpdesk.events.user import UserEvent, UserRegistered
from helpdesk.policy import SCOPES


@dataclass(frozen=True, slots=True)
class RegisterUser:
    """`is_open` says whether the tenant admits strangers; an operator's `by` may differ from the user itself."""

    email: str
    name: str
    role: str
    is_open: bool
    by: UUID
    at: datetime


def decide(past: Sequence[UserEvent], command: RegisterUser) -> list[UserEvent]:
    """What happens when `command` meets the account's history."""
    if past:
        raise Rejected("user_exists", "There is an account of this id already.")
    if not command.is_open:
        raise Rejected("registration_closed", "This tenant does not admit open registration.")
    if command.role not in SCOPES:
        raise Rejected("unknown_role", f"{command.role} is no role.")
    return [UserRegistered(email=command.email, name=command.name, role=command.role, by=command.by, at=command.at)]
