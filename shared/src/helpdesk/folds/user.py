"""The one fold of a user's stream: who they are, and since when it holds what they may do (ADR 7)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from helpdesk.events.user import (
    UserDeactivated,
    UserEvent,
    UserInvited,
    UserPasswordChanged,
    UserReactivated,
    UserRedacted,
    UserRegistered,
    UserRenamed,
    UserRoleChanged,
    UserSignedOut,
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What somebody may do, and since when.

    `valid_from`: a token issued before it is not believed about role and account. `sessions_from`: a token issued
    before it has ended. None: nothing has happened yet that a token could have missed.
    """

    role: str
    enabled: bool = True
    valid_from: datetime | None = None
    sessions_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class User:
    """An account. `invited`: it has no password yet."""

    email: str
    name: str
    invited: bool
    created_at: datetime
    updated_at: datetime
    standing: Standing


def fold(user: User | None, events: Iterable[UserEvent]) -> User | None:
    """The account after `events`; None when none of them made one."""
    for event in events:
        user = evolve(user, event)
    return user


def evolve(user: User | None, event: UserEvent) -> User | None:
    """The account after `event`. What happens to an account that nobody made changes nothing."""
    if isinstance(event, UserRegistered | UserInvited):
        invited = isinstance(event, UserInvited)
        return User(event.email, event.name, invited, event.at, event.at, Standing(event.role))
    if user is None:
        return None
    match event:
        case UserRenamed():
            return replace(user, name=event.name, updated_at=event.at)
        case UserPasswordChanged():
            standing = evolve_standing(user.standing, event)
            return replace(user, invited=False, updated_at=event.at, standing=standing or user.standing)
        case UserSignedOut():
            return replace(user, standing=evolve_standing(user.standing, event) or user.standing)
        case UserRoleChanged() | UserDeactivated() | UserReactivated() | UserRedacted():
            standing = evolve_standing(user.standing, event)
            return replace(user, updated_at=event.at, standing=standing or user.standing)
        case _:
            assert_never(event)


def evolve_standing(standing: Standing | None, event: UserEvent) -> Standing | None:
    """The standing after `event`."""
    if isinstance(event, UserRegistered | UserInvited):
        return Standing(event.role)
    if standing is None:
        return None
    match event:
        case UserRoleChanged():
            return replace(standing, role=event.role, valid_from=_later(standing.valid_from, event.at))
        case UserReactivated():
            return replace(standing, enabled=True, valid_from=_later(standing.valid_from, event.at))
        case UserDeactivated():
            return _ended(replace(standing, enabled=False), event.at)
        case UserPasswordChanged() | UserSignedOut():
            return _ended(standing, event.at)
        case UserRenamed() | UserRedacted():
            return standing
        case _:
            assert_never(event)


def _ended(standing: Standing, at: datetime) -> Standing:
    """The standing when the tokens of before have ended."""
    sessions_from = _later(standing.sessions_from, at)
    return replace(standing, valid_from=_later(standing.valid_from, at), sessions_from=sessions_from)


def _later(one: datetime | None, other: datetime) -> datetime:
    """Clocks of several processes may differ: a moment never goes back."""
    return other if one is None else max(one, other)
