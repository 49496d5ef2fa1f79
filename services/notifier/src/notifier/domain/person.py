"""The notifier's own directory: as much of a person as it shows and asks for."""

from dataclasses import dataclass
from typing import assert_never

from helpdesk.events.user import UserEvent, UserRegistered


@dataclass(frozen=True, slots=True)
class Person:
    """The fold of one user stream; `role` is ADMIN, AGENT or USER."""

    email: str
    name: str
    role: str


def evolve(event: UserEvent) -> Person:
    """The person after `event`."""
    match event:
        case UserRegistered():
            return Person(email=event.email, name=event.name, role=event.role)
        case _:
            assert_never(event)
