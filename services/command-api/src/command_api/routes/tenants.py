"""Tenants and their settings (contract §11): an admin's own; the operator (admins of `default`): all of them."""

from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Path
from starlette.requests import Request
from starlette.responses import Response

from command_api.domain.tenant import ChangeTenant, CloseTenant, CreateTenant
from command_api.routes.auth import Identity
from command_api.routes.shared import IfMatch, Shell, cause, kept, made, problems_of
from command_api.tenants import Tenants, Written
from command_api.wire import CreateTenantBody, EditTenantBody, Settings
from helpdesk import policy
from helpdesk.auth.http import Caller
from helpdesk.auth.tokens import Principal
from helpdesk.eventstore.idempotency import Answer
from helpdesk.http import shapes
from helpdesk.http.access import Rate, access
from helpdesk.http.app import API, problems
from helpdesk.http.etag import expected_version
from helpdesk.http.problem import Problem
from helpdesk.http.wire import Id
from helpdesk.ids import new_id

router = APIRouter(prefix=f"{API}/tenants", tags=["tenants"])
DELETED: Final = "deleted"
"""The reason that the event of a deletion gives; an operator's command has others."""
_WRITES: Final = access("tenants:write", Rate.WRITES)


async def _tenants(request: Request) -> Tenants:
    tenants: Tenants = request.app.state.tenants
    return tenants


async def _manager(caller: Caller) -> Principal:
    if not policy.may(caller.role, "tenants:write"):
        raise Problem(403, "not_allowed", "Tenants are for admins.")
    return caller


TenantId: TypeAlias = Annotated[Id, Path(alias="id")]
All: TypeAlias = Annotated[Tenants, Depends(_tenants)]
Manager: TypeAlias = Annotated[Principal, Depends(_manager)]


@router.post("", status_code=201, summary="Create a tenant", response_model=shapes.FullTenantShape,
             responses=problems(400, 401, 403, 409, 503), openapi_extra=_WRITES)  # fmt: skip
async def create(
    request: Request, caller: Manager, shell: Shell, tenants: All, accounts: Identity, body: CreateTenantBody
) -> Response:
    """By the operator alone; with `admin`, its first admin can sign in at once."""
    if not await _operates(shell, caller):
        raise Problem(403, "not_allowed", "Only the operator creates tenants.")
    tenant_id = new_id()
    async with problems_of():
        command = CreateTenant(
            name=body.name, slug=body.slug, settings=body.settings, by=caller.user_id, at=shell.clock()
        )
        first = None
        if body.admin is not None:
            first = await accounts.first_admin(
                email=body.admin.email, password=body.admin.password, name=body.admin.name
            )
        written = await tenants.create(cause(request, caller), tenant_id, command, first, shape=_created)
    return kept(request, _created(written), visible=written.visible)


@router.put("/me/settings", summary="Replace the settings of one's own tenant", response_model=dict[str, Any],
            responses=problems(400, 401, 403, 404, 409, 412, 503), openapi_extra=_WRITES)  # fmt: skip
async def replace_settings(
    request: Request,
    caller: Manager,
    tenants: All,
    body: Annotated[Settings, Body()],
    if_match: IfMatch = None,
) -> Response:
    """All of them: a key that is not sent is not set any more."""
    async with problems_of():
        written = await tenants.change(
            cause(request, caller),
            caller.tenant_id,
            lambda at: ChangeTenant(name=None, slug=None, settings=body, by=caller.user_id, at=at),
            expected_version(if_match),
            shape=_settings,
        )
    return kept(request, _settings(written), visible=written.visible)


@router.put("/{id}", summary="Change a tenant", response_model=shapes.FullTenantShape, operation_id="replace_tenant",
            responses=problems(400, 401, 403, 404, 409, 412, 503), openapi_extra=_WRITES)  # fmt: skip
@router.patch("/{id}", summary="Change a tenant", response_model=shapes.FullTenantShape, operation_id="edit_tenant",
              responses=problems(400, 401, 403, 404, 409, 412, 503), openapi_extra=_WRITES)  # fmt: skip
async def edit(
    request: Request,
    caller: Manager,
    shell: Shell,
    tenants: All,
    tenant_id: TenantId,
    body: EditTenantBody,
    if_match: IfMatch = None,
) -> Response:
    """Both partial; `settings` are one field and replaced as a whole. The tenant `default` keeps its slug."""
    await _demand(shell, caller, tenant_id)
    async with problems_of():
        written = await tenants.change(
            cause(request, caller),
            tenant_id,
            lambda at: body.command(caller.user_id, at),
            expected_version(if_match),
            shape=_shown,
        )
    return kept(request, _shown(written), visible=written.visible)


@router.delete("/{id}", status_code=204, summary="Delete a tenant", response_class=Response,
               responses=problems(400, 401, 403, 404, 409, 412, 503), openapi_extra=_WRITES)  # fmt: skip
async def delete(
    request: Request, caller: Manager, shell: Shell, tenants: All, tenant_id: TenantId, if_match: IfMatch = None
) -> Response:
    """At once nobody signs in, tokens end, and it is unknown. Its data is destroyed by the operator's purge."""
    await _demand(shell, caller, tenant_id)
    async with problems_of():
        written = await tenants.change(
            cause(request, caller),
            tenant_id,
            lambda at: CloseTenant(reason=DELETED, by=caller.user_id, at=at),
            expected_version(if_match),
            shape=_gone,
        )
    return kept(request, _gone(written), visible=written.visible)


async def _operates(shell: Shell, caller: Principal) -> bool:
    own = await shell.directory.tenant(caller.tenant_id)
    return own is not None and policy.is_operator(caller.role, own.slug)


async def _demand(shell: Shell, caller: Principal, tenant_id: UUID) -> None:
    """Contract §11: another's tenant is unknown to all but the operator."""
    if tenant_id != caller.tenant_id and not await _operates(shell, caller):
        raise Problem(404, "tenant_not_found", "There is no such tenant.")


def _shown(written: Written) -> Answer:
    return made(_shape(written), positions=written.positions, version=written.version)


def _created(written: Written) -> Answer:
    location = f"{API}/tenants/{written.tenant_id}"
    return made(_shape(written), status=201, positions=written.positions, version=written.version, location=location)


def _settings(written: Written) -> Answer:
    return made(written.tenant.settings, positions=written.positions, version=written.version)


def _gone(written: Written) -> Answer:
    return made(None, status=204, positions=written.positions)


def _shape(written: Written) -> shapes.FullTenantShape:
    tenant = written.tenant
    return shapes.FullTenantShape(
        id=written.tenant_id,
        name=tenant.name,
        slug=tenant.slug,
        settings=dict(tenant.settings),
        created_at=tenant.created_at,
        updated_at=tenant.updated_at,
    )
