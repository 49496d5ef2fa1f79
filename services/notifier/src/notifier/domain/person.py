"""The notifier's own directory: as much of a person as it shows and asks for."""

from dataclasses import dataclass, replace

from helpdesk.events.user import UserEvent, UserInvited, UserRegistered, UserRenamed
from helpdesk.folds.user import Standing, evolve_standing


@dataclass(frozen=True, slots=True)
class Person:
    """The fold of one user stream."""

    email: str
    name: str
    standing: Standing


def evolve(person: Person | None, event: UserEvent) -> Person | None:
    """The person after `event`; None when nothing told of them yet."""
    if isinstance(event, UserRegistered | UserInvited):
        return Person(email=event.email, name=event.name, standing=Standing(event.role))
    if person is None:
        return None
    name = event.name if isinstance(event, UserRenamed) else person.name
    return replace(person, name=name, standing=evolve_standing(person.standing, event) or person.standing)
