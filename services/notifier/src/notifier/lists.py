"""The three forms of a list (contract §5): bare and newest first, by page, by cursor."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson

from helpdesk.auth.tokens import Principal
from helpdesk.http.problem import Problem, invalid
from helpdesk.postgres.pool import Pool
from notifier import store
from notifier.store import FUTURE, PAST, Filter, NotificationRow, Place
from notifier.wire import CursorMeta, ListQuery, NotificationPage, NotificationShape, PageMeta, notification

BARE: Final = 1_000
DEEPEST_OFFSET: Final = 10_000


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
        place = Place(datetime.fromisoformat(at).isoformat(), UUID(id_))
    except (ValueError, TypeError, AttributeError, binascii.Error) as error:
        raise invalid("cursor", "is none of this service", "malformed_cursor") from error
    return Cursor(descending is True, backwards is True, place)


async def bare(pool: Pool, reader: Principal, wanted: Filter) -> tuple[list[NotificationShape], str | None]:
    """The newest, and the cursor that tells more when these are not all."""
    rows = await store.newest(pool, reader, wanted, BARE + 1)
    more = str(Cursor(True, False, _place(rows[BARE - 1]))) if len(rows) > BARE else None
    return [notification(row) for row in rows[:BARE]], more


async def by_page(pool: Pool, reader: Principal, wanted: Filter, query: ListQuery) -> NotificationPage:
    """One page; beyond 10,000 rows that exist, a 400 that points to cursors."""
    offset = (query.page - 1) * query.limit
    rows, total = await store.page(
        pool,
        reader,
        wanted,
        newest_first=query.sort_order == "desc",
        limit=query.limit,
        offset=min(offset, DEEPEST_OFFSET),
    )
    if offset >= DEEPEST_OFFSET and total > offset:
        raise Problem(400, "page_too_deep", f"Pages end after {DEEPEST_OFFSET} rows: go on with `cursor`.")
    meta = PageMeta(
        page=query.page,
        limit=query.limit,
        total=total,
        total_pages=-(-total // query.limit),
        has_next_page=offset + query.limit < total,
        has_previous_page=query.page > 1,
    )
    return NotificationPage(data=[notification(row) for row in rows], meta=meta)


async def by_cursor(pool: Pool, reader: Principal, wanted: Filter, query: ListQuery) -> NotificationPage:
    """The rows beyond a cursor, as deep as one likes at the same price."""
    start = not query.cursor
    cursor = parse_cursor(query.cursor) if query.cursor else _start(query.sort_order == "desc")
    if cursor.descending != cursor.backwards:
        rows = await store.newest(pool, reader, wanted, query.limit + 1, cursor.place)
    else:
        rows = await store.oldest(pool, reader, wanted, query.limit + 1, cursor.place)
    more, rows = len(rows) > query.limit, rows[: query.limit]
    if cursor.backwards:
        rows.reverse()
    return NotificationPage(
        data=[notification(row) for row in rows],
        meta=_meta(
            query.limit, cursor, rows, after=cursor.backwards or more, before=more if cursor.backwards else not start
        ),
    )


def _meta(limit: int, cursor: Cursor, rows: Sequence[NotificationRow], *, after: bool, before: bool) -> CursorMeta:
    last = _place(rows[-1]) if rows else cursor.place
    first = _place(rows[0]) if rows else cursor.place
    return CursorMeta(
        limit=limit,
        next_cursor=str(Cursor(cursor.descending, False, last)) if after else None,
        previous_cursor=str(Cursor(cursor.descending, True, first)) if before else None,
        has_next_page=after,
        has_previous_page=before,
    )


def _start(descending: bool) -> Cursor:
    return Cursor(descending, False, FUTURE if descending else PAST)


def _place(row: NotificationRow) -> Place:
    return Place(row.created_at.isoformat(), row.id)
