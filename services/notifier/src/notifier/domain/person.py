"""The notifier's own directory: as much of a person as it shows and asks for."""

from dataclasses import dataclass
from typing import assert_never

from helpdesk.events.user import UserEvent, UserRedacted, UserRegistered


@dataclass(frozen=True, slots=True)
class Person:
    """The fold of one user stream; `role` is ADMIN, AGENT or USER."""

    email: str
    name: str
    role: str


def evolve(person: Person | None, event: UserEvent) -> Person | None:
    """The person after `event`; None when nothing told of them yet."""
    match event:
        case UserRegistered():
            return Person(email=event.email, name=event.name, role=event.role)
        case UserRedacted():
            return person
        case _:
            assert_never(event)
