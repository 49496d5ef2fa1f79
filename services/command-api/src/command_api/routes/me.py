"""One's own account: sign out, name, password (contract §4). Reading it is the query API's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from command_api.accounts import Account
from command_api.domain.rejected import Rejected
from command_api.routes.auth import user_shape
from command_api.routes.shared import IfMatch, answer, cause, kept, made, problems_of
from command_api.users import Users, WrongPassword
from command_api.wire import LogoutBody, NameBody, PasswordBody
from helpdesk.auth.http import Caller, unknown_user
from helpdesk.auth.keys import keyed
from helpdesk.eventstore.idempotency import Answer
from helpdesk.http import shapes
from helpdesk.http.access import SELF, Rate, access
from helpdesk.http.app import API, problems
from helpdesk.http.etag import expected_version
from helpdesk.http.problem import invalid

router = APIRouter(prefix=f"{API}/auth", tags=["identity"])


async def _users(request: Request) -> Users:
    users: Users = request.app.state.users
    return users


People: TypeAlias = Annotated[Users, Depends(_users)]


@asynccontextmanager
async def _of_this_account() -> AsyncIterator[None]:
    """A token outlives the purge of its tenant: nothing can be changed in what is gone."""
    async with problems_of():
        try:
            yield
        except Rejected as refusal:
            if refusal.code != "user_not_found":
                raise
            raise unknown_user() from refusal


def _shown(account: Account) -> Answer:
    return made(user_shape(account), positions=account.positions, version=account.version)


def _done(account: Account) -> Response:
    return answer(None, status=204, positions=account.positions, visible=account.visible)


@router.post("/logout", status_code=204, summary="Log out", response_class=Response,
             responses=problems(400, 401, 409, 503), openapi_extra=access(SELF, Rate.AUTHENTICATION))  # fmt: skip
async def logout(request: Request, caller: Caller, users: People, body: LogoutBody | None = None) -> Response:
    """Every access and refresh token that the caller has been given so far ends, on all devices. A `refreshToken` in
    the body is one of them."""
    async with _of_this_account():
        return _done(await users.sign_out(cause(request, caller), caller.issued_at))


@router.put("/me", summary="Change one's name", response_model=shapes.UserShape,
            responses=problems(400, 401, 409, 412, 422, 503), openapi_extra=access(SELF, Rate.WRITES),
            dependencies=[Depends(keyed)])  # fmt: skip
async def rename(request: Request, caller: Caller, users: People, body: NameBody, if_match: IfMatch = None) -> Response:
    """`name`, or `firstName` and `lastName`; the address and the role stay as they are."""
    expected = expected_version(if_match)
    async with _of_this_account():
        account = await users.edit(
            cause(request, caller), caller.user_id, body.edit(caller.user_id), expected, shape=_shown
        )
    return kept(request, _shown(account), visible=account.visible)


@router.put("/me/password", status_code=204, summary="Change one's password", response_class=Response,
            responses=problems(400, 401, 409, 503), openapi_extra=access(SELF, Rate.AUTHENTICATION))  # fmt: skip
async def change_password(request: Request, caller: Caller, users: People, body: PasswordBody) -> Response:
    """Every access and refresh token of before ends: log in with the new password."""
    async with _of_this_account():
        try:
            account = await users.change_password(
                cause(request, caller), caller.issued_at, body.current_password, body.new_password
            )
        except WrongPassword as error:
            raise invalid("currentPassword", "this is not the present password", "wrong_password") from error
    return _done(account)
