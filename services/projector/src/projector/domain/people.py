"""Read model `people`: one row, the fold of one user's stream."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from helpdesk.events.user import UserEvent
from helpdesk.folds.user import Standing, User, fold
from helpdesk.recorded import Stream


@dataclass(frozen=True, slots=True)
class PersonRow:
    """The account at `version` of its stream."""

    email: str
    name: str
    role: str
    enabled: bool
    invited: bool
    created_at: datetime
    updated_at: datetime
    valid_from: datetime | None
    sessions_from: datetime | None
    version: int


def after(row: PersonRow | None, events: Iterable[UserEvent], version: int, stream: Stream) -> PersonRow:
    """The row after `events`, the last of which made `version`."""
    user = fold(None if row is None else _user(row), events)
    if user is None:
        raise ValueError(f"{stream} has no event that makes a person")
    return PersonRow(
        email=user.email,
        name=user.name,
        role=user.standing.role,
        enabled=user.standing.enabled,
        invited=user.invited,
        created_at=user.created_at,
        updated_at=user.updated_at,
        valid_from=user.standing.valid_from,
        sessions_from=user.standing.sessions_from,
        version=version,
    )


def _user(row: PersonRow) -> User:
    standing = Standing(row.role, row.enabled, row.valid_from, row.sessions_from)
    return User(row.email, row.name, row.invited, row.created_at, row.updated_at, standing)
