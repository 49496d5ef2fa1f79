"""What goes over HTTP with every list: how it is asked for, and its envelope."""

from typing import Annotated, Final, Generic, Literal, TypeAlias, TypeVar

from pydantic import BeforeValidator, Field

from helpdesk.http.wire import Answer, Body
from helpdesk.paging.page import DEFAULT_LIMIT

PAGING: Final = frozenset({"page", "limit", "cursor", "sortBy", "sortOrder"})
"""One of these in the query, and a list answers the envelope."""
T = TypeVar("T")


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


SortOrder: TypeAlias = Annotated[Literal["asc", "desc"] | None, BeforeValidator(_lower)]


class PageQuery(Body):
    """How a list is cut: by page, or by cursor when `cursor` is there (empty: from the start).

    A list's own query narrows `sort_by` to the words of `Sort` that it knows.
    """

    page: int = Field(1, ge=1, le=2**53 - 1, description="Page mode: which page, from 1; as deep as row 10,000.")
    limit: int = Field(DEFAULT_LIMIT, ge=1, le=100, description="Rows on a page.")
    cursor: str | None = Field(
        None, max_length=4096, description="Cursor mode: a `nextCursor` or `previousCursor`; empty: from the start."
    )
    sort_order: SortOrder = Field(None, description="Default asc in paged lists.")
    sort_by: str | None = None


class Meta(Answer):
    """Where a page stands. A cursor's page has no number and no totals: counting would cost more than reading."""

    limit: int
    has_next_page: bool
    has_previous_page: bool
    next_cursor: str | None
    previous_cursor: str | None
    page: int | None = None
    total: int | None = None
    total_pages: int | None = None


class Envelope(Answer, Generic[T]):
    """A page of a list."""

    data: list[T]
    meta: Meta
