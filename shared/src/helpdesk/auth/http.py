"""The FastAPI dependency that turns `Authorization: Bearer …` into a Principal."""

from typing import Annotated, Final

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from helpdesk.auth.closed import IsClosed
from helpdesk.auth.tokens import InvalidToken, Principal, Verifier
from helpdesk.http.problem import Problem

_CHALLENGE: Final = {"WWW-Authenticate": "Bearer"}
_documented = HTTPBearer(auto_error=False, scheme_name="bearer", bearerFormat="JWT")


async def authenticated(
    request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(_documented)]
) -> Principal:
    """The caller. Raises the contract's 401; the application's `state.verifier` judges, and its `state.is_closed`."""
    scheme, _space, token = request.headers.get("authorization", "").partition(" ")
    if not token:
        raise Problem(401, "missing_token", "This needs an access token.", headers=_CHALLENGE)
    if scheme.lower() != "bearer":
        raise Problem(401, "wrong_scheme", "The Authorization header must be: Bearer <token>.", headers=_CHALLENGE)
    verifier: Verifier = request.app.state.verifier
    try:
        principal = verifier.verify(token.strip())
    except InvalidToken as error:
        raise Problem(401, "invalid_token", "The access token is not valid.", headers=_CHALLENGE) from error
    is_closed: IsClosed = request.app.state.is_closed
    if await is_closed(principal.tenant_id):
        raise Problem(401, "tenant_closed", "This tenant is closed.", headers=_CHALLENGE)
    return principal


Caller = Annotated[Principal, Depends(authenticated)]
"""A route's parameter that demands an authenticated caller."""
