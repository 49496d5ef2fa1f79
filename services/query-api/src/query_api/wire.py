"""The shapes of this API's doors: what lists are asked for, and what they answer."""

from datetime import UTC, datetime
from typing import Annotated, Final, Literal, TypeAlias
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from helpdesk.http.shapes import CommentShape, FullTenantShape, TicketShape
from helpdesk.http.wire import Answer, Id, Instant, text
from helpdesk.paging.order import Sort
from helpdesk.paging.wire import Envelope, PageQuery
from query_api.domain import words
from query_api.domain.tickets import TicketFilter


def _blank_is_absent(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _status(word: str) -> str:
    if words.status_filter(word) is None:
        raise PydanticCustomError("unknown_word", "must be open, in_progress, resolved or closed")
    return word


def _priority(word: str) -> str:
    if words.priority(word) is None:
        raise PydanticCustomError("unknown_word", "must be low, medium, high or critical")
    return word


def _instant(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise PydanticCustomError("malformed_time", "must be an ISO 8601 date or time") from error


_BLANK: Final = BeforeValidator(_blank_is_absent)
_Status: TypeAlias = Annotated[str, AfterValidator(_status)]
_Priority: TypeAlias = Annotated[str, AfterValidator(_priority)]
_When: TypeAlias = Annotated[datetime, BeforeValidator(_instant)]
_Words: TypeAlias = Annotated[str, text(0, 500)]


class TicketQuery(PageQuery):
    """What a list of tickets is asked for."""

    sort_by: Sort | None = Field(
        None, description="Default createdAt. Status and priority sort in their natural order."
    )
    status: Annotated[_Status | None, _BLANK] = Field(
        None, description="open, in_progress, resolved, closed; also cancelled, pending, on_hold. In any letter case."
    )
    priority: Annotated[_Priority | None, _BLANK] = Field(
        None, description="low, medium, high, critical; also urgent. In any letter case."
    )
    created_by_id: Annotated[Id | None, _BLANK] = Field(None, description="Who created it.")
    assigned_to: Annotated[Id | None, _BLANK] = Field(None, description="Whom it is assigned to.")
    search: Annotated[_Words | None, _BLANK] = Field(
        None, description="Text that the title or the description contains, in any letter case."
    )
    created_after: Annotated[_When | None, _BLANK] = Field(None, description="Created then or later (ISO 8601).")
    created_before: Annotated[_When | None, _BLANK] = Field(None, description="Created then or earlier (ISO 8601).")

    def filter(self) -> TicketFilter:
        """What the list is narrowed to."""
        status = None if self.status is None else words.status_filter(self.status)
        return TicketFilter(
            status=status or words.ANY_STATUS,
            priority=None if self.priority is None else words.priority(self.priority),
            created_by_id=self.created_by_id,
            assignee_id=self.assigned_to,
            search=self.search,
            created_after=self.created_after,
            created_before=self.created_before,
        )


class CommentQuery(PageQuery):
    """What a list of comments is asked for."""

    sort_by: Literal["createdAt", "updatedAt"] | None = Field(None, description="Default createdAt.")


class FlatCommentQuery(CommentQuery):
    """The comments of the ticket that the query names."""

    ticket_id: Id


class CommentPreview(Answer):
    """A comment in a list of tickets."""

    id: UUID
    content: str
    created_at: Instant


class ListedTicket(TicketShape):
    """A ticket in a list, with its newest comments in short."""

    comments: list[CommentPreview]


class TicketPage(Envelope[ListedTicket]):
    """A page of tickets."""


class CommentPage(Envelope[CommentShape]):
    """A page of comments."""


class TenantQuery(PageQuery):
    """What a list of tenants is asked for."""

    sort_by: Literal["createdAt", "updatedAt"] | None = Field(None, description="Default createdAt.")


class TenantCounts(Answer):
    """What a tenant has."""

    users: int = Field(description="accounts, those that are switched off too")
    tickets: int = Field(description="those that are not deleted")


class TenantDetailCounts(TenantCounts):
    """What a tenant has, with its webhook endpoints."""

    webhooks: int


class ListedTenant(FullTenantShape):
    """A tenant in a list."""

    count_: TenantCounts = Field(alias="_count")


class TenantDetail(FullTenantShape):
    """A tenant alone."""

    count_: TenantDetailCounts = Field(alias="_count")


class TenantPage(Envelope[ListedTenant]):
    """A page of tenants."""


class Stats(Answer):
    """How many tickets are in sight; every word is there, zero included."""

    total: int
    by_status: dict[str, int]
    by_priority: dict[str, int]


class Health(Answer):
    """The service answers."""

    status: Literal["ok"]
    timestamp: Instant


class Welcome(Answer):
    """Where things are."""

    message: str
    version: str
    endpoints: dict[str, str]
