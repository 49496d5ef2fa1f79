"""Reading tenants and their settings (contract §11): an admin's own; for admins of `default` all of them."""

from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from helpdesk import policy
from helpdesk.http.access import Rate, access
from helpdesk.http.app import API, problems
from helpdesk.http.audited import note_whatever_comes
from helpdesk.http.problem import Problem
from helpdesk.http.wire import Id
from helpdesk.paging.cursor import list_name
from helpdesk.paging.listing import Listing, enveloped
from helpdesk.paging.page import Bare
from helpdesk.postgres.tenant import read, read_all
from query_api.reading import Read, Reading, documented
from query_api.views import tenants
from query_api.views.tenants import TenantRow
from query_api.wire import ListedTenant, TenantDetail, TenantPage, TenantQuery

router = APIRouter(prefix=f"{API}/tenants", tags=["tenants"])
_READS: Final = access("tenants:read", Rate.READS)


async def _managing(reading: Read) -> Reading:
    if not policy.may(reading.caller.role, "tenants:read"):
        raise Problem(403, "not_allowed", "Tenants are for admins.")
    return reading


Managing: TypeAlias = Annotated[Reading, Depends(_managing)]


@router.get("", summary="List tenants", openapi_extra=_READS,
            responses={**documented(list[ListedTenant] | TenantPage), **problems(400, 401, 403, 503)})  # fmt: skip
async def list_tenants(reading: Managing, query: Annotated[TenantQuery, Query()]) -> Response:
    """The operator's list has all of them, another admin's their own. A bare array, newest first, or a page."""
    operates = await _operates(reading)
    listing = _listing(None if operates else reading.tenant_id)
    paging = reading.paging(query, listing) if enveloped(reading.request) else Bare()
    if not operates:
        return reading.listed(listing, paging, await reading.read(*listing.statements(paging)))
    note_whatever_comes(reading.request, "tenants")
    found = await read_all(reading.sources.operator, reading.tenant_id, *listing.statements(paging))
    return reading.listed(listing, paging, found)


@router.get("/me/settings", summary="Read the settings of one's own tenant", openapi_extra=_READS,
            responses={**documented(dict[str, Any]), **problems(400, 401, 403, 404, 503)})  # fmt: skip
async def read_settings(reading: Managing) -> Response:
    """What was set, as it was set: what is missing is as OpenAPI says of `PUT`."""
    (found,) = await reading.read(tenants.settings(reading.tenant_id))
    if not found:
        raise _unknown()
    return reading.answer(orjson.Fragment(found[0].settings), version=found[0].version)


@router.get("/{id}", summary="Read a tenant", openapi_extra=_READS,
            responses={**documented(TenantDetail), **problems(400, 401, 403, 404, 503)})  # fmt: skip
async def read_tenant(
    reading: Managing,
    id: Annotated[Id, Path(description="The tenant's id.")],  # noqa: A002 - the contract's name
) -> Response:
    """With how much it has. Another's is read through that tenant's connection, after the policy has said so."""
    if id == reading.tenant_id:
        (found,) = await reading.read(tenants.one(id))
    else:
        if not await _operates(reading):
            raise _unknown()
        note_whatever_comes(reading.request, f"tenant/{id}")
        found = await read(reading.sources.pool, id, tenants.one(id))
    if not found:
        raise _unknown()
    (endpoints,) = await read(reading.sources.webhooks, id, tenants.endpoints(id))
    return reading.answer(tenants.detail(found[0], endpoints.total), version=found[0].version)


async def _operates(reading: Reading) -> bool:
    (own,) = await reading.read(tenants.slug_of(reading.tenant_id))
    return bool(own) and policy.is_operator(reading.caller.role, own[0].slug)


def _listing(only: UUID | None) -> Listing[TenantRow]:
    return Listing(
        name=list_name("tenants", str(only)),
        page=lambda paging: tenants.page(only, paging),
        total=tenants.total(only),
        place_of=tenants.place_of,
        shape=tenants.listed,
    )


def _unknown() -> Problem:
    return Problem(404, "tenant_not_found", "There is no such tenant.")
