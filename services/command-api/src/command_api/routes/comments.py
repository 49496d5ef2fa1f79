"""Comments, on both of their routes: under the ticket and flat (contract §7)."""

from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from command_api import store
from command_api.domain.tenant_settings import reopen_window
from command_api.domain.ticket.commands import AddComment, DeleteComment, EditComment
from command_api.execute import Outcome, Shape
from command_api.routes.shared import IfMatch, Shell, actor, carry_out, emptied, shaped
from command_api.wire import CommentBody, EditCommentBody, FlatCommentBody
from helpdesk.auth.http import Caller
from helpdesk.auth.tokens import Principal
from helpdesk.eventstore.idempotency import Answer
from helpdesk.http import shapes
from helpdesk.http.access import Rate, access
from helpdesk.http.app import API, problems
from helpdesk.http.etag import expected_version
from helpdesk.http.problem import Problem
from helpdesk.http.wire import Id
from helpdesk.ids import new_id

router = APIRouter(prefix=API, tags=["comments"])
TicketId: TypeAlias = Annotated[Id, Path(alias="ticketId")]
CommentId: TypeAlias = Annotated[Id, Path(alias="id")]
_WRITE = access("tickets:write", Rate.WRITES)
_ADD = problems(400, 401, 403, 404, 409, 412, 413, 503)
_EDIT = problems(400, 401, 404, 409, 412, 413, 503)


@router.post("/tickets/{ticketId}/comments", status_code=201, summary="Comment on a ticket", responses=_ADD,
             response_model=shapes.CommentShape, openapi_extra=_WRITE)  # fmt: skip
async def add_nested(
    request: Request,
    caller: Caller,
    shell: Shell,
    ticket_id: TicketId,
    body: CommentBody,
    if_match: IfMatch = None,
) -> Response:
    """Public by default; internal notes are for agents and admins."""
    return await _add(request, caller, shell, ticket_id, body, if_match)


@router.post("/comments", status_code=201, summary="Comment on a ticket", responses=_ADD,
             response_model=shapes.CommentShape, openapi_extra=_WRITE)  # fmt: skip
async def add_flat(
    request: Request, caller: Caller, shell: Shell, body: FlatCommentBody, if_match: IfMatch = None
) -> Response:
    """The same, with the ticket in the body."""
    return await _add(request, caller, shell, body.ticket_id, body, if_match)


@router.put("/tickets/{ticketId}/comments/{id}", summary="Edit a comment", responses=_EDIT,
            response_model=shapes.CommentShape, operation_id="replace_ticket_comment",
            openapi_extra=_WRITE)  # fmt: skip
@router.patch("/tickets/{ticketId}/comments/{id}", summary="Edit a comment", responses=_EDIT,
              response_model=shapes.CommentShape, operation_id="edit_ticket_comment",
              openapi_extra=_WRITE)  # fmt: skip
async def edit_nested(
    request: Request,
    caller: Caller,
    shell: Shell,
    ticket_id: TicketId,
    comment_id: CommentId,
    body: EditCommentBody,
    if_match: IfMatch = None,
) -> Response:
    """Only its author edits a comment; to others it is unknown."""
    return await _edit(request, caller, shell, ticket_id, comment_id, body, if_match)


@router.put("/comments/{id}", summary="Edit a comment", responses=_EDIT,
            response_model=shapes.CommentShape, operation_id="replace_comment",
            openapi_extra=_WRITE)  # fmt: skip
@router.patch("/comments/{id}", summary="Edit a comment", responses=_EDIT,
              response_model=shapes.CommentShape, operation_id="edit_comment",
              openapi_extra=_WRITE)  # fmt: skip
async def edit_flat(
    request: Request,
    caller: Caller,
    shell: Shell,
    comment_id: CommentId,
    body: EditCommentBody,
    if_match: IfMatch = None,
) -> Response:
    """The same, without naming the ticket."""
    return await _edit(request, caller, shell, await _ticket_of(shell, caller, comment_id), comment_id, body, if_match)


@router.delete("/tickets/{ticketId}/comments/{id}", status_code=204, summary="Delete a comment", responses=_EDIT,
               response_class=Response, openapi_extra=_WRITE)  # fmt: skip
async def delete_nested(
    request: Request,
    caller: Caller,
    shell: Shell,
    ticket_id: TicketId,
    comment_id: CommentId,
    if_match: IfMatch = None,
) -> Response:
    """Only its author deletes a comment."""
    return await _delete(request, caller, shell, ticket_id, comment_id, if_match)


@router.delete("/comments/{id}", status_code=204, summary="Delete a comment", responses=_EDIT,
               response_class=Response, openapi_extra=_WRITE)  # fmt: skip
async def delete_flat(
    request: Request, caller: Caller, shell: Shell, comment_id: CommentId, if_match: IfMatch = None
) -> Response:
    """The same, without naming the ticket."""
    return await _delete(request, caller, shell, await _ticket_of(shell, caller, comment_id), comment_id, if_match)


async def _add(
    request: Request, caller: Principal, shell: Shell, ticket_id: UUID, body: CommentBody, if_match: str | None
) -> Response:
    comment_id, expected = new_id(), expected_version(if_match)
    tenant = await shell.directory.tenant(caller.tenant_id)
    window = reopen_window(tenant.settings if tenant else {})
    return await carry_out(
        request,
        caller,
        shell,
        ticket_id,
        lambda at: AddComment(
            comment_id=comment_id,
            content=body.content,
            is_internal=body.is_internal,
            by=actor(caller),
            at=at,
            reopen_window=window,
        ),
        _showing(shell, caller, comment_id, 201),
        expected,
    )


async def _edit(
    request: Request,
    caller: Principal,
    shell: Shell,
    ticket_id: UUID,
    comment_id: UUID,
    body: EditCommentBody,
    if_match: str | None,
) -> Response:
    return await carry_out(
        request,
        caller,
        shell,
        ticket_id,
        lambda at: EditComment(comment_id=comment_id, content=body.wanted, by=actor(caller), at=at),
        _showing(shell, caller, comment_id, 200),
        expected_version(if_match),
    )


async def _delete(
    request: Request, caller: Principal, shell: Shell, ticket_id: UUID, comment_id: UUID, if_match: str | None
) -> Response:
    return await carry_out(
        request,
        caller,
        shell,
        ticket_id,
        lambda at: DeleteComment(comment_id=comment_id, by=actor(caller), at=at),
        emptied(caller.tenant_id),
        expected_version(if_match),
    )


async def _ticket_of(shell: Shell, caller: Principal, comment_id: UUID) -> UUID:
    found = await store.ticket_of_comment(shell.pool, caller.tenant_id, comment_id)
    if found is None:
        raise Problem(404, "comment_not_found", "There is no such comment of yours.")
    return found


def _showing(shell: Shell, caller: Principal, comment_id: UUID, status: int) -> Shape:
    async def shape(outcome: Outcome) -> Answer:
        comment = outcome.ticket.comments[comment_id]
        author = (await shell.directory.people(caller.tenant_id, [comment.author_id]))[comment.author_id]
        body = shapes.comment(
            id_=comment.id,
            ticket_id=outcome.ticket_id,
            content=comment.content,
            is_internal=comment.is_internal,
            created_at=comment.created_at,
            updated_at=comment.updated_at,
            author=shapes.person(author.id, author.email, author.name),
        )
        return shaped(caller.tenant_id, outcome, body, status)

    return shape
