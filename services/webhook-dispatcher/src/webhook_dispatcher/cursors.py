"""Cursors of the list of endpoints: an opaque text that says from where to read on, and in which direction."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from helpdesk.http.problem import invalid
from webhook_dispatcher.store.endpoints import Endpoint
from webhook_dispatcher.store.lists import Order, Place


@dataclass(frozen=True, slots=True)
class Cursor:
    """`order` is the list's; `place` is the row beyond which to read (None: from the start)."""

    order: Order
    place: Place | None = None
    backwards: bool = False

    @property
    def reading(self) -> Order:
        """The order in which the database reads."""
        if self.backwards:
            return "asc" if self.order == "desc" else "desc"
        return self.order

    def __str__(self) -> str:
        created_at, id_ = self.place or ("", "")
        plain = f"1|{self.order}|{int(self.backwards)}|{created_at}|{id_}"
        return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def parse(text: str, order: Order) -> Cursor:
    """The cursor that was given out as `text`; empty is the start of a list in `order`. Raises a 400."""
    if not text:
        return Cursor(order)
    try:
        plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
        version, order_, backwards, created_at, id_ = plain.split("|")
        place = (datetime.fromisoformat(created_at), UUID(id_))
        if version != "1" or place[0].tzinfo is None:
            raise ValueError("of another kind")
    except (ValueError, binascii.Error) as error:
        raise invalid("cursor", "is none of this service", "malformed_cursor") from error
    return Cursor("desc" if order_ == "desc" else "asc", place, backwards == "1")


def page(cursor: Cursor, rows: Sequence[Endpoint], limit: int) -> tuple[list[Endpoint], Cursor | None, Cursor | None]:
    """What to show of `limit` + 1 rows as they were read, and the cursors of the pages after and before it."""
    more, shown = len(rows) > limit, list(rows[:limit])
    if cursor.backwards:
        shown.reverse()
    after, before = (True, more) if cursor.backwards else (more, cursor.place is not None)
    return (
        shown,
        Cursor(cursor.order, place_of(shown[-1])) if after and shown else None,
        Cursor(cursor.order, place_of(shown[0]), backwards=True) if before and shown else None,
    )


def place_of(row: Endpoint) -> Place:
    """Where a row stands in the order of creation."""
    return row.created_at, row.id
