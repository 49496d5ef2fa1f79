"""The FastAPI dependencies that turn `Authorization: Bearer …` into a Principal who may act now."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import Depends
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import Request

from helpdesk import policy
from helpdesk.auth.tokens import InvalidToken, Principal, Verifier
from helpdesk.http.judged import CHALLENGE, Judge
from helpdesk.http.problem import Problem


class _Authenticated(SecurityBase):
    """The document's scheme and the dependency in one: a dependency of its own for the scheme costs each call."""

    def __init__(self) -> None:
        self.model, self.scheme_name = HTTPBearer(bearerFormat="JWT"), "bearer"

    async def __call__(self, request: Request) -> Principal:
        """The caller, with the rights of now. Raises the contract's 401.

        The application's `state.verifier` checks the token, its `state.judge` what has happened since.
        """
        scheme, _space, token = request.headers.get("authorization", "").partition(" ")
        if not token:
            raise Problem(401, "missing_token", "This needs an access token.", headers=CHALLENGE)
        if scheme.lower() != "bearer":
            raise Problem(401, "wrong_scheme", "The Authorization header must be: Bearer <token>.", headers=CHALLENGE)
        verifier: Verifier = request.app.state.verifier
        judge: Judge = request.app.state.judge
        try:
            signed = verifier.verify(token.strip())
        except InvalidToken as error:
            raise Problem(401, "invalid_token", "The access token is not valid.", headers=CHALLENGE) from error
        return await judge(request.scope, signed)


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
    return Problem(401, "unknown_user", "This account is unknown or disabled.", headers=CHALLENGE)
