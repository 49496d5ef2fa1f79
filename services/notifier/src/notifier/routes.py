"""A person's own notifications over HTTP (contract §10)."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from helpdesk.auth.http import Caller
from helpdesk.http.app import API, problems
from helpdesk.http.etag import respond
from helpdesk.http.json import dumps
from helpdesk.http.problem import Problem
from helpdesk.http.wire import Id
from helpdesk.postgres.pool import Pool
from notifier import lists
from notifier.store import feed
from notifier.store.feed import Filter
from notifier.wire import CountShape, ListQuery, NotificationList, NotificationShape, notification

PATH: Final = f"{API}/notifications"
_ENVELOPED: Final = frozenset({"page", "limit", "cursor", "sortBy", "sortOrder"})
_NO_VERSION: Final = 0
"""A list is no stream: its entity tag is the hash of its body."""


def notification_routes(pool: Pool) -> APIRouter:
    """The routes. Static paths stand before those with an id."""
    router = APIRouter(tags=["notifications"])

    @router.get(PATH, summary="One's own notifications", response_model=NotificationList, responses=problems(400, 401))
    async def listed(request: Request, caller: Caller, query: Annotated[ListQuery, Query()]) -> Response:
        wanted = Filter(is_read=False if query.unread_only else query.is_read, type=query.type)
        if "cursor" in request.query_params:
            return _answer(request, await lists.by_cursor(pool, caller, wanted, query))
        if _ENVELOPED & request.query_params.keys():
            return _answer(request, await lists.by_page(pool, caller, wanted, query))
        newest, more = await lists.bare(pool, caller, wanted)
        response = _answer(request, newest)
        if more is not None:
            further = request.url.include_query_params(cursor=more, limit=100)
            response.headers["Link"] = f'<{further.path}?{further.query}>; rel="next"'
        return response

    @router.get(
        f"{PATH}/unread-count", summary="How many are unread", response_model=CountShape, responses=problems(401)
    )
    async def unread_count(request: Request, caller: Caller) -> Response:
        count = await feed.count(pool, caller, Filter(is_read=False))
        return _answer(request, CountShape(count=count))

    @router.put(f"{PATH}/read-all", summary="Mark all as read", responses=problems(401))
    async def read_all(caller: Caller) -> CountShape:
        return CountShape(count=await feed.mark_all_read(pool, caller))

    @router.put(f"{PATH}/{{id}}/read", summary="Mark one as read", responses=problems(400, 401, 404))
    async def read(caller: Caller, id: Id) -> NotificationShape:  # noqa: A002 - the name in the path
        row = await feed.mark_read(pool, caller, id)
        if row is None:
            raise _unknown()
        return notification(row)

    @router.delete(f"{PATH}/{{id}}", summary="Delete one", status_code=204, responses=problems(400, 401, 404))
    async def delete(caller: Caller, id: Id) -> None:  # noqa: A002
        if not await feed.delete(pool, caller, id):
            raise _unknown()

    return router


def _answer(request: Request, value: object) -> Response:
    return respond(request, dumps(value), _NO_VERSION)


def _unknown() -> Problem:
    return Problem(404, "notification_not_found", "There is no such notification of yours.")
