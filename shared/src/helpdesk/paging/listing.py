"""From a query to a page, and from a page to its answer: the same for every list (contract §5)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request

from helpdesk.http.problem import FieldProblem, Problem, invalid, original_path
from helpdesk.paging.cursor import BadCursor, Cursors, Place
from helpdesk.paging.order import OLDEST_FIRST, Order, Sort
from helpdesk.paging.page import DEEPEST_ROW, Bare, Numbered, Page, Paging, Slice, page, total_pages
from helpdesk.paging.window import Total
from helpdesk.paging.wire import PAGING, PageQuery
from helpdesk.postgres.pool import Pool
from helpdesk.postgres.tenant import Statement, Within, read_all

R = TypeVar("R")
LINKED_LIMIT: Final = 100
"""How many rows the page has to which a bare array's `Link` leads."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list answers: an envelope, or a bare array with the `Link` to its rest, if there is more."""

    body: object
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Listing(Generic[R]):
    """A list that can be paged. `name` tells it from every other one, so that cursors stay with their list."""

    name: str
    page: Callable[[Paging], Statement[R]]
    total: Statement[Total]
    place_of: Callable[[R, Order], Place]
    shape: Callable[[R], object]

    def statements(self, paging: Paging) -> list[Statement[Any]]:
        """What must be read for a page; only numbered pages are counted."""
        if not isinstance(paging, Numbered):
            return [self.page(paging)]
        return [self.total] if paging.too_deep else [self.total, self.page(paging)]

    async def read(self, pool: Pool, within: Within, request: Request, cursors: Cursors, paging: Paging) -> Listed:
        """The answer, where nothing else is read with it."""
        return self.answer(request, cursors, paging, await read_all(pool, within, *self.statements(paging)))

    def answer(self, request: Request, cursors: Cursors, paging: Paging, found: Sequence[list[Any]]) -> Listed:
        """What the rows of `statements` make. Raises a 400 for rows too deep."""
        if not isinstance(paging, Numbered):
            return self._shown(request, cursors, paging, page(paging, found[0], self.place_of), {})
        total: int = found[0][0].total
        _refuse_depth(paging, total)
        rows: list[R] = found[1] if len(found) > 1 else []
        return self._shown(request, cursors, paging, page(paging, rows, self.place_of), _numbers(paging, total))

    def _shown(
        self, request: Request, cursors: Cursors, paging: Paging, page: Page[R], numbers: dict[str, Any]
    ) -> Listed:
        data = [self.shape(row) for row in page.rows]
        after = None if page.next is None else cursors.encode(page.next, self.name)
        before = None if page.previous is None else cursors.encode(page.previous, self.name)
        if isinstance(paging, Bare):
            return Listed(data, {} if after is None else {"Link": _link(request, after)})
        meta = {
            "limit": paging.limit,
            "hasNextPage": after is not None,
            "hasPreviousPage": before is not None,
            "nextCursor": after,
            "previousCursor": before,
            **numbers,
        }
        return Listed({"data": data, "meta": meta}, {})


def enveloped(request: Request, *also: str) -> bool:
    """Whether a list answers the envelope: an alias that always does, or a paging parameter (or one of `also`)."""
    return bool(request.scope["enveloped"]) or not request.query_params.keys().isdisjoint(PAGING | {*also})


def paging_of(query: PageQuery, cursors: Cursors, list_name: str, usual: Order = OLDEST_FIRST) -> Numbered | Slice:
    """What an enveloped list is asked for. A cursor carries its order. Raises a 400 for a cursor of another list."""
    sort_by = None if query.sort_by is None else Sort(query.sort_by)
    descending = usual.descending if query.sort_order is None else query.sort_order == "desc"
    order = Order(sort_by or usual.by, descending)
    if query.cursor is None:
        return Numbered(query.page, query.limit, order)
    if not query.cursor:
        return Slice(None, query.limit, order)
    try:
        place = cursors.decode(query.cursor, list_name)
    except BadCursor as error:
        raise invalid("cursor", str(error), "bad_cursor") from error
    resorted = sort_by is not None and sort_by is not place.order.by
    turned = query.sort_order is not None and order.descending is not place.order.descending
    if resorted or turned:
        raise invalid("cursor", "the cursor belongs to a list in another order", "bad_cursor")
    return Slice(place, query.limit, place.order)


def _numbers(paging: Numbered, total: int) -> dict[str, Any]:
    pages = total_pages(total, paging.limit)
    return {
        "page": paging.number,
        "total": total,
        "totalPages": pages,
        "hasNextPage": paging.number < pages,
        "hasPreviousPage": paging.number > 1,
    }


def _refuse_depth(paging: Numbered, total: int) -> None:
    if paging.too_deep and total > paging.offset:
        message = f"pages end at row {DEEPEST_ROW:,}; read on with `cursor`"
        field = FieldProblem(field="page", message=message, code="page_too_deep")
        raise Problem(400, "page_too_deep", f"page: {message}", fields=[field])


def _link(request: Request, cursor: str) -> str:
    filters = [(key, value) for key, value in request.query_params.multi_items() if key not in PAGING]
    query = urlencode([*filters, ("limit", LINKED_LIMIT), ("cursor", cursor)])
    return f'<{original_path(request)}?{query}>; rel="next"'
