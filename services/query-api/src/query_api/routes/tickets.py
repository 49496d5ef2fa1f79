"""Reading tickets (contract §5, §6)."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from helpdesk.http.app import API, problems
from helpdesk.http.shapes import TicketDetailShape
from helpdesk.http.wire import Id
from helpdesk.paging.cursor import list_name
from helpdesk.paging.listing import Listing, enveloped
from helpdesk.paging.order import NEWEST_FIRST
from helpdesk.paging.page import Bare
from query_api.domain.tickets import TicketFilter
from query_api.reading import Read, Reading, documented
from query_api.routes.access import demand
from query_api.views import activities, attachments, comments, stats, tickets
from query_api.views.tickets import TicketRow
from query_api.wire import ListedTicket, Stats, TicketPage, TicketQuery

router = APIRouter(prefix=f"{API}/tickets", tags=["tickets"])
TicketId = Annotated[Id, Path(description="The ticket's id.")]


@router.get(
    "",
    summary="List tickets",
    responses={**documented(list[ListedTicket] | TicketPage), **problems(400, 401, 503)},
)
async def list_tickets(reading: Read, query: Annotated[TicketQuery, Query()]) -> Response:
    """A bare array, newest first; with a paging parameter a page. A USER sees their own."""
    listing = _listing(reading, query.filter())
    paging = reading.paging(query, listing) if enveloped(reading.request) else Bare()
    return reading.listed(listing, paging, await reading.read(*listing.statements(paging)))


@router.get("/stats", summary="Count tickets", responses={**documented(Stats), **problems(400, 401, 503)})
async def count_tickets(reading: Read) -> Response:
    """The tickets that the caller may see, by status and by priority; every word is there, zero included."""
    (rows,) = await reading.read(stats.of_tickets(reading.tenant_id, reading.sight))
    return reading.answer(stats.counted(rows))


@router.get(
    "/{id}",
    summary="Read a ticket",
    responses={
        **documented(TicketDetailShape, tagged=True),
        **problems(400, 401, 403, 404, 503),
    },
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


def _listing(reading: Reading, filter_: TicketFilter) -> Listing[TicketRow]:
    tenant_id, sight = reading.tenant_id, reading.sight
    return Listing(
        name=list_name("tickets", tenant_id, sight.own, sight.internal, filter_.name()),
        page=lambda paging: tickets.page(tenant_id, sight, filter_, paging),
        total=tickets.total(tenant_id, sight, filter_),
        place_of=tickets.place_of,
        shape=tickets.listed,
    )
