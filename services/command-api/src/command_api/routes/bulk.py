"""Many tickets, one change: each a command of its own (behaviours §5)."""

import asyncio
from typing import Annotated, Final, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from command_api.execute import Cause, Commands
from command_api.routes.shared import Shell, actor, answer, cause, positions_of, problems_of
from command_api.routes.tickets import demand_assignee
from command_api.wire import BulkItem, BulkOutcome, BulkUpdateBody, ItemError
from helpdesk import policy
from helpdesk.auth.http import Caller
from helpdesk.auth.tokens import Principal
from helpdesk.consistency import Position
from helpdesk.http.access import Rate, access
from helpdesk.http.app import API, problems
from helpdesk.http.problem import Problem, code_of, unavailable
from helpdesk.postgres.pool import UNAVAILABLE

AT_ONCE: Final = 8
"""So many of a request's commands are under way together: others' writes go between them."""


async def _staff(caller: Caller) -> Principal:
    if not policy.is_staff(caller.role):
        raise Problem(403, "not_allowed", "Bulk changes are for agents and admins.")
    return caller


Staff: TypeAlias = Annotated[Principal, Depends(_staff)]
router = APIRouter(prefix=f"{API}/tickets", tags=["tickets"])


@router.post(
    "/bulk-update",
    summary="Change many tickets",
    response_model=BulkOutcome,
    responses=problems(400, 401, 403, 413, 503),
    openapi_extra=access("tickets:write", Rate.WRITES),
)
async def bulk_update(request: Request, caller: Staff, shell: Shell, body: BulkUpdateBody) -> Response:
    """The same change for 1 to 100 tickets, for agents and admins. What one refuses leaves the others as they are."""
    if "assigned_to_id" in body.changes.model_fields_set:
        await demand_assignee(shell, caller.tenant_id, body.changes.assigned_to_id, "changes.assignedToId")
    whole, room = cause(request, caller), asyncio.Semaphore(AT_ONCE)
    done = await asyncio.gather(*(_one(shell, whole, caller, id_, body, room) for id_ in dict.fromkeys(body.ids)))
    items = [item for item, _, _ in done]
    failed = sum(item.status == "failed" for item in items)
    return answer(
        BulkOutcome(total=len(items), succeeded=len(items) - failed, failed=failed, results=items),
        positions=[position for _, positions, _ in done for position in positions],
        visible=all(visible for _, _, visible in done) if whole.waits else None,
    )


async def _one(
    shell: Commands, whole: Cause, caller: Principal, ticket_id: UUID, body: BulkUpdateBody, room: asyncio.Semaphore
) -> tuple[BulkItem, list[Position], bool]:
    """What became of one ticket, where its stream stands, and whether the views show it."""
    try:
        async with room, problems_of():
            outcome = await shell.ticket(whole.part(), ticket_id, lambda at: body.changes.command(actor(caller), at))
    except Problem as problem:
        return _failed(ticket_id, problem), [], True
    except UNAVAILABLE:  # the others may have been changed: the caller must hear which
        return _failed(ticket_id, unavailable()), [], True
    item = BulkItem(id=ticket_id, status="updated" if outcome.changed else "unchanged", version=outcome.version)
    return item, positions_of(caller.tenant_id, outcome), outcome.visible is not False


def _failed(ticket_id: UUID, problem: Problem) -> BulkItem:
    error = ItemError(code=code_of(problem.status), reason=problem.reason, message=problem.message)
    return BulkItem(id=ticket_id, status="failed", error=error)
