"""Read model `people`: one row, the fold of one user's stream."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from helpdesk.events.user import UserEvent, UserRedacted, UserRegistered
from helpdesk.recorded import Stream


@dataclass(frozen=True, slots=True)
class PersonRow:
    """The account at `version` of its stream."""

    email: str
    name: str
    role: str
    enabled: bool
    created_at: datetime
    updated_at: datetime
    version: int


def after(row: PersonRow | None, events: Iterable[UserEvent], version: int, stream: Stream) -> PersonRow:
    """The row after `events`, the last of which made `version`."""
    for event in events:
        match event:
            case UserRegistered():
                row = PersonRow(
                    email=event.email,
                    name=event.name,
                    role=event.role,
                    enabled=True,
                    created_at=event.at,
                    updated_at=event.at,
                    version=version,
                )
            case UserRedacted():
                row = row and replace(row, updated_at=event.at, version=version)
            case _:
                assert_never(event)
    if row is None:
        raise ValueError(f"{stream} has no event that makes a person")
    return row
