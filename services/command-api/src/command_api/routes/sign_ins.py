"""Who signs in and who tries to, for the audit (behaviours §11)."""

from collections.abc import Sequence
from typing import Final

from starlette.requests import Request

from command_api import store
from command_api.accounts import Account
from command_api.wire import LoginBody
from helpdesk.clock import utc_now
from helpdesk.eventstore.audit import Audit, Entry
from helpdesk.http.audited import request_id_of

SIGN_IN: Final = "sign_in"


def note_sign_in(request: Request, account: Account) -> None:
    """Somebody has signed in."""
    audit: Audit = request.app.state.audit
    audit.note(
        Entry(
            tenant_id=account.tenant_id,
            actor_id=account.person.id,
            action=SIGN_IN,
            target=f"user/{account.person.id}",
            outcome="succeeded",
            status=200,
            request_id=request_id_of(request.scope),
            address=request.scope.get("address"),
        )
    )


def note_failed_login(request: Request, body: LoginBody, status: int, reason: str) -> None:
    """Somebody has tried: told to the tenant of each account that was meant. An address without one leaves no row."""
    audit: Audit = request.app.state.audit
    pool, scope = request.app.state.commands.pool, request.scope
    request_id, address, at = request_id_of(scope), scope.get("address"), utc_now()

    async def entries() -> Sequence[Entry]:
        logins = await store.logins(pool, body.email.strip())
        return [
            Entry(
                tenant_id=one.tenant_id,
                actor_id=None,
                action=SIGN_IN,
                target=f"user/{one.user_id}",
                outcome="denied",
                status=status,
                reason=reason,
                request_id=request_id,
                address=address,
                at=at,
            )
            for one in logins
            if body.tenant_slug in (None, one.slug)
        ]

    audit.note(entries)
