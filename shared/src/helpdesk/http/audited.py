"""Notes who was denied what, whose commands failed, and what a route wants to be known, around all routes
(behaviours §11)."""

from typing import Final
from uuid import UUID

from starlette.datastructures import State
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from helpdesk.auth.tokens import Principal
from helpdesk.eventstore.audit import Audit, Entry

_DENIED: Final = frozenset({401, 403, 404})
"""What another tenant has is 404, too: an attempt that somebody may want to know of."""
_FAILED: Final = frozenset({409, 412, 422, 500, 503})
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_NO_ROUTE: Final = "not_found"
"""The reason of a 404 where nothing is: no attempt at anything."""
_TARGET: Final = "audit_target"


class Audited:
    """Stands within `Limited`, which has found out who asks; `state.audit`, once it is there, writes. Requests that
    were not understood are no attempts, nor is a read that fails."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self._app, self._state = app, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        principal: Principal | None = scope.get("principal")
        audit: Audit | None = getattr(self._state, "audit", None)
        if scope["type"] != "http" or principal is None or audit is None:
            return await self._app(scope, receive, send)
        told = _DENIED if scope["method"] in _READS else _DENIED | _FAILED

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                status = message["status"]
                if _TARGET in scope or (status in told and scope.get("reason") != _NO_ROUTE):
                    audit.note(_entry(scope, principal, status))
            await send(message)

        return await self._app(scope, receive, noting)


def _entry(scope: Scope, principal: Principal, status: int) -> Entry:
    return Entry(
        tenant_id=principal.tenant_id,
        actor_id=principal.user_id,
        action=str(scope["method"]),
        target=str(scope.get(_TARGET, scope["path"])).replace("\x00", ""),
        outcome=_outcome(status),
        status=status,
        reason=scope.get("reason"),
        request_id=request_id_of(scope),
        address=scope.get("address"),
    )


def _outcome(status: int) -> str:
    if status in _DENIED:
        return "denied"
    return "succeeded" if status < 400 else "failed"


def note_whatever_comes(request: Request, target: str) -> None:
    """Have this request written down, also when it succeeds: what it reads is named by `target`."""
    request.scope[_TARGET] = target


def request_id_of(scope: Scope) -> UUID | None:
    """The request's id, which its answer and its log line name."""
    return UUID(scope["request_id"]) if "request_id" in scope else None
