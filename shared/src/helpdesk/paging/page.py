"""Pages: which rows a request asks for, and what is said about them (contract §5)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

from helpdesk.paging.cursor import Place
from helpdesk.paging.order import NEWEST_FIRST, Order

DEFAULT_LIMIT: Final = 20
DEEPEST_ROW: Final = 10_000
"""Page mode goes no deeper, for it counts its way there; cursors do."""
LONGEST_ARRAY: Final = 1_000
"""A bare array has at most as many; a `Link` header leads on."""


@dataclass(frozen=True, slots=True)
class Bare:
    """A bare array: the newest, up to a bound."""

    order: Order = NEWEST_FIRST
    limit: int = LONGEST_ARRAY


@dataclass(frozen=True, slots=True)
class Numbered:
    """The nth page of `limit` rows, from 1."""

    number: int
    limit: int
    order: Order

    @property
    def offset(self) -> int:
        """The rows before it."""
        return (self.number - 1) * self.limit

    @property
    def too_deep(self) -> bool:
        """Whether it begins beyond the deepest row; if rows exist there, only cursors reach them."""
        return self.offset >= DEEPEST_ROW


@dataclass(frozen=True, slots=True)
class Slice:
    """`limit` rows from a place on, or from the start."""

    place: Place | None
    limit: int
    order: Order

    @property
    def backward(self) -> bool:
        """Whether the rows before the place are asked for."""
        return self.place is not None and self.place.backward


Paging: TypeAlias = Bare | Numbered | Slice
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """The rows of a page in the list's order, and where its neighbours begin (None: there are none)."""

    rows: Sequence[R]
    next: Place | None
    previous: Place | None


def page(paging: Paging, found: Sequence[R], place_of: Callable[[R, Order], Place]) -> Page[R]:
    """The page that `found` makes: one row more than asked for, where there is one, read in the reading's direction."""
    more, rows = len(found) > paging.limit, list(found[: paging.limit])
    if isinstance(paging, Slice) and paging.backward:
        rows.reverse()
    match paging:
        case Slice(place=None) | Bare():
            before, after = False, more
        case Numbered():
            before, after = paging.number > 1, more
        case Slice():
            before, after = (more, True) if paging.backward else (True, more)
    if not rows:
        return _emptied(paging)
    first, last = place_of(rows[0], paging.order), place_of(rows[-1], paging.order)
    return Page(rows, next=last if after else None, previous=_backward(first) if before else None)


def _emptied(paging: Paging) -> Page[R]:
    """Nothing is left on this side of the place: the way back begins at the place itself."""
    if not isinstance(paging, Slice) or paging.place is None:
        return Page([], None, None)
    place = paging.place
    turned = Place(place.order, place.key, place.id, not place.backward, not place.inclusive)
    return Page([], next=turned, previous=None) if place.backward else Page([], next=None, previous=turned)


def _backward(place: Place) -> Place:
    return Place(place.order, place.key, place.id, backward=True)


def total_pages(total: int, limit: int) -> int:
    """How many pages of `limit` rows `total` rows make."""
    return -(-total // limit)
