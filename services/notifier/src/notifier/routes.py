"""A person's own notifications over HTTP (contract §10)."""

from collections.abc import Callable
from typing import Annotated, Final, TypeVar

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from helpdesk.auth.http import Caller
from helpdesk.auth.keys import keyed
from helpdesk.auth.tokens import Principal
from helpdesk.eventstore.idempotency import Answer
from helpdesk.http.access import SELF, Rate, access
from helpdesk.http.app import API, problems
from helpdesk.http.described import TAGGED
from helpdesk.http.etag import NO_VERSION, etag, respond
from helpdesk.http.json import dumps
from helpdesk.http.judged import entry_of
from helpdesk.http.keys import key_of, mark_kept, sent
from helpdesk.http.problem import Problem
from helpdesk.http.wire import Id
from helpdesk.paging.cursor import Cursors, list_name
from helpdesk.paging.listing import Listing, enveloped, paging_of
from helpdesk.paging.page import Bare
from helpdesk.postgres.pool import Pool
from notifier.store import feed
from notifier.store.feed import Filter, NotificationRow, UnderKey
from notifier.wire import CountShape, ListQuery, NotificationList, NotificationShape, notification

PATH: Final = f"{API}/notifications"
_READ: Final = access(SELF, Rate.READS)
_WRITE: Final = access(SELF, Rate.WRITES)
_KEYED: Final = [Depends(keyed)]
R = TypeVar("R")


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

    @router.put(f"{PATH}/read-all", summary="Mark all as read", response_model=CountShape,
                responses=problems(401, 409, 422), openapi_extra=_WRITE, dependencies=_KEYED)  # fmt: skip
    async def mark_all_read(request: Request, caller: Caller) -> Response:
        """Answers how many were unread until now."""
        count = await feed.mark_all_read(pool, caller, _under_key(request, lambda row: _counted(row.total)))
        return _done(request, _counted(count))

    @router.put(f"{PATH}/{{id}}/read", summary="Mark one as read", response_model=NotificationShape,
                responses=problems(400, 401, 404, 409, 422), openapi_extra=_WRITE, dependencies=_KEYED)  # fmt: skip
    async def mark_read(request: Request, caller: Caller, id: Id) -> Response:  # noqa: A002 - the name in the path
        """Twice is as good as once."""
        row = await feed.mark_read(pool, caller, id, _under_key(request, _shown))
        if row is None:
            raise _unknown()
        return _done(request, _shown(row))

    @router.delete(f"{PATH}/{{id}}", summary="Delete one", status_code=204, response_class=Response,
                   responses=problems(400, 401, 404, 409, 422), openapi_extra=_WRITE, dependencies=_KEYED)  # fmt: skip
    async def delete(request: Request, caller: Caller, id: Id) -> Response:  # noqa: A002 - the name in the path
        """For ever, and for the caller alone."""
        gone = Answer(204)
        if not await feed.delete(pool, caller, id, _under_key(request, lambda _: gone)):
            raise _unknown()
        return _done(request, gone)

    return router


def _under_key(request: Request, answer: Callable[[R], Answer]) -> UnderKey[R] | None:
    key = key_of(request)
    return None if key is None else UnderKey(key, answer)


def _shown(row: NotificationRow) -> Answer:
    return _tagged(dumps(notification(row)))


def _counted(count: int) -> Answer:
    return _tagged(dumps(CountShape(count=count)))


def _tagged(body: bytes) -> Answer:
    return Answer(200, body, etag(NO_VERSION, body))


def _done(request: Request, answer: Answer) -> Response:
    mark_kept(request)
    return sent(answer)


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
