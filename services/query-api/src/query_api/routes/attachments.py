"""Reading attachments (contract §8). The bytes come from the file store, by addresses that are signed here."""

from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from helpdesk.clock import utc_now
from helpdesk.http.access import Rate, access
from helpdesk.http.app import API, problems
from helpdesk.http.json import dumps
from helpdesk.http.problem import Problem
from helpdesk.http.shapes import AttachmentShape
from helpdesk.http.wire import Id
from helpdesk.paging.cursor import list_name
from helpdesk.paging.listing import Listing, enveloped
from helpdesk.paging.page import Bare
from helpdesk.storage import presign
from query_api.reading import Read, Reading, documented
from query_api.routes.access import demand
from query_api.views import attachments, tickets
from query_api.views.attachments import UNKNOWN_TYPE, AttachmentRow
from query_api.wire import AttachmentPage, AttachmentQuery, DownloadShape

router = APIRouter(prefix=f"{API}/tickets/{{ticketId}}/attachments", tags=["attachments"])
TicketId: TypeAlias = Annotated[Id, Path(alias="ticketId", description="The ticket's id.")]
AttachmentId: TypeAlias = Annotated[Id, Path(alias="id", description="The attachment's id.")]
_DECLARED = access("tickets:read", Rate.READS)
_SECRET = {"Cache-Control": "no-store"}


@router.get(
    "",
    summary="List a ticket's attachments",
    openapi_extra=_DECLARED,
    responses={**documented(list[AttachmentShape] | AttachmentPage), **problems(400, 401, 403, 404, 503)},
)
async def list_attachments(reading: Read, ticket_id: TicketId, query: Annotated[AttachmentQuery, Query()]) -> Response:
    """A bare array, newest first; with a paging parameter a page, oldest first."""
    listing = _listing(reading, ticket_id)
    paging = reading.paging(query, listing) if enveloped(reading.request) else Bare()
    head = tickets.head(reading.tenant_id, ticket_id)
    found, *rows = await reading.read(head, *listing.statements(paging))
    demand(found, reading.sight)
    return reading.listed(listing, paging, rows)


@router.get(
    "/{id}/download-url",
    summary="An address to download a file from",
    openapi_extra=_DECLARED,
    responses={**documented(DownloadShape, tagged=False), **problems(400, 401, 403, 404, 503)},
)
async def address(reading: Read, ticket_id: TicketId, attachment_id: AttachmentId) -> Response:
    """Valid for five minutes, without a token. The file is saved under its name, never shown by the browser."""
    download = DownloadShape(download_url=await _signed(reading, ticket_id, attachment_id))
    return Response(dumps(download), media_type="application/json", headers=_SECRET)


@router.get(
    "/{id}/file",
    summary="Follow to a file",
    status_code=302,
    response_class=Response,
    openapi_extra=_DECLARED,
    responses={
        302: {
            "model": DownloadShape,
            "description": "To a signed address, valid for five minutes",
            "headers": {"Location": {"schema": {"type": "string"}}},
        },
        **problems(400, 401, 403, 404, 503),
    },
)
async def follow(reading: Read, ticket_id: TicketId, attachment_id: AttachmentId) -> Response:
    """The `fileUrl` of an attachment: it lasts, and asks each time whether the caller sees the ticket. The signed
    address is good for the method that asked, GET or HEAD: the file store signs no two."""
    method: presign.ReadMethod = "HEAD" if reading.request.scope["original_method"] == "HEAD" else "GET"
    location = await _signed(reading, ticket_id, attachment_id, method)
    body = dumps(DownloadShape(download_url=location))
    return Response(body, 302, media_type="application/json", headers={"Location": location, **_SECRET})


async def _signed(reading: Reading, ticket_id: UUID, attachment_id: UUID, method: presign.ReadMethod = "GET") -> str:
    head = tickets.head(reading.tenant_id, ticket_id)
    found, files = await reading.read(head, attachments.one(reading.tenant_id, ticket_id, attachment_id))
    demand(found, reading.sight)
    if not files:
        raise Problem(404, "attachment_not_found", "The ticket has no such file.")
    row: AttachmentRow = files[0]
    mime_type = row.mime_type or UNKNOWN_TYPE
    signer = reading.sources.files.signer
    return signer.download(attachments.key(row), row.filename, mime_type, utc_now(), method)


def _listing(reading: Reading, ticket_id: UUID) -> Listing[AttachmentRow]:
    tenant_id, origin = reading.tenant_id, reading.sources.files.origin
    return Listing(
        name=list_name("attachments", tenant_id, reading.sight.own, ticket_id),
        page=lambda paging: attachments.page(tenant_id, ticket_id, paging),
        total=attachments.total(tenant_id, ticket_id),
        place_of=attachments.place_of,
        shape=lambda row: attachments.attachment(origin, row),
    )
