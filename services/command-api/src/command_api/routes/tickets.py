"""Tickets: create, edit, delete (contract §6)."""

from typing import Annotated, Any, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from command_api.domain.ticket.commands import CreateTicket, DeleteTicket
from command_api.domain.ticket.state import Ticket
from command_api.execute import CommandAt, NumberTaken, Outcome
from command_api.routes.shared import IfMatch, Shell, actor, carry_out, emptied, shaped
from command_api.wire import CreateTicketBody, EditTicketBody
from helpdesk.auth.http import Caller, unknown_user
from helpdesk.auth.tokens import Principal
from helpdesk.eventstore.idempotency import Answer
from helpdesk.http import shapes
from helpdesk.http.access import Rate, access
from helpdesk.http.app import API, problems
from helpdesk.http.described import header
from helpdesk.http.etag import expected_version
from helpdesk.http.problem import invalid
from helpdesk.http.wire import Id
from helpdesk.ids import new_id

TicketId: TypeAlias = Annotated[Id, Path(alias="id")]
router = APIRouter(prefix=f"{API}/tickets", tags=["tickets"])
_WRITE = access("tickets:write", Rate.WRITES)


@router.post(
    "",
    status_code=201,
    summary="Create a ticket",
    response_model=shapes.CreatedTicketShape,
    responses={201: {"headers": header("Location")}, **problems(400, 401, 413, 503)},
    openapi_extra=_WRITE,
)
async def create(request: Request, caller: Caller, shell: Shell, body: CreateTicketBody) -> Response:
    """Any role creates; an assignee must be of the same tenant."""
    await _demand_creator(shell, caller)
    await demand_assignee(shell, caller.tenant_id, body.assigned_to_id)
    ticket_id = new_id()

    async def shape(outcome: Outcome) -> Answer:
        tenant = await shell.directory.tenant(caller.tenant_id)
        shape = await _shape(shell, caller.tenant_id, outcome)
        shape["tenant"] = {"id": caller.tenant_id, "name": tenant.name if tenant else ""}
        return shaped(caller.tenant_id, outcome, shape, 201, location=f"{API}/tickets/{ticket_id}")

    while True:
        number = await shell.numbers.take(caller.tenant_id)
        try:
            return await carry_out(
                request, caller, shell, ticket_id, _creation(body, caller, number), shape, is_new=True
            )
        except NumberTaken:
            continue


@router.put(
    "/{id}",
    summary="Change a ticket",
    response_model=shapes.TicketShape,
    responses=problems(400, 401, 403, 404, 409, 412, 413, 503),
    operation_id="replace_ticket",
    openapi_extra=_WRITE,
)
@router.patch(
    "/{id}",
    summary="Change a ticket",
    response_model=shapes.TicketShape,
    responses=problems(400, 401, 403, 404, 409, 412, 413, 503),
    operation_id="edit_ticket",
    openapi_extra=_WRITE,
)
async def edit(
    request: Request,
    caller: Caller,
    shell: Shell,
    ticket_id: TicketId,
    body: EditTicketBody,
    if_match: IfMatch = None,
) -> Response:
    """Both partial: any of the fields, all of them or none. What is as it was makes no event and no new version."""
    if "assigned_to_id" in body.model_fields_set:
        await demand_assignee(shell, caller.tenant_id, body.assigned_to_id)

    async def shape(outcome: Outcome) -> Answer:
        return shaped(caller.tenant_id, outcome, await _shape(shell, caller.tenant_id, outcome))

    return await carry_out(
        request,
        caller,
        shell,
        ticket_id,
        lambda at: body.command(actor(caller), at),
        shape,
        expected_version(if_match),
    )


@router.delete(
    "/{id}",
    status_code=204,
    summary="Delete a ticket",
    response_class=Response,
    responses=problems(400, 401, 403, 404, 412, 503),
    openapi_extra=access("tickets:delete", Rate.WRITES),
)
async def delete(
    request: Request, caller: Caller, shell: Shell, ticket_id: TicketId, if_match: IfMatch = None
) -> Response:
    """Admins only. The history stays; nobody sees the ticket any more."""

    return await carry_out(
        request,
        caller,
        shell,
        ticket_id,
        lambda at: DeleteTicket(by=actor(caller), at=at),
        emptied(caller.tenant_id),
        expected_version(if_match),
    )


def _creation(body: CreateTicketBody, caller: Principal, number: int) -> CommandAt:
    return lambda at: CreateTicket(
        number=number,
        title=body.title,
        description=body.description,
        priority=body.priority or "medium",
        metadata=body.metadata,
        tags=tuple(body.tags or ()),
        assignee_id=body.assigned_to_id,
        by=actor(caller),
        at=at,
    )


async def _demand_creator(shell: Shell, caller: Principal) -> None:
    """A token outlives the purge of its tenant: nothing begins in what is gone."""
    if not await shell.directory.people(caller.tenant_id, [caller.user_id]):
        raise unknown_user()


async def demand_assignee(shell: Shell, tenant_id: UUID, assignee_id: UUID | None, field: str = "assignedToId") -> None:
    """Raise the 400 of `field` unless the assignee is an enabled person of the tenant, or nobody."""
    if assignee_id is None:
        return
    found = (await shell.directory.people(tenant_id, [assignee_id])).get(assignee_id)
    if found is None or not found.enabled:
        raise invalid(field, "there is no such user in this tenant", "unknown_user")


async def _shape(shell: Shell, tenant_id: UUID, outcome: Outcome) -> dict[str, Any]:
    ticket: Ticket = outcome.ticket
    creator = (await shell.directory.people(tenant_id, [ticket.created_by]))[ticket.created_by]
    return shapes.TicketShape(
        id=outcome.ticket_id,
        number=ticket.number,
        title=ticket.title,
        description=ticket.description,
        status=ticket.status,
        priority=ticket.priority,
        waiting_on=ticket.waiting_on,
        resolution=ticket.resolution,
        tags=list(ticket.tags),
        created_at=ticket.created_at,
        updated_at=ticket.updated_at,
        tenant_id=tenant_id,
        created_by_id=ticket.created_by,
        assigned_to_id=ticket.assignee_id,
        metadata=ticket.metadata,
        created_by=shapes.person(creator.id, creator.email, creator.name),
    ).model_dump(by_alias=True)
