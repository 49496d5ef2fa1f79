"""Which things are told, under which names, and what an endpoint may ask for (contract §9)."""

from collections.abc import Iterable, Mapping
from typing import Final

CLASSIC: Final[Mapping[str, str]] = {
    "TICKET_CREATED": "ticket.created",
    "TICKET_UPDATED": "ticket.updated",
    "TICKET_CLOSED": "ticket.closed",
    "COMMENT_ADDED": "comment.added",
}
"""The names of the older API, and the dotted type that each stands for."""

PUBLIC: Final = (
    *CLASSIC.values(),
    "ticket.deleted",
    "comment.edited",
    "comment.deleted",
    "attachment.added",
    "attachment.removed",
)
INTERNAL: Final = ("comment.internal_added", "comment.internal_edited", "comment.internal_deleted")
"""What is told of internal notes: only to endpoints that ask for it by its full name, never by a pattern."""

PATTERNS: Final = ("ticket.*", "comment.*", "attachment.*")

_CLASSIC_OF: Final = {type_: name for name, type_ in CLASSIC.items()}
_DOTTED: Final = frozenset((*PUBLIC, *INTERNAL, *PATTERNS))


def classic_of(type_: str) -> str:
    """The classic name of a type; a type without one is its own."""
    return _CLASSIC_OF.get(type_, type_)


def filter_of(name: str) -> str | None:
    """The canonical spelling of what a client asks for, in any case; None for an unknown name."""
    if name.upper() in CLASSIC:
        return name.upper()
    return name.lower() if name.lower() in _DOTTED else None


def matches(filters: Iterable[str], type_: str) -> bool:
    """Whether an endpoint with these (canonical) filters asked for `type_`."""
    family = f"{type_.partition('.')[0]}.*"
    return any(
        CLASSIC.get(wanted, wanted) == type_ or (wanted == family and type_ not in INTERNAL) for wanted in filters
    )
