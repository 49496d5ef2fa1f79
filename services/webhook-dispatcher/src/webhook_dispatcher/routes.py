"""The webhook API (contract §9): for admins and agents, within their tenant."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query
from starlette.requests import Request
from starlette.responses import Response

from helpdesk.auth.http import Caller
from helpdesk.auth.keys import keyed
from helpdesk.auth.tokens import Principal
from helpdesk.clock import utc_now
from helpdesk.events.webhook import WebhookEndpointChanged, WebhookEndpointCreated, WebhookEndpointDeleted
from helpdesk.eventstore.idempotency import Answer
from helpdesk.eventstore.store import WrongVersion
from helpdesk.http.access import Rate, access
from helpdesk.http.app import API, problems
from helpdesk.http.described import TAGGED, header
from helpdesk.http.etag import NO_VERSION, etag, expected_version, respond
from helpdesk.http.json import dumps
from helpdesk.http.judged import entry_of
from helpdesk.http.keys import Replays, key_of, mark_kept, sent
from helpdesk.http.middleware import trace_of
from helpdesk.http.problem import Problem, invalid
from helpdesk.http.wire import Id
from helpdesk.ids import new_id
from helpdesk.paging.cursor import Cursors, list_name
from helpdesk.paging.listing import Listed, Listing, enveloped, paging_of
from helpdesk.paging.order import NEWEST_FIRST
from helpdesk.paging.page import Bare
from helpdesk.policy import may_manage_webhooks
from helpdesk.postgres.pool import Pool
from helpdesk.postgres.tenant import Entry
from helpdesk.recorded import Metadata
from webhook_dispatcher import wire
from webhook_dispatcher.domain.signature import new_secret
from webhook_dispatcher.domain.target import Rules, objection
from webhook_dispatcher.store import endpoints, lists
from webhook_dispatcher.store.endpoints import Endpoint, UnderKey
from webhook_dispatcher.store.lists import Delivery
from webhook_dispatcher.vault import Vault

TRIES: Final = 8
_READ: Final = access("webhooks:read", Rate.READS)
_KEYED: Final = [Depends(keyed)]
_WRITE: Final = access("webhooks:write", Rate.WRITES)
IfMatch = Annotated[str | None, Header()]


async def manager(caller: Caller) -> Principal:
    """The caller, who may manage webhooks. Raises the contract's 403."""
    if not may_manage_webhooks(caller.role):
        raise Problem(403, "not_allowed", "Webhooks are for admins and agents.")
    return caller


Manager = Annotated[Principal, Depends(manager)]


def webhook_routes(pool: Pool, vault: Vault, rules: Rules, cursors: Cursors, replays: Replays) -> APIRouter:
    """`/api/v1/webhooks` on the endpoints of schema `webhooks`."""
    router = APIRouter(prefix=f"{API}/webhooks", tags=["webhooks"], responses=problems(400, 401, 403))

    @router.post("", status_code=201, response_model=wire.NewWebhookShape, summary="Make an endpoint",
                 responses={201: {"headers": header("Location") | header("ETag")}, **problems(409, 422)},
                 openapi_extra=_WRITE, dependencies=_KEYED)  # fmt: skip
    async def create(request: Request, caller: Manager, body: wire.CreateWebhook) -> Response:
        """Without a `secret` one is made, and shown in this one answer. The target must be one that may be called."""
        _demand_target(body.url, rules)
        id_, secret = new_id(), body.secret or new_secret()
        event = WebhookEndpointCreated(url=body.url, events=tuple(body.events), by=caller.user_id, at=utc_now())
        sealed, shape = vault.seal(secret, caller.tenant_id, id_), partial(_made, None if body.secret else secret)
        why, kept = _metadata(request, caller), _under_key(request, caller, replays, shape)
        made = await endpoints.create(pool, why, id_, caller.tenant_id, event, sealed, kept)
        return _done(request, shape(made))

    @router.get("", response_model=list[wire.WebhookShape] | wire.WebhookPage, summary="The tenant's endpoints",
                responses={**TAGGED}, openapi_extra=_READ)  # fmt: skip
    async def all_(request: Request, caller: Manager, query: Annotated[wire.WebhookQuery, Query()]) -> Response:
        """A bare array, newest first; with a paging parameter a page. Never with secrets."""
        listing = _endpoints(caller)
        paging = paging_of(query, cursors, listing.name) if enveloped(request) else Bare()
        return _listed(request, await listing.read(pool, entry_of(request), request, cursors, paging))

    @router.get(
        "/{webhook_id}",
        response_model=wire.WebhookShape,
        responses={**TAGGED, **problems(404)},
        summary="One endpoint",
        openapi_extra=_READ,
    )
    async def one(request: Request, caller: Manager, webhook_id: Id) -> Response:
        """Without its secret, with the entity tag that a change may name in `If-Match`."""
        found = await _found(pool, entry_of(request), webhook_id)
        return respond(request, dumps(wire.webhook(found)), found.version)

    @router.api_route(
        "/{webhook_id}",
        methods=["PUT", "PATCH"],
        response_model=wire.WebhookShape,
        responses={200: {"headers": header("ETag")}, **problems(404, 409, 412, 422)},
        summary="Change an endpoint; fields that are not named stay",
        openapi_extra=_WRITE,
        dependencies=_KEYED,
    )
    async def change(
        request: Request, caller: Manager, webhook_id: Id, body: wire.EditWebhook, if_match: IfMatch = None
    ) -> Response:
        """All of the change or nothing; what is as it was makes no event. A new secret replaces the old one at once."""
        if "url" in body.model_fields_set:
            _demand_target(body.url, rules)
        sealed = vault.seal(body.secret, caller.tenant_id, webhook_id) if "secret" in body.model_fields_set else None
        expected = expected_version(if_match)
        for _ in range(TRIES):
            found = await _found(pool, entry_of(request), webhook_id, expected)
            event = _changed(found, body, caller)
            if event is None:
                return sent(_shown(found))
            try:
                changed = await endpoints.change(
                    pool, _metadata(request, caller), found, event, sealed, _under_key(request, caller, replays, _shown)
                )
            except WrongVersion:
                continue  # somebody was faster: look again
            return _done(request, _shown(changed))
        raise _contended()

    @router.delete(
        "/{webhook_id}",
        response_model=wire.DeletedWebhookShape,
        responses=problems(404, 409, 412, 422),
        summary="Delete an endpoint; what was still due to it is dropped",
        openapi_extra=_WRITE,
        dependencies=_KEYED,
    )
    async def delete(request: Request, caller: Manager, webhook_id: Id, if_match: IfMatch = None) -> Response:
        """Nothing is sent to it from now on. The answer has a body, which older clients read."""
        expected = expected_version(if_match)
        answer = Answer(200, dumps(wire.DeletedWebhookShape(id=webhook_id)))
        for _ in range(TRIES):
            found = await _found(pool, entry_of(request), webhook_id, expected)
            event = WebhookEndpointDeleted(by=caller.user_id, at=utc_now())
            try:
                await endpoints.delete(
                    pool,
                    _metadata(request, caller),
                    found,
                    event,
                    _under_key(request, caller, replays, lambda _: answer),
                )
            except WrongVersion:
                continue
            return _done(request, answer)
        raise _contended()

    @router.get(
        "/{webhook_id}/deliveries",
        response_model=wire.DeliveryPage,
        responses={**TAGGED, **problems(404)},
        summary="What was sent to an endpoint, or is due, with every attempt; newest first",
        openapi_extra=_READ,
    )
    async def deliveries(
        request: Request, caller: Manager, webhook_id: Id, query: Annotated[wire.DeliveryQuery, Query()]
    ) -> Response:
        """Always a page. An attempt tells status, latency and how the answer began."""
        await _found(pool, entry_of(request), webhook_id)
        listing = _deliveries(caller, webhook_id)
        paging = paging_of(query, cursors, listing.name, NEWEST_FIRST)
        return _listed(request, await listing.read(pool, entry_of(request), request, cursors, paging))

    return router


def _made(secret: str | None, endpoint: Endpoint) -> Answer:
    content = dumps(wire.new_webhook(endpoint, secret))
    return Answer(201, content, etag(endpoint.version, content), location=f"{API}/webhooks/{endpoint.id}")


def _shown(endpoint: Endpoint) -> Answer:
    content = dumps(wire.webhook(endpoint))
    return Answer(200, content, etag(endpoint.version, content))


def _under_key(
    request: Request, caller: Principal, replays: Replays, shape: Callable[[Endpoint], Answer]
) -> UnderKey | None:
    key = key_of(request)
    if key is None:
        return None
    return UnderKey(key, lambda endpoint: replays.sealed(caller.tenant_id, key, shape(endpoint)))


def _done(request: Request, answer: Answer) -> Response:
    mark_kept(request)
    response = sent(answer)
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def _endpoints(caller: Principal) -> Listing[Endpoint]:
    return Listing(
        name=list_name("webhooks", caller.tenant_id),
        page=lambda paging: lists.endpoints(caller.tenant_id, paging),
        total=lists.count_endpoints(caller.tenant_id),
        place_of=lists.place_of_endpoint,
        shape=wire.webhook,
    )


def _deliveries(caller: Principal, webhook_id: UUID) -> Listing[Delivery]:
    return Listing(
        name=list_name("deliveries", caller.tenant_id, webhook_id),
        page=lambda paging: lists.deliveries(caller.tenant_id, webhook_id, paging),
        total=lists.count_deliveries(caller.tenant_id, webhook_id),
        place_of=lists.place_of_delivery,
        shape=partial(wire.delivery, webhook_id),
    )


def _listed(request: Request, listed: Listed) -> Response:
    response = respond(request, dumps(listed.body), NO_VERSION)
    response.headers.update(listed.headers)
    return response


async def _found(pool: Pool, entry: Entry, webhook_id: UUID, expected: int | None = None) -> Endpoint:
    found = await endpoints.find(pool, entry, webhook_id)
    if found is None:
        raise Problem(404, "webhook_not_found", "There is no such webhook.")
    if expected not in (None, found.version):
        extra = {"currentVersion": found.version}
        raise Problem(412, "stale_version", "The webhook was changed meanwhile.", extra=extra)
    return found


def _changed(endpoint: Endpoint, body: wire.EditWebhook, caller: Principal) -> WebhookEndpointChanged | None:
    """The endpoint as it will stand; None when that is how it stands."""
    named = body.model_fields_set
    url = body.url if "url" in named else endpoint.url
    events = body.events if "events" in named else endpoint.events
    is_active = body.is_active if "is_active" in named else endpoint.is_active
    stands = (url, events, is_active) == (endpoint.url, endpoint.events, endpoint.is_active)
    if stands and "secret" not in named:
        return None
    return WebhookEndpointChanged(
        url=url,
        events=tuple(events),
        is_active=is_active,
        secret_replaced="secret" in named,
        by=caller.user_id,
        at=utc_now(),
    )


def _demand_target(url: str, rules: Rules) -> None:
    reason = objection(url, rules)
    if reason is not None:
        raise invalid("url", reason, "invalid_url")


def _contended() -> Problem:
    return Problem(409, "contended", "The webhook is being changed by many at once; try again.")


def _metadata(request: Request, caller: Principal) -> Metadata:
    trace = trace_of(request.headers.get("traceparent"))
    return Metadata(caller.user_id, None, UUID(request.scope["request_id"]), trace)
