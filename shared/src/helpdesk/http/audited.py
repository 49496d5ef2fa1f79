"""Notes who was denied what, and whose commands failed, around the routes that change something (behaviours §11)."""

from typing import Final
from uuid import UUID

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from helpdesk.auth.tokens import Principal
from helpdesk.eventstore.audit import Audit, Entry

_DENIED: Final = frozenset({401, 403, 404})
"""What another tenant has is 404, too: an attempt that somebody may want to know of."""
_FAILED: Final = frozenset({409, 412, 422, 500, 503})
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Audited:
    """Stands within `Limited`, which has found out who asks. Requests that were not understood are no attempts."""

    def __init__(self, app: ASGIApp, audit: Audit) -> None:
        self._app, self._audit = app, audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        principal: Principal | None = scope.get("principal")
        if scope["type"] != "http" or principal is None or scope["method"] in _READS:
            return await self._app(scope, receive, send)

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in _DENIED | _FAILED:
                self._audit.note(_entry(scope, principal, message["status"]))
            await send(message)

        return await self._app(scope, receive, noting)


def _entry(scope: Scope, principal: Principal, status: int) -> Entry:
    return Entry(
        tenant_id=principal.tenant_id,
        actor_id=principal.user_id,
        action=str(scope["method"]),
        target=str(scope["path"]).replace("\x00", ""),
        outcome="denied" if status in _DENIED else "failed",
        status=status,
        reason=scope.get("reason"),
        request_id=request_id_of(scope),
        address=scope.get("address"),
    )


def request_id_of(scope: Scope) -> UUID | None:
    """The request's id, which its answer and its log line name."""
    return UUID(scope["request_id"]) if "request_id" in scope else None
