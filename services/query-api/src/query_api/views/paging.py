"""SQL of a page: where it begins, in which order, how much. One row more than asked for tells whether more follow."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from query_api.domain.order import Order, Sort
from query_api.domain.page import Numbered, Paging, Slice
from query_api.domain.words import PRIORITIES, STATUSES

_ORDERS: Final = {False: "order by {key}, id", True: "order by {key} desc, id desc"}
_COMPARISONS: Final = {(False, False): ">", (False, True): ">=", (True, False): "<", (True, True): "<="}


def _rank(column: str, words: tuple[str, ...]) -> str:
    return f"array_position(array[{', '.join(repr(word) for word in words)}], {column})"


KEYS: Final[Mapping[Sort, str]] = {
    Sort.CREATED_AT: "created_at",
    Sort.UPDATED_AT: "updated_at",
    Sort.TITLE: 'title collate "C"',
    Sort.STATUS: _rank("status", STATUSES),
    Sort.PRIORITY: _rank("priority", PRIORITIES),
}
"""The expression that a list is sorted by. Titles by code point, words in their natural order."""


@dataclass(frozen=True, slots=True)
class Window:
    """The parts of a query that make it a page."""

    condition: str
    order_by: str
    limit: str
    params: Mapping[str, Any]


def window(paging: Paging) -> Window:
    """The page of `paging`; rows are read against the list's order when it looks backward."""
    key = KEYS[paging.order.by]
    backward = isinstance(paging, Slice) and paging.backward
    condition = ""
    params: dict[str, Any] = {"limit": paging.limit + 1}
    if isinstance(paging, Slice) and paging.place is not None:
        comparison = _COMPARISONS[paging.order.descending != backward, paging.place.inclusive]
        condition = f"and ({key}, id) {comparison} (%(after_key)s, %(after_id)s)"
        params |= {"after_key": paging.place.key, "after_id": paging.place.id}
    limit = "limit %(limit)s"
    if isinstance(paging, Numbered):
        limit, params = "limit %(limit)s offset %(offset)s", params | {"offset": paging.offset}
    return Window(condition, order_by(paging.order, reverse=backward), limit, params)


def order_by(order: Order, *, reverse: bool = False) -> str:
    """The order's clause, or that of its reverse."""
    return _ORDERS[order.descending != reverse].format(key=KEYS[order.by])
