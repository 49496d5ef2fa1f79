"""Reading tickets (contract §5, §6)."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from helpdesk.clock import utc_now
from helpdesk.http.access import Rate, access
from helpdesk.http.app import API, problems
from helpdesk.http.problem import FieldProblem, Problem, invalid
from helpdesk.http.shapes import TicketDetailShape
from helpdesk.http.wire import Id, utf16_length
from helpdesk.paging.cursor import list_name
from helpdesk.paging.listing import Listing, enveloped
from helpdesk.paging.order import NEWEST_FIRST
from helpdesk.paging.page import Bare
from query_api.domain.csv import csv_file
from query_api.domain.query.bad import BadQuery
from query_api.domain.tickets import TicketFilter
from query_api.reading import Read, Reading, documented
from query_api.routes.access import demand
from query_api.views import activities, attachments, comments, export, stats, tickets
from query_api.views.tickets import TicketRow
from query_api.wire import ExportQuery, ListedTicket, Stats, StatsQuery, TicketFilterQuery, TicketPage, TicketQuery

router = APIRouter(prefix=f"{API}/tickets", tags=["tickets"])
TicketId = Annotated[Id, Path(description="The ticket's id.")]


@router.get(
    "",
    summary="List tickets",
    responses={**documented(list[ListedTicket] | TicketPage), **problems(400, 401, 503)},
    openapi_extra=access("tickets:read", Rate.READS, searched_by=("q", "search")),
)
async def list_tickets(reading: Read, query: Annotated[TicketQuery, Query()]) -> Response:
    """A bare array, newest first; with a paging parameter a page. A USER sees their own."""
    listing = _listing(reading, filter_of(reading, query))
    paging = reading.paging(query, listing) if enveloped(reading.request) else Bare()
    return reading.listed(listing, paging, await reading.read(*listing.statements(paging)))


@router.get(
    "/stats",
    summary="Count tickets",
    responses={**documented(Stats), **problems(400, 401, 503)},
    openapi_extra=access("tickets:read", Rate.READS, searched_by=("q",)),
)
async def count_tickets(reading: Read, query: Annotated[StatsQuery, Query()]) -> Response:
    """The tickets that the caller may see, by status and by priority; every word is there, zero included."""
    (rows,) = await reading.read(stats.of_tickets(reading.tenant_id, reading.sight, filter_of(reading, query)))
    return reading.answer(stats.counted(rows))


@router.get(
    "/export",
    summary="Export tickets",
    response_class=Response,
    responses={200: {"content": {export.MEDIA_TYPE: {"schema": {"type": "string"}}}}, **problems(400, 401, 503)},
    openapi_extra=access("tickets:read", Rate.EXPORTS),
)
async def export_tickets(reading: Read, query: Annotated[ExportQuery, Query()]) -> Response:
    """A CSV file (RFC 4180, UTF-8) of at most 1,000 tickets, oldest first; more of them need a narrower filter."""
    if query.format.strip().lower() != "csv":
        raise invalid("format", "must be csv", "unknown_word")
    filter_ = filter_of(reading, query)
    (rows,) = await reading.read(export.tickets(reading.tenant_id, reading.sight, filter_))
    if len(rows) > export.MOST:
        message = f"An export holds at most {export.MOST:,} tickets: narrow it with filters, such as createdAfter."
        raise Problem(400, "export_too_large", message)
    return reading.file(csv_file(export.HEADINGS, map(export.cells, rows)), export.MEDIA_TYPE, "tickets.csv")


@router.get("/bulk-update", include_in_schema=False, openapi_extra=access("tickets:read", Rate.READS))
async def bulk_update(reading: Read) -> Response:
    """Another service's, and for POST alone; a static path is no ticket's id (contract §6)."""
    raise Problem(405, "method_not_allowed", "Only POST is allowed here.", headers={"Allow": "OPTIONS, POST"})


@router.get(
    "/{id}",
    summary="Read a ticket",
    responses={
        **documented(TicketDetailShape),
        **problems(400, 401, 403, 404, 503),
    },
    openapi_extra=access("tickets:read", Rate.READS),
)
async def read_ticket(reading: Read, id: TicketId) -> Response:  # noqa: A002 - the contract's name
    """With its comments, attachments and activities, each newest first."""
    tenant_id, sight = reading.tenant_id, reading.sight
    found, comment_rows, attachment_rows, activity_rows = await reading.read(
        tickets.one(tenant_id, id),
        comments.page(tenant_id, sight, id, Bare(NEWEST_FIRST)),
        attachments.page(tenant_id, id, Bare(NEWEST_FIRST)),
        activities.newest(tenant_id, sight, id),
    )
    row = demand(found, sight)
    body = {
        **tickets.ticket(row),
        "comments": [comments.comment(one) for one in comment_rows[: Bare().limit]],
        "attachments": [
            attachments.attachment(reading.sources.files.origin, one) for one in attachment_rows[: Bare().limit]
        ],
        "activities": [activities.activity(one) for one in activity_rows],
    }
    return reading.answer(body, version=row.version)


def filter_of(reading: Reading, query: TicketFilterQuery | StatsQuery) -> TicketFilter:
    """What the caller asks for. Raises a 400 for a query that is none; positions count UTF-16 units, from 0."""
    try:
        return query.filter(reading.user_id, utc_now())
    except BadQuery as error:
        position = utf16_length((query.q or "")[: error.position])
        raise Problem(
            400,
            "validation_failed",
            f"q: {error.message}",
            fields=[FieldProblem(field="q", message=f"{error.message} (at {position})", code=error.code)],
            extra={"position": position, "suggestion": error.suggestion},
        ) from error


def _listing(reading: Reading, filter_: TicketFilter) -> Listing[TicketRow]:
    tenant_id, sight = reading.tenant_id, reading.sight
    return Listing(
        name=list_name("tickets", tenant_id, sight.own, sight.internal, filter_.name()),
        page=lambda paging: tickets.page(tenant_id, sight, filter_, paging),
        total=tickets.total(tenant_id, sight, filter_),
        place_of=tickets.place_of,
        shape=tickets.listed,
    )
