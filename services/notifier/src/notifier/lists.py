"""The three forms of a list (contract §5): bare and newest first, by page, by cursor."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson

from helpdesk.auth.tokens import Principal
from helpdesk.http.problem import invalid
from helpdesk.postgres.pool import Pool
from notifier.store import feed
from notifier.store.feed import FUTURE, PAST, Filter, NotificationRow, Place
from notifier.wire import ListQuery, NotificationMeta, NotificationPage, NotificationShape, notification

BARE: Final = 1_000
DEEPEST_OFFSET: Final = 10_000
_ENDS: Final = (PAST.at, FUTURE.at)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Beyond this place; `descending` is the list's order, `backwards` the direction in which the page is read."""

    descending: bool
    backwards: bool
    place: Place

    def __str__(self) -> str:
        plain = [self.descending, self.backwards, self.place.at, str(self.place.id)]
        return base64.urlsafe_b64encode(orjson.dumps(plain)).decode().rstrip("=")


def parse_cursor(text: str) -> Cursor:
    """The cursor that was given out as `text`. Raises a 400. Whatever it says, it selects among the caller's own."""
    try:
        descending, backwards, at, id_ = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        place = Place(at if at in _ENDS else datetime.fromisoformat(at).isoformat(), UUID(id_))
    except (ValueError, TypeError, AttributeError, binascii.Error) as error:
        raise invalid("cursor", "is none of this service", "malformed_cursor") from error
    return Cursor(descending is True, backwards is True, place)


async def bare(pool: Pool, reader: Principal, wanted: Filter) -> tuple[list[NotificationShape], str | None]:
    """The newest, and the cursor that tells more when these are not all."""
    rows = await feed.newest(pool, reader, wanted, BARE + 1)
    more = str(Cursor(True, False, _place(rows[BARE - 1]))) if len(rows) > BARE else None
    return [notification(row) for row in rows[:BARE]], more


async def by_page(pool: Pool, reader: Principal, wanted: Filter, query: ListQuery) -> NotificationPage:
    """One page; beyond 10,000 rows that exist, a 400 that points to cursors."""
    offset, descending = (query.page - 1) * query.limit, query.sort_order == "desc"
    rows, total = await feed.page(
        pool, reader, wanted, newest_first=descending, limit=query.limit, offset=min(offset, DEEPEST_OFFSET)
    )
    if offset >= DEEPEST_OFFSET and total > offset:
        raise invalid("page", "pages end at row 10,000; read on with `cursor`", "page_too_deep")
    after, before = offset + query.limit < total, query.page > 1
    meta = NotificationMeta(
        limit=query.limit,
        has_next_page=after,
        has_previous_page=before,
        next_cursor=str(Cursor(descending, False, _place(rows[-1]))) if rows and after else None,
        previous_cursor=str(Cursor(descending, True, _place(rows[0]))) if rows and before else None,
        page=query.page,
        total=total,
        total_pages=-(-total // query.limit),
    )
    return NotificationPage(data=[notification(row) for row in rows], meta=meta)


async def by_cursor(pool: Pool, reader: Principal, wanted: Filter, query: ListQuery) -> NotificationPage:
    """The rows beyond a cursor, as deep as one likes at the same price."""
    cursor = parse_cursor(query.cursor) if query.cursor else _begin(query.sort_order == "desc")
    read = feed.newest if cursor.descending != cursor.backwards else feed.oldest
    rows = await read(pool, reader, wanted, query.limit + 1, cursor.place)
    more, rows = len(rows) > query.limit, rows[: query.limit]
    if cursor.backwards:
        rows.reverse()
        before, after = more, True
    else:
        before, after = cursor != _begin(cursor.descending), more
    meta = NotificationMeta(
        limit=query.limit,
        has_next_page=after,
        has_previous_page=before,
        next_cursor=str(_after(cursor, rows)) if after else None,
        previous_cursor=str(_before(cursor, rows)) if before else None,
    )
    return NotificationPage(data=[notification(row) for row in rows], meta=meta)


def _begin(descending: bool) -> Cursor:
    return Cursor(descending, False, FUTURE if descending else PAST)


def _after(cursor: Cursor, rows: Sequence[NotificationRow]) -> Cursor:
    """Where the next page begins: at the list's beginning when going back found nothing any more."""
    return replace(cursor, backwards=False, place=_place(rows[-1])) if rows else _begin(cursor.descending)


def _before(cursor: Cursor, rows: Sequence[NotificationRow]) -> Cursor:
    """Where the page before ends: at the list's end when nothing is left beyond the cursor."""
    end = PAST if cursor.descending else FUTURE
    return replace(cursor, backwards=True, place=_place(rows[0]) if rows else end)


def _place(row: NotificationRow) -> Place:
    return Place(row.created_at.isoformat(), row.id)
