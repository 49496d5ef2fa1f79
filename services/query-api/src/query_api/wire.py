"""The shapes of this API's doors: what lists are asked for, and what they answer."""

from datetime import UTC, datetime
from typing import Annotated, Final, Literal, TypeAlias
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator
from pydantic_core import PydanticCustomError

from helpdesk.http.shapes import AttachmentShape, CommentShape, FullTenantShape, TicketShape, UserShape
from helpdesk.http.wire import SEVERAL, Answer, Body, Id, Instant, text
from helpdesk.paging.order import Sort
from helpdesk.paging.wire import Envelope, PageQuery
from helpdesk.policy import SCOPES
from query_api.domain import words
from query_api.domain.query.parse import parse
from query_api.domain.query.values import id_of
from query_api.domain.tickets import TicketFilter


def _blank_is_absent(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _statuses(text_: str) -> str:
    if None in map(words.status_filter, text_.split(",")):
        raise PydanticCustomError("unknown_word", "must be open, in_progress, resolved or closed")
    return text_


def _priorities(text_: str) -> str:
    if None in map(words.priority, text_.split(",")):
        raise PydanticCustomError("unknown_word", "must be low, medium, high or critical")
    return text_


def _assignee(value: object) -> str | UUID:
    word = value.strip().lower() if isinstance(value, str) else ""
    if word in ("me", "none"):
        return word
    found = id_of(word)
    if found is None:
        raise PydanticCustomError("malformed_id", "must be a UUID, `me` or `none`")
    return found


def _role(word: str) -> str:
    role = word.strip().upper().removeprefix("ROLE_")
    if role not in SCOPES:
        raise PydanticCustomError("unknown_word", "must be ADMIN, AGENT or USER")
    return role


def _instant(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise PydanticCustomError("malformed_time", "must be an ISO 8601 date or time") from error


LONGEST_QUERY: Final = 1_000
_BLANK: Final = BeforeValidator(_blank_is_absent)
_Statuses: TypeAlias = Annotated[str, text(0, 500), AfterValidator(_statuses)]
_Priorities: TypeAlias = Annotated[str, text(0, 500), AfterValidator(_priorities)]
_Assignee: TypeAlias = Annotated[str | UUID, PlainValidator(_assignee, json_schema_input_type=str)]
_QueryText: TypeAlias = Annotated[str, text(0, LONGEST_QUERY)]
_Role: TypeAlias = Annotated[str, AfterValidator(_role)]
_When: TypeAlias = Annotated[datetime, BeforeValidator(_instant)]
_Words: TypeAlias = Annotated[str, text(0, 500)]


_Q: Final = Field(
    None,
    description="Words and `field:value`, such as `printer status:open,pending -tag:vip created>-7d`.",
    examples=["printer status:open,pending -tag:vip created>-7d"],
)


class TicketFilterQuery(Body):
    """What tickets are narrowed to, wherever they are asked for: all of it must hold."""

    status: Annotated[_Statuses | None, _BLANK, SEVERAL] = Field(
        None,
        description="open, in_progress, resolved, closed; also cancelled, pending, on_hold. In any letter case; "
        "several with commas between, or by repeating the parameter.",
    )
    priority: Annotated[_Priorities | None, _BLANK, SEVERAL] = Field(
        None,
        description="low, medium, high, critical; also urgent. In any letter case; several with commas between, or by "
        "repeating the parameter.",
    )
    created_by_id: Annotated[Id | None, _BLANK] = Field(None, description="Who created it.")
    assigned_to: Annotated[_Assignee | None, _BLANK] = Field(
        None, description="Whom it is assigned to: an id, `me`, or `none`."
    )
    search: Annotated[_Words | None, _BLANK] = Field(
        None, description="Text that the title or the description contains, in any letter case."
    )
    created_after: Annotated[_When | None, _BLANK] = Field(None, description="Created then or later (ISO 8601).")
    created_before: Annotated[_When | None, _BLANK] = Field(None, description="Created then or earlier (ISO 8601).")
    q: Annotated[_QueryText | None, _BLANK] = _Q

    def filter(self, me: UUID, now: datetime) -> TicketFilter:
        """What the list is narrowed to. Raises BadQuery."""
        statuses = map(words.status_filter, self.status.split(",") if self.status else ())
        priorities = map(words.priority, self.priority.split(",") if self.priority else ())
        return TicketFilter(
            statuses=tuple(one for one in statuses if one),
            priorities=tuple(one for one in priorities if one),
            created_by_id=self.created_by_id,
            assignees=_assignees(self.assigned_to, me),
            search=self.search,
            created_after=self.created_after,
            created_before=self.created_before,
            query=None if self.q is None else parse(self.q, me=me, now=now),
        )


def _assignees(wanted: str | UUID | None, me: UUID) -> tuple[UUID | None, ...]:
    match wanted:
        case None:
            return ()
        case "none":
            return (None,)
        case UUID():
            return (wanted,)
        case _:
            return (me,)


class TicketQuery(TicketFilterQuery, PageQuery):
    """What a list of tickets is asked for."""

    sort_by: Sort | None = Field(
        None, description="Default createdAt. Status and priority sort in their natural order."
    )


class StatsQuery(Body):
    """Which tickets are counted."""

    q: Annotated[_QueryText | None, _BLANK] = _Q

    def filter(self, me: UUID, now: datetime) -> TicketFilter:
        """What the counts are narrowed to. Raises BadQuery."""
        return TicketFilter(query=None if self.q is None else parse(self.q, me=me, now=now))


class ExportQuery(TicketFilterQuery):
    """What is exported, and as what."""

    format: str = Field("csv", description="csv, and nothing else yet.")


class CommentQuery(PageQuery):
    """What a list of comments is asked for."""

    sort_by: Literal["createdAt", "updatedAt"] | None = Field(None, description="Default createdAt.")


class FlatCommentQuery(CommentQuery):
    """The comments of the ticket that the query names."""

    ticket_id: Id


class AttachmentQuery(PageQuery):
    """What a list of attachments is asked for."""

    sort_by: Literal["createdAt"] | None = Field(None, description="Default createdAt.")


class UserQuery(PageQuery):
    """What a list of people is asked for."""

    sort_by: Literal["createdAt", "updatedAt"] | None = Field(None, description="Default createdAt.")
    role: Annotated[_Role | None, _BLANK] = Field(None, description="ADMIN, AGENT or USER. In any letter case.")
    search: Annotated[_Words | None, _BLANK] = Field(
        None, description="Text that the name or the address contains, in any letter case."
    )
    tenant_id: Annotated[Id | None, _BLANK] = Field(
        None, description="For the platform's operator: whose people. Others may name their own tenant."
    )


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


class AttachmentPage(Envelope[AttachmentShape]):
    """A page of attachments."""


class DownloadShape(Answer):
    """An address to download a file from, valid for five minutes, for whoever holds it."""

    download_url: str


class UserPage(Envelope[UserShape]):
    """A page of people."""


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
