"""SQL of a page: where it begins, in which order, how much. One row more than asked for tells whether more follow."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from helpdesk.paging.order import Order, Sort
from helpdesk.paging.page import Numbered, Paging, Slice

_ORDERS: Final = {False: "order by {key}, id", True: "order by {key} desc, id desc"}
_COMPARISONS: Final = {(False, False): ">", (False, True): ">=", (True, False): "<", (True, True): "<="}
TIMES: Final[Mapping[Sort, str]] = {Sort.CREATED_AT: "created_at", Sort.UPDATED_AT: "updated_at"}
"""What a list is sorted by, as SQL; a list that can be sorted by more has keys of its own."""


@dataclass(frozen=True, slots=True)
class Window:
    """The parts of a query that make it a page; `condition` begins with `and`, or is empty."""

    condition: str
    order_by: str
    limit: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Total:
    """How many rows there are: `select count(*) as total`."""

    total: int


def window(paging: Paging, keys: Mapping[Sort, str] = TIMES) -> Window:
    """The page of `paging`; rows are read against the list's order when it looks backward."""
    key = keys[paging.order.by]
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
    return Window(condition, order_by(paging.order, keys, reverse=backward), limit, params)


def order_by(order: Order, keys: Mapping[Sort, str] = TIMES, *, reverse: bool = False) -> str:
    """The order's clause, or that of its reverse."""
    return _ORDERS[order.descending != reverse].format(key=keys[order.by])
