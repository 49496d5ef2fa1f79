"""What the doors have in common: from an outcome to an answer, from a refusal to a problem."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

from fastapi import Depends, Header
from starlette.requests import Request
from starlette.responses import Response

from command_api.domain.rejected import Rejected
from command_api.domain.ticket.commands import Actor
from command_api.execute import Cause, Commands, Contended, Outcome, StaleVersion, new_command
from helpdesk.auth.tokens import Principal
from helpdesk.consistency import Position, token_of
from helpdesk.eventstore.grouping import Overloaded
from helpdesk.eventstore.store import EventTooLarge
from helpdesk.http.etag import etag
from helpdesk.http.json import dumps
from helpdesk.http.problem import Problem
from helpdesk.recorded import Stream

_STATUS: Final[Mapping[str, int]] = {
    "ticket_not_found": 404,
    "comment_not_found": 404,
    "tenant_not_found": 404,
    "not_allowed": 403,
    "internal_not_allowed": 403,
    "registration_closed": 403,
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
    return new_command(principal.tenant_id, principal.user_id, request.scope.get("request_id"), waits=waits)


def prefers_async(prefer: str | None) -> bool:
    """Whether the client waives read-your-writes for a quicker answer (RFC 7240, `Prefer: respond-async`)."""
    wanted = (prefer or "").replace(",", ";").split(";")
    return any(one.strip().lower() == "respond-async" for one in wanted)


@asynccontextmanager
async def problems_of() -> AsyncIterator[None]:
    """Turn what the shell raises into the contract's errors."""
    try:
        yield
    except Rejected as refusal:
        status = _STATUS.get(refusal.code, 409)
        raise Problem(status, refusal.code, refusal.message, extra=refusal.details) from refusal
    except StaleVersion as stale:
        raise Problem(
            412,
            "stale_version",
            f"It has changed meanwhile; it is at version {stale.current}.",
            headers={"ETag": f'"v{stale.current}"'},
            extra={"currentVersion": stale.current},
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


def positions_of(principal_tenant: UUID, outcome: Outcome) -> list[Position]:
    """Where the ticket's stream stands after the command."""
    return [Position(Stream(principal_tenant, "ticket", outcome.ticket_id), outcome.version)]


def answer(
    body: Any,
    *,
    status: int = 200,
    positions: list[Position],
    visible: bool | None,
    version: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer of a write: its body, its tag, its consistency token, and whether the views are behind."""
    content = b"" if body is None else dumps(body)
    sent = {"Consistency-Token": token_of(positions), **(headers or {})}
    if version is not None and body is not None:
        sent["ETag"] = etag(version, content)
    if visible is None:
        sent["Preference-Applied"] = "respond-async"
    elif not visible:
        sent["Consistency"] = "behind"
    if body is None:
        return Response(status_code=status, headers=sent)
    return Response(content, status, headers=sent, media_type="application/json")
