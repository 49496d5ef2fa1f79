"""Reading the tenant's people (contract §11)."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from helpdesk.auth.http import having
from helpdesk.http.access import Rate, access
from helpdesk.http.app import API, problems
from helpdesk.http.audited import note_whatever_comes
from helpdesk.http.problem import Problem
from helpdesk.http.shapes import UserShape
from helpdesk.http.wire import Id
from helpdesk.paging.cursor import list_name
from helpdesk.paging.listing import Listing
from helpdesk.policy import ADMIN
from helpdesk.postgres.tenant import read_all
from query_api.reading import Read, Reading, documented
from query_api.views import people, tenants
from query_api.views.people import PeopleFilter, PersonRow
from query_api.wire import UserPage, UserQuery

RIGHT: Final = "users:read"
OPERATORS_SLUG: Final = "default"
"""An ADMIN of this tenant is the platform's operator (contract §11)."""
router = APIRouter(prefix=f"{API}/users", tags=["users"], dependencies=[Depends(having(RIGHT))])
UserId = Annotated[Id, Path(description="The account's id.")]


@router.get(
    "",
    summary="List people",
    responses={**documented(UserPage), **problems(400, 401, 403, 404, 503)},
    openapi_extra=access(RIGHT, Rate.READS, searched_by=("search",)),
)
async def list_users(reading: Read, query: Annotated[UserQuery, Query()]) -> Response:
    """The people of one's own tenant, oldest first, always in an envelope. The operator may name another tenant."""
    tenant_id = await _tenant(reading, query.tenant_id)
    listing = _listing(tenant_id, PeopleFilter(query.role, query.search))
    paging = reading.paging(query, listing)
    statements = listing.statements(paging)
    if tenant_id == reading.tenant_id:
        return reading.listed(listing, paging, await reading.read(*statements))
    return reading.listed(listing, paging, await read_all(reading.sources.pool, tenant_id, *statements))


@router.get(
    "/{id}",
    summary="Read an account",
    responses={**documented(UserShape), **problems(400, 401, 403, 404, 503)},
    openapi_extra=access(RIGHT, Rate.READS),
)
async def read_user(reading: Read, id: UserId) -> Response:  # noqa: A002 - the contract's name
    """Somebody of one's own tenant, deactivated or not."""
    (found,) = await reading.read(people.one(reading.tenant_id, id))
    if not found:
        raise Problem(404, "user_not_found", "There is no such user.")
    return reading.answer(people.account(found[0]), version=found[0].version)


async def _tenant(reading: Reading, wanted: UUID | None) -> UUID:
    """Whose people are read: a foreign tenant's by the operator alone, for everybody else it does not exist."""
    own = reading.tenant_id
    if wanted is None or wanted == own:
        return own
    if reading.caller.role == ADMIN:
        (mine,) = await reading.read(tenants.slug_of(own))
        (theirs,) = await read_all(reading.sources.pool, wanted, tenants.slug_of(wanted))
        if theirs and mine and mine[0].slug == OPERATORS_SLUG:
            note_whatever_comes(reading.request, f"tenant/{wanted}/users")
            return wanted
    raise Problem(404, "tenant_not_found", "There is no such tenant.")


def _listing(tenant_id: UUID, filter_: PeopleFilter) -> Listing[PersonRow]:
    return Listing(
        name=list_name("users", tenant_id, filter_.role, filter_.search),
        page=lambda paging: people.page(tenant_id, filter_, paging),
        total=people.total(tenant_id, filter_),
        place_of=people.place_of,
        shape=people.account,
    )
