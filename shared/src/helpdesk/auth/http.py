"""The FastAPI dependencies that turn `Authorization: Bearer …` into a Principal who may act now."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import Depends
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import Request

from helpdesk import policy
from helpdesk.auth.closed import IsClosed
from helpdesk.auth.people import StandingOf
from helpdesk.auth.standing import judged
from helpdesk.auth.tokens import InvalidToken, Principal, Verifier
from helpdesk.http.problem import Problem

_CHALLENGE: Final = {"WWW-Authenticate": "Bearer"}


class _Authenticated(SecurityBase):
    """The document's scheme and the dependency in one: a dependency of its own for the scheme costs each call."""

    def __init__(self) -> None:
        self.model, self.scheme_name = HTTPBearer(bearerFormat="JWT"), "bearer"

    async def __call__(self, request: Request) -> Principal:
        """The caller, with the rights of now. Raises the contract's 401.

        The application's `state.verifier` judges the token; its `state.is_closed` tells of the tenant and its
        `state.standing_of` of the person what happened since.
        """
        scheme, _space, token = request.headers.get("authorization", "").partition(" ")
        if not token:
            raise Problem(401, "missing_token", "This needs an access token.", headers=_CHALLENGE)
        if scheme.lower() != "bearer":
            raise Problem(401, "wrong_scheme", "The Authorization header must be: Bearer <token>.", headers=_CHALLENGE)
        verifier: Verifier = request.app.state.verifier
        standing_of: StandingOf = request.app.state.standing_of
        try:
            signed = verifier.verify(token.strip())
        except InvalidToken as error:
            raise Problem(401, "invalid_token", "The access token is not valid.", headers=_CHALLENGE) from error
        is_closed: IsClosed = request.app.state.is_closed
        if await is_closed(signed.tenant_id):
            raise Problem(401, "tenant_closed", "This tenant is closed.", headers=_CHALLENGE)
        caller = judged(signed, await standing_of(signed.tenant_id, signed.user_id))
        if caller is None:
            raise ended_token()
        return caller


authenticated: Final = _Authenticated()
Caller = Annotated[Principal, Depends(authenticated)]
"""A route's parameter that demands an authenticated caller."""


def having(right: str) -> Callable[[Principal], Awaitable[Principal]]:
    """A dependency: the caller, whose role must have `right` (such as ``users:write``). Raises the contract's 403."""

    async def entitled(caller: Caller) -> Principal:
        if not policy.may(caller.role, right):
            raise Problem(403, "not_allowed", "Your role does not allow this.")
        return caller

    return entitled


def unknown_user() -> Problem:
    """The 401 of a token whose account is gone, or switched off."""
    return Problem(401, "unknown_user", "This account is unknown or disabled.", headers=_CHALLENGE)


def ended_token() -> Problem:
    """The 401 of a token that was good once."""
    return Problem(401, "ended_token", "This token has ended: log in again.", headers=_CHALLENGE)
