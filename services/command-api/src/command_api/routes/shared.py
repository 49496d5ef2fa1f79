"""What the doors have in common: from an outcome to an answer, from a refusal to a problem."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

from fastapi import Depends, Header
from starlette.requests import Request
from starlette.responses import Response

from command_api.domain.rejected import Rejected
from command_api.domain.ticket.commands import Actor
from command_api.execute import Cause, CommandAt, Commands, Contended, Outcome, Shape, StaleVersion, new_command
from helpdesk.auth.tokens import Principal
from helpdesk.consistency import MAX_TOKEN_STREAMS, Position, token_of
from helpdesk.eventstore.grouping import Overloaded
from helpdesk.eventstore.idempotency import Answer
from helpdesk.eventstore.store import EventTooLarge
from helpdesk.folds.activities import ActivityRow as Activity
from helpdesk.http.etag import etag
from helpdesk.http.json import dumps
from helpdesk.http.keys import key_of, mark_kept, sent
from helpdesk.http.middleware import trace_of
from helpdesk.http.problem import Problem
from helpdesk.policy import is_staff
from helpdesk.recorded import Stream

_STATUS: Final[Mapping[str, int]] = {
    "ticket_not_found": 404,
    "comment_not_found": 404,
    "attachment_not_found": 404,
    "tenant_not_found": 404,
    "not_allowed": 403,
    "internal_not_allowed": 403,
    "registration_closed": 403,
    "self_service_off": 403,
    "user_not_found": 404,
}
"""Refusals that are no conflict (409); the rules themselves know nothing of HTTP."""


async def _commands(request: Request) -> Commands:  # one that is not async would run in a thread
    commands: Commands = request.app.state.commands
    return commands


Shell: TypeAlias = Annotated[Commands, Depends(_commands)]
IfMatch: TypeAlias = Annotated[
    str | None, Header(alias="If-Match", description='the ETag on which the change is based, such as `"v17.ab…"`')
]


def actor(principal: Principal) -> Actor:
    """The caller as the rules know them."""
    return Actor(principal.user_id, principal.role)


def cause(request: Request, principal: Principal) -> Cause:
    """The cause of this request's command."""
    waits = not prefers_async(request.headers.get("prefer"))
    begun = new_command(
        principal.tenant_id, principal.user_id, request.scope.get("request_id"), waits=waits, key=key_of(request)
    )
    trace = trace_of(request.headers.get("traceparent"))
    return replace(begun, trace=trace) if trace else begun


def prefers_async(prefer: str | None) -> bool:
    """Whether the client waives read-your-writes for a quicker answer (RFC 7240, `Prefer: respond-async`)."""
    wanted = (prefer or "").replace(",", ";").split(";")
    return any(one.strip().lower() == "respond-async" for one in wanted)


@asynccontextmanager
async def problems_of(caller: Principal | None = None) -> AsyncIterator[None]:
    """Turn what the shell raises into the contract's errors. A stale `caller` is told what they missed."""
    try:
        yield
    except Rejected as refusal:
        status = _STATUS.get(refusal.code, 409)
        raise Problem(status, refusal.code, refusal.message, extra=refusal.details) from refusal
    except StaleVersion as stale:
        raise Problem(
            412,
            "stale_version",
            f"This has changed meanwhile; it is at version {stale.current}.",
            headers={"ETag": f'"v{stale.current}"'},
            extra={"currentVersion": stale.current, "missed": _missed(stale.missed, caller)},
        ) from stale
    except Contended as contended:
        raise Problem(
            409, "contended", "Others changed this at the same moment; try again.", headers={"Retry-After": "1"}
        ) from contended
    except Overloaded as full:
        raise Problem(
            503, "overloaded", "Too many commands wait already; try again.", headers={"Retry-After": "1"}
        ) from full
    except EventTooLarge as large:
        raise Problem(413, "payload_too_large", "What is to be stored exceeds 256 KB.") from large


async def carry_out(
    request: Request,
    caller: Principal,
    shell: Commands,
    ticket_id: UUID,
    command: CommandAt,
    shape: Shape,
    expected_version: int | None = None,
    *,
    is_new: bool = False,
) -> Response:
    """One command of this request on one ticket, answered by `shape`; under the request's key, if it has one."""
    async with problems_of(caller):
        outcome = await shell.ticket(
            cause(request, caller), ticket_id, command, expected_version, is_new=is_new, shape=shape
        )
    return kept(request, outcome.answer or await shape(outcome), visible=outcome.visible)


def shaped(
    tenant_id: UUID, outcome: Outcome, body: Any = None, status: int = 200, *, location: str | None = None
) -> Answer:
    """The answer that an outcome makes: with its token, and with the tag of its body if it has one."""
    token = token_of(positions_of(tenant_id, outcome))
    if body is None:
        return Answer(status, token=token, location=location)
    content = dumps(body)
    return Answer(status, content, etag(outcome.version, content), token, location)


def emptied(tenant_id: UUID) -> Shape:
    """The 204 of what removed something."""

    async def shape(outcome: Outcome) -> Answer:
        return shaped(tenant_id, outcome, status=204)

    return shape


def _tell_visible(response: Response, *, visible: bool | None) -> None:
    if visible is None:
        response.headers["Preference-Applied"] = "respond-async"
    elif not visible:
        response.headers["Consistency"] = "behind"


def _missed(happened: Sequence[Activity], caller: Principal | None) -> list[dict[str, Any]]:
    """As the ticket's activities tell it, to who may see internal notes and to who may not."""
    return [
        {
            "version": one.version,
            "id": one.id,
            "type": one.type,
            "changes": one.changes,
            "at": one.created_at,
            "actorId": one.actor_id,
        }
        for one in happened
        if caller and (is_staff(caller.role) or not one.is_internal)
    ]


def positions_of(principal_tenant: UUID, outcome: Outcome) -> list[Position]:
    """Where the ticket's stream stands after the command."""
    return [Position(Stream(principal_tenant, "ticket", outcome.ticket_id), outcome.version)]


def made(
    body: Any,
    *,
    status: int = 200,
    positions: list[Position],
    version: int | None = None,
    location: str | None = None,
) -> Answer:
    """The answer of a write, as it can be kept: its body, its tag, its consistency token unless too long."""
    content = None if body is None else dumps(body)
    tag = etag(version, content) if version is not None and content is not None else None
    token = token_of(positions) if len(positions) <= MAX_TOKEN_STREAMS else None
    return Answer(status, content, tag, token, location)


def kept(request: Request, answer: Answer, *, visible: bool | None) -> Response:
    """An answer that stands under the request's key, if it has one, as it goes out."""
    mark_kept(request)
    response = sent(answer)
    _tell_visible(response, visible=visible)
    return response


def answer(
    body: Any,
    *,
    status: int = 200,
    positions: list[Position],
    visible: bool | None,
    version: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer of a write that does not keep it with its events, and whether the views are behind."""
    response = sent(made(body, status=status, positions=positions, version=version))
    response.headers.update(headers or {})
    _tell_visible(response, visible=visible)
    return response
