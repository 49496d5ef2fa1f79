"""The tenant's people, for its admins (contract §11). Reading them is the query API's."""

from typing import Annotated, TypeAlias

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request
from starlette.responses import Response

from command_api.accounts import Account
from command_api.domain.user import EditUser
from command_api.routes.auth import Identity, user_shape
from command_api.routes.me import People
from command_api.routes.shared import IfMatch, cause, kept, made, problems_of
from command_api.wire import CreateUserBody, EditUserBody
from helpdesk.auth.http import having
from helpdesk.auth.tokens import Principal
from helpdesk.eventstore.idempotency import Answer
from helpdesk.http import shapes
from helpdesk.http.access import Rate, access
from helpdesk.http.app import API, problems
from helpdesk.http.etag import expected_version
from helpdesk.http.wire import Id

RIGHT = "users:write"
Manager: TypeAlias = Annotated[Principal, Depends(having(RIGHT))]
UserId: TypeAlias = Annotated[Id, Path(alias="id")]
router = APIRouter(prefix=f"{API}/users", tags=["users"])


@router.post("", status_code=201, summary="Make an account", response_model=shapes.UserShape,
             responses=problems(400, 401, 403, 409, 503), openapi_extra=access(RIGHT, Rate.WRITES))  # fmt: skip
async def create(request: Request, caller: Manager, accounts: Identity, body: CreateUserBody) -> Response:
    """In the caller's own tenant. Without a password it is an invitation: nobody can log in to it yet."""
    async with problems_of():
        account = await accounts.register(
            email=body.email,
            password=body.password,
            name=f"{body.first_name} {body.last_name}".strip(),
            role=body.role,
            tenant_id=caller.tenant_id,
            by=caller.user_id,
            cause=cause(request, caller),
            shape=_created,
        )
    return kept(request, _created(account), visible=account.visible)


@router.put("/{id}", summary="Change an account", response_model=shapes.UserShape, operation_id="replace_user",
            responses=problems(400, 401, 403, 404, 409, 412, 503),
            openapi_extra=access(RIGHT, Rate.WRITES))  # fmt: skip
@router.patch("/{id}", summary="Change an account", response_model=shapes.UserShape, operation_id="edit_user",
              responses=problems(400, 401, 403, 404, 409, 412, 503),
              openapi_extra=access(RIGHT, Rate.WRITES))  # fmt: skip
async def edit(
    request: Request, caller: Manager, users: People, user_id: UserId, body: EditUserBody, if_match: IfMatch = None
) -> Response:
    """Both partial. A new role counts for tokens that are out already; a deactivated account's tokens end. The last
    active admin of a tenant stays one."""
    expected = expected_version(if_match)
    async with problems_of():
        account = await users.edit(cause(request, caller), user_id, body.edit(caller.user_id), expected, shape=_shown)
    return kept(request, _shown(account), visible=account.visible)


@router.delete("/{id}", status_code=204, summary="Deactivate an account", response_class=Response,
               responses=problems(400, 401, 403, 404, 409, 412, 503),
               openapi_extra=access(RIGHT, Rate.WRITES))  # fmt: skip
async def deactivate(
    request: Request, caller: Manager, users: People, user_id: UserId, if_match: IfMatch = None
) -> Response:
    """Nothing of it is lost: `isActive: true` brings it back."""
    by, expected = caller.user_id, expected_version(if_match)
    async with problems_of():
        account = await users.edit(
            cause(request, caller),
            user_id,
            lambda at, others: EditUser(other_admins=others, by=by, at=at, enabled=False),
            expected,
            shape=_gone,
        )
    return kept(request, _gone(account), visible=account.visible)


def _created(account: Account) -> Answer:
    location = f"{API}/users/{account.person.id}"
    return made(
        user_shape(account), status=201, positions=account.positions, version=account.version, location=location
    )


def _shown(account: Account) -> Answer:
    return made(user_shape(account), positions=account.positions, version=account.version)


def _gone(account: Account) -> Answer:
    return made(None, status=204, positions=account.positions)
