"""A person's own notifications over HTTP (contract §10)."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from helpdesk.auth.http import Caller
from helpdesk.auth.tokens import Principal
from helpdesk.http.access import SELF, Rate, access
from helpdesk.http.app import API, problems
from helpdesk.http.described import TAGGED
from helpdesk.http.etag import NO_VERSION, respond
from helpdesk.http.json import dumps
from helpdesk.http.judged import entry_of
from helpdesk.http.problem import Problem
from helpdesk.http.wire import Id
from helpdesk.paging.cursor import Cursors, list_name
from helpdesk.paging.listing import Listing, enveloped, paging_of
from helpdesk.paging.page import Bare
from helpdesk.postgres.pool import Pool
from notifier.store import feed
from notifier.store.feed import Filter, NotificationRow
from notifier.wire import CountShape, ListQuery, NotificationList, NotificationShape, notification

PATH: Final = f"{API}/notifications"
_READ: Final = access(SELF, Rate.READS)
_WRITE: Final = access(SELF, Rate.WRITES)


def notification_routes(pool: Pool, cursors: Cursors) -> APIRouter:
    """The routes. Static paths stand before those with an id."""
    router = APIRouter(tags=["notifications"])

    @router.get(PATH, summary="One's own notifications", response_model=NotificationList,
                responses={**TAGGED, **problems(400, 401)},
                openapi_extra=_READ)  # fmt: skip
    async def listed(request: Request, caller: Caller, query: Annotated[ListQuery, Query()]) -> Response:
        """A bare array, newest first; with a paging parameter a page. The entity tag makes polling cheap."""
        wanted = Filter(is_read=False if query.unread_only else query.is_read, type=query.type)
        listing = _listing(caller, wanted)
        paging = paging_of(query, cursors, listing.name) if enveloped(request) else Bare()
        found = await listing.read(pool, entry_of(request), request, cursors, paging)
        response = _answer(request, found.body)
        response.headers.update(found.headers)
        return response

    @router.get(
        f"{PATH}/unread-count",
        summary="How many are unread",
        response_model=CountShape,
        responses={**TAGGED, **problems(401)},
        openapi_extra=_READ,
    )
    async def unread_count(request: Request, caller: Caller) -> Response:
        """Counted when asked, so it is exact."""
        count = await feed.count(pool, entry_of(request), caller, Filter(is_read=False))
        return _answer(request, CountShape(count=count))

    @router.put(f"{PATH}/read-all", summary="Mark all as read", responses=problems(401), openapi_extra=_WRITE)
    async def mark_all_read(caller: Caller) -> CountShape:
        """Answers how many were unread until now."""
        return CountShape(count=await feed.mark_all_read(pool, caller))

    @router.put(f"{PATH}/{{id}}/read", summary="Mark one as read", responses=problems(400, 401, 404),
                openapi_extra=_WRITE)  # fmt: skip
    async def mark_read(caller: Caller, id: Id) -> NotificationShape:  # noqa: A002 - the name in the path
        """Twice is as good as once."""
        row = await feed.mark_read(pool, caller, id)
        if row is None:
            raise _unknown()
        return notification(row)

    @router.delete(f"{PATH}/{{id}}", summary="Delete one", status_code=204, responses=problems(400, 401, 404),
                   openapi_extra=_WRITE)  # fmt: skip
    async def delete(caller: Caller, id: Id) -> None:  # noqa: A002 - the name in the path
        """For ever, and for the caller alone."""
        if not await feed.delete(pool, caller, id):
            raise _unknown()

    return router


def _listing(caller: Principal, wanted: Filter) -> Listing[NotificationRow]:
    return Listing(
        name=list_name("notifications", caller.tenant_id, caller.user_id, wanted.is_read, wanted.type),
        page=lambda paging: feed.page(caller, wanted, paging),
        total=feed.total(caller, wanted),
        place_of=feed.place_of,
        shape=notification,
    )


def _answer(request: Request, value: object) -> Response:
    return respond(request, dumps(value), NO_VERSION)


def _unknown() -> Problem:
    return Problem(404, "notification_not_found", "There is no such notification of yours.")
