"""The user's account: how it begins (contract §4), changes and ends (contract §11)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, assert_never
from uuid import UUID

from command_api.domain.rejected import Rejected
from command_api.domain.ticket.commands import UNSET, Maybe
from helpdesk.events.user import (
    UserDeactivated,
    UserEvent,
    UserInvited,
    UserPasswordChanged,
    UserReactivated,
    UserRegistered,
    UserRenamed,
    UserRoleChanged,
    UserSignedOut,
)
from helpdesk.folds.user import User, fold
from helpdesk.people import first_name, last_name
from helpdesk.policy import ADMIN, SCOPES


@dataclass(frozen=True, slots=True)
class RegisterUser:
    """`is_open` says whether the tenant admits strangers; an operator's `by` may differ from the user itself.

    `invitation_id`: the account has no password yet, and this is the id of its invitation.
    """

    email: str
    name: str
    role: str
    is_open: bool
    by: UUID
    at: datetime
    invitation_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class EditUser:
    """What is named changes. `other_admins`: how many active admins the tenant has besides this account."""

    other_admins: int
    by: UUID
    at: datetime
    name: Maybe[str] = UNSET
    first_name: Maybe[str] = UNSET
    last_name: Maybe[str] = UNSET
    role: Maybe[str] = UNSET
    enabled: Maybe[bool] = UNSET


@dataclass(frozen=True, slots=True)
class ChangePassword:
    """The new one is stored beside the event, never in it."""

    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class SignOut:
    by: UUID
    at: datetime


UserCommand: TypeAlias = RegisterUser | EditUser | ChangePassword | SignOut


def decide(past: Sequence[UserEvent], command: UserCommand) -> list[UserEvent]:
    """What happens when `command` meets the account's history."""
    match command:
        case RegisterUser():
            return _register(past, command)
        case EditUser():
            return _edit(_known(past), command)
        case ChangePassword():
            _known(past)
            return [UserPasswordChanged(by=command.by, at=command.at)]
        case SignOut():
            _known(past)
            return [UserSignedOut(by=command.by, at=command.at)]
        case _:
            assert_never(command)


def is_active_admin(user: User) -> bool:
    """Whether this account can administer its tenant now: one who was invited only cannot sign in yet."""
    return user.standing.role == ADMIN and user.standing.enabled and not user.invited


def demand_admin(other_admins: int) -> None:
    """The last active admin of a tenant can be neither demoted nor deactivated (contract §11). Raises Rejected."""
    if other_admins == 0:
        raise Rejected("last_admin", "This is the last active admin of the tenant: make another one first.")


def _register(past: Sequence[UserEvent], command: RegisterUser) -> list[UserEvent]:
    if past:
        raise Rejected("user_exists", "There is an account of this id already.")
    if not command.is_open:
        raise Rejected("registration_closed", "This tenant does not admit open registration.")
    _demand_role(command.role)
    if command.invitation_id is None:
        return [UserRegistered(email=command.email, name=command.name, role=command.role, by=command.by, at=command.at)]
    return [
        UserInvited(
            invitation_id=command.invitation_id,
            email=command.email,
            name=command.name,
            role=command.role,
            by=command.by,
            at=command.at,
        )
    ]


def _edit(user: User, command: EditUser) -> list[UserEvent]:
    events: list[UserEvent] = []
    by, at, standing = command.by, command.at, user.standing
    name = _name(user, command)
    if name != user.name:
        events.append(UserRenamed(name=name, previous=user.name, by=by, at=at))
    if command.role is not UNSET and command.role != standing.role:
        _demand_role(command.role)
        events.append(UserRoleChanged(role=command.role, previous=standing.role, by=by, at=at))
    if command.enabled is not UNSET and command.enabled != standing.enabled:
        events.append(UserReactivated(by=by, at=at) if command.enabled else UserDeactivated(by=by, at=at))
    after = fold(user, events)
    if is_active_admin(user) and after is not None and not is_active_admin(after):
        demand_admin(command.other_admins)
    return events


def _name(user: User, command: EditUser) -> str:
    """The one name, as given, else of the two halves; a half that is not named stays."""
    if command.name is not UNSET:
        return command.name
    if command.first_name is UNSET and command.last_name is UNSET:
        return user.name
    first = first_name(user.name) if command.first_name is UNSET else command.first_name
    last = last_name(user.name) if command.last_name is UNSET else command.last_name
    return f"{first} {last}".strip()


def _known(past: Sequence[UserEvent]) -> User:
    user = fold(None, past)
    if user is None:
        raise Rejected("user_not_found", "There is no such user.")
    return user


def _demand_role(role: str) -> None:
    if role not in SCOPES:
        raise Rejected("unknown_role", f"{role} is no role.")
