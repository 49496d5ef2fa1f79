"""Reading comments (contract §7)."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from helpdesk.http.access import Rate, access
from helpdesk.http.app import API, problems
from helpdesk.http.shapes import CommentShape
from helpdesk.http.wire import Id
from helpdesk.paging.cursor import list_name
from helpdesk.paging.listing import Listing, enveloped
from helpdesk.paging.page import Bare, Paging
from query_api.reading import Read, Reading, documented
from query_api.routes.access import demand
from query_api.views import comments, tickets
from query_api.views.comments import CommentRow
from query_api.wire import CommentPage, CommentQuery, FlatCommentQuery

router = APIRouter(prefix=API, tags=["comments"])


@router.get(
    "/tickets/{ticketId}/comments",
    summary="List a ticket's comments",
    responses={**documented(list[CommentShape] | CommentPage), **problems(400, 401, 403, 404, 503)},
    openapi_extra=access("tickets:read", Rate.READS),
)
async def list_comments_of_ticket(
    reading: Read,
    ticket_id: Annotated[Id, Path(alias="ticketId", description="The ticket's id.")],
    query: Annotated[CommentQuery, Query()],
) -> Response:
    """A bare array, newest first; with a paging parameter (or `ticketId`) a page, oldest first."""
    listing = _listing(reading, ticket_id)
    paging = reading.paging(query, listing) if enveloped(reading.request, "ticketId") else Bare()
    return await _answer(reading, ticket_id, listing, paging)


@router.get(
    "/comments",
    summary="List comments",
    responses={**documented(CommentPage), **problems(400, 401, 403, 404, 503)},
    openapi_extra=access("tickets:read", Rate.READS),
)
async def list_comments(reading: Read, query: Annotated[FlatCommentQuery, Query()]) -> Response:
    """Those of one ticket: always a page, oldest first."""
    listing = _listing(reading, query.ticket_id)
    return await _answer(reading, query.ticket_id, listing, reading.paging(query, listing))


async def _answer(reading: Reading, ticket_id: UUID, listing: Listing[CommentRow], paging: Paging) -> Response:
    head = tickets.head(reading.tenant_id, ticket_id)
    found, *rows = await reading.read(head, *listing.statements(paging))
    demand(found, reading.sight)
    return reading.listed(listing, paging, rows)


def _listing(reading: Reading, ticket_id: UUID) -> Listing[CommentRow]:
    tenant_id, sight = reading.tenant_id, reading.sight
    return Listing(
        name=list_name("comments", tenant_id, sight.own, sight.internal, ticket_id),
        page=lambda paging: comments.page(tenant_id, sight, ticket_id, paging),
        total=comments.total(tenant_id, sight, ticket_id),
        place_of=comments.place_of,
        shape=comments.comment,
    )
