"""Attachments: an address to upload to, what was uploaded, removal (contract §8)."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request
from starlette.responses import Response

from command_api.domain.files.names import clean
from command_api.domain.rejected import Rejected
from command_api.domain.ticket.commands import AddAttachment, BeginUpload, RemoveAttachment
from command_api.domain.ticket.state import Attachment, Ticket
from command_api.execute import Commands, Outcome, new_command
from command_api.files import Files
from command_api.routes.shared import IfMatch, Shell, actor, carry_out, emptied, problems_of, shaped
from command_api.store_files import Declared, Watched
from command_api.wire import AttachmentBody, UploadBody, UploadShape
from helpdesk.auth.http import Caller
from helpdesk.auth.tokens import Principal
from helpdesk.eventstore.idempotency import Answer
from helpdesk.http import shapes
from helpdesk.http.access import Rate, access
from helpdesk.http.app import API, problems
from helpdesk.http.etag import expected_version
from helpdesk.http.json import dumps
from helpdesk.http.problem import unavailable
from helpdesk.http.wire import Id
from helpdesk.storage.objects import StoreUnavailable

router = APIRouter(prefix=f"{API}/tickets/{{ticketId}}/attachments", tags=["attachments"])
TicketId: TypeAlias = Annotated[Id, Path(alias="ticketId")]
AttachmentId: TypeAlias = Annotated[Id, Path(alias="id")]
log = logging.getLogger(__name__)
_DECLARED = access("tickets:write", Rate.WRITES)


async def _files(request: Request) -> Files:
    files: Files = request.app.state.files
    return files


Storage: TypeAlias = Annotated[Files, Depends(_files)]


@router.post("/upload-url", summary="Begin an upload", response_model=UploadShape, openapi_extra=_DECLARED,
             responses=problems(400, 401, 403, 404, 413, 503))  # fmt: skip
async def begin(
    request: Request, caller: Caller, shell: Shell, files: Storage, ticket_id: TicketId, body: UploadBody
) -> Response:
    """PUT the bytes to `uploadUrl` within an hour, with that Content-Type and without a token; then complete it. Asked
    again under its key, it answers the same address."""
    await _admitted(request, caller, shell, ticket_id)
    files.demand_admitted(clean(body.filename), body.mime_type, body.file_size)
    declared = Declared(body.mime_type, body.file_size, body.sha256)
    begun = await files.begin(caller.tenant_id, ticket_id, caller.user_id, declared)
    shape = UploadShape(upload_url=begun.upload_url, key=begun.key, file_url=begun.file_url)
    return Response(dumps(shape), media_type="application/json", headers={"Cache-Control": "private"})


@router.post("", status_code=201, summary="Complete an upload", response_model=shapes.AttachmentShape,
             openapi_extra=_DECLARED, responses=problems(400, 401, 403, 404, 409, 412, 413, 503))  # fmt: skip
async def complete(
    request: Request,
    caller: Caller,
    shell: Shell,
    files: Storage,
    ticket_id: TicketId,
    body: AttachmentBody,
    if_match: IfMatch = None,
) -> Response:
    """The stored bytes are looked at: their size, their type, a declared digest. Completing twice is once."""
    expected = expected_version(if_match)
    before = await _admitted(request, caller, shell, ticket_id)
    filename = clean(body.filename)
    attachment_id = files.attachment_of(ticket_id, body.file_url)
    command = _standing(before.ticket.attachments.get(attachment_id), caller)
    if command is None:
        files.demand_admitted(filename, body.mime_type, body.file_size)
        file = Watched(caller.tenant_id, attachment_id, ticket_id)
        async with _stored():
            stored = await files.keep(file, caller.user_id, filename, body.mime_type, body.file_size)
        command = partial(
            AddAttachment,
            attachment_id=attachment_id,
            object_id=stored.object_id,
            filename=filename,
            file_size=stored.size,
            mime_type=body.mime_type,
            sha256=stored.sha256,
            by=actor(caller),
        )

    async def shape(outcome: Outcome) -> Answer:
        return shaped(caller.tenant_id, outcome, _shape(files, ticket_id, outcome.ticket, attachment_id), 201)

    return await carry_out(request, caller, shell, ticket_id, lambda at: command(at=at), shape, expected)


@router.delete("/{id}", status_code=204, summary="Remove a file", response_class=Response, openapi_extra=_DECLARED,
               responses=problems(400, 401, 403, 404, 409, 412, 503))  # fmt: skip
async def remove(
    request: Request,
    caller: Caller,
    shell: Shell,
    files: Storage,
    ticket_id: TicketId,
    attachment_id: AttachmentId,
    if_match: IfMatch = None,
) -> Response:
    """Whoever may change the ticket removes its files. The stored bytes are deleted an hour later."""
    expected = expected_version(if_match)
    before = await _admitted(request, caller, shell, ticket_id)
    async with problems_of():
        if attachment_id not in before.ticket.attachments:
            raise Rejected("attachment_not_found", "The ticket has no such file.")
        await files.doubt(Watched(caller.tenant_id, attachment_id, ticket_id))

    return await carry_out(
        request,
        caller,
        shell,
        ticket_id,
        lambda at: RemoveAttachment(attachment_id=attachment_id, by=actor(caller), at=at),
        emptied(caller.tenant_id),
        expected,
    )


async def _admitted(request: Request, caller: Principal, shell: Commands, ticket_id: UUID) -> Outcome:
    """The ticket, to which the caller may attach. Raises the contract's 403 and 404 before anything else is asked."""
    why = new_command(caller.tenant_id, caller.user_id, request.scope.get("request_id"), waits=False)
    async with problems_of():
        return await shell.ticket(why, ticket_id, lambda at: BeginUpload(by=actor(caller), at=at))


@asynccontextmanager
async def _stored() -> AsyncIterator[None]:
    try:
        yield
    except StoreUnavailable as error:
        log.warning("a file cannot be looked at", extra={"error": str(error)})
        raise unavailable() from error


def _standing(attachment: Attachment | None, caller: Principal) -> Callable[..., AddAttachment] | None:
    """The command that made a file which the ticket has already: said again, it changes nothing."""
    if attachment is None:
        return None
    return partial(
        AddAttachment,
        attachment_id=attachment.id,
        object_id=attachment.object_id,
        filename=attachment.filename,
        file_size=attachment.file_size,
        mime_type=attachment.mime_type,
        sha256="",
        by=actor(caller),
    )


def _shape(files: Files, ticket_id: UUID, ticket: Ticket, attachment_id: UUID) -> shapes.AttachmentShape:
    one = ticket.attachments[attachment_id]
    return shapes.AttachmentShape(
        id=one.id,
        filename=one.filename,
        file_url=files.address(ticket_id, one.id),
        file_size=one.file_size,
        mime_type=one.mime_type,
        ticket_id=ticket_id,
        created_at=one.created_at,
    )
