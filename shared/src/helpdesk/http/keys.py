"""Idempotency keys at the doors: a request that comes again under its key is answered as the first time
(behaviours §2). What is kept, and in which transaction, is `helpdesk.eventstore.idempotency`'s."""

import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final, Protocol
from uuid import UUID, uuid4

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from helpdesk.auth.tokens import Principal
from helpdesk.consistency import Position, positions_of
from helpdesk.eventstore.idempotency import Answer, Answers, Key, KeyAnswered, Keyed, KeyInFlight, KeyReused
from helpdesk.eventstore.prepared import prepare
from helpdesk.eventstore.store import EventStore
from helpdesk.http import problem
from helpdesk.http.problem import Problem
from helpdesk.postgres.pool import UNAVAILABLE
from helpdesk.recorded import Metadata

log = logging.getLogger(__name__)
_EMPTY: Final = 204
"""Every other success has a body, until a redaction takes it."""
_SCOPE: Final = "idempotency_key"
_KEPT: Final = "idempotency_kept"
_MAY_BE_ITS_OWN: Final = frozenset({404, 409, 412})
"""Refusals that the same request may have brought about when it came first: who deletes twice finds nothing."""
Visible = Callable[[Sequence[Position]], Awaitable[bool]]
Redacted = Callable[[UUID, int | None], None]
"""Is told how often something of a tenant was redacted by now, None: never."""


class Seal(Protocol):
    """How bodies are stored that may show a secret."""

    def seal(self, tenant_id: UUID, key: Key, body: bytes) -> bytes: ...
    def open(self, tenant_id: UUID, key: Key, sealed: bytes) -> bytes: ...


class Replayed(Exception):
    """Ends a request with the answer that its key has already."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class Replays:
    """Answers that stand under keys, given again when the views show what the first answer promised."""

    def __init__(
        self,
        answers: Answers,
        store: EventStore | None,
        visible: Visible | None = None,
        seal: Seal | None = None,
        redacted: Redacted | None = None,
    ) -> None:
        """Without a `store` every answer must be kept in the transaction of what it tells of. `redacted` is told before
        an answer is made, so that nothing is taken into it that was read before and is kept in memory."""
        self._answers, self._store, self._visible, self._seal = answers, store, visible, seal
        self._redacted = redacted

    def sealed(self, tenant_id: UUID, key: Key, answer: Answer) -> Answer:
        """The answer as it is stored."""
        if self._seal is None or answer.body is None:
            return answer
        return replace(answer, body=self._seal.seal(tenant_id, key, answer.body))

    async def keep(self, tenant_id: UUID, key: Key, answer: Answer) -> None:
        """Keep an answer whose command is stored already. Who was faster keeps theirs."""
        if self._store is None:
            return
        alone = prepare(
            uuid4(), tenant_id, [], Metadata(None, None, None), Keyed(key, self.sealed(tenant_id, key, answer))
        )
        try:
            await self._store.append_one(alone)
        except (KeyAnswered, KeyReused, KeyInFlight, *UNAVAILABLE) as error:
            log.warning("an answer could not be kept under its key", extra={"error": repr(error)})

    async def find(self, tenant_id: UUID, key: Key) -> tuple[Response | None, Key]:
        """The answer to this request, None when it was never carried out; and the key under which it may be now.
        Raises the 422 of a key used before."""
        try:
            looked = await self._answers.look(tenant_id, key)
        except KeyReused as reused:
            raise _reused() from reused
        if self._redacted:
            self._redacted(tenant_id, looked.redactions)
        found, key = looked.answer, replace(key, redactions=looked.redactions)
        if found is None:
            return None, key
        if found.body is None and found.status != _EMPTY:
            raise _destroyed()
        if self._seal and found.body is not None:
            found = replace(found, body=self._seal.open(tenant_id, key, found.body))
        response = sent(found)
        response.headers["Idempotency-Replayed"] = "true"
        if self._visible and found.token and not await self._visible(positions_of(found.token, tenant_id)):
            response.headers["Consistency"] = "behind"
        return response, key


def sent(answer: Answer) -> Response:
    """An answer as it goes out, the first time and each time after."""
    named = {"ETag": answer.etag, "Consistency-Token": answer.token, "Location": answer.location}
    headers = {name: value for name, value in named.items() if value is not None}
    return Response(answer.body, answer.status, headers, media_type=None if answer.body is None else "application/json")


async def remember_key(request: Request, caller: Principal, value: str) -> None:
    """Note the request's key for `key_of`. Raises Replayed when it is answered already, the 422 when it is another's.

    The fingerprint covers body, content type and query, so that no two requests are taken for the same.
    """
    parts = (await request.body(), request.headers.get("content-type", "").encode(), request.scope["query_string"])
    digest = hashlib.sha256(b"".join(len(part).to_bytes(8) + part for part in parts)).digest()
    key = Key(str(caller.user_id), request.method, str(request.scope["path"]), value, digest)
    found, key = await _replays(request).find(caller.tenant_id, key)
    request.scope[_SCOPE] = caller.tenant_id, key
    if found:
        mark_kept(request)
        raise Replayed(found)


def key_of(request: Request) -> Key | None:
    """The key under which this request's answer is to be kept."""
    noted = request.scope.get(_SCOPE)
    return noted[1] if noted else None


def mark_kept(request: Request) -> None:
    """This request's answer stands under its key already, in the transaction of its events: the best way."""
    request.scope[_KEPT] = True


class Keeping:
    """Keeps the successful answers of routes that take a key and did not keep them with their events: those of many
    commands, say. A process that is killed between the two has carried out what it will not remember. What must not be
    stored (`Cache-Control: no-store`) is not kept."""

    def __init__(self, app: ASGIApp, replays: Replays) -> None:
        self._app, self._replays = app, replays

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            return await self._app(scope, receive, send)
        held: list[Message] = []

        async def keeping(message: Message) -> None:
            if not held and not (message["type"] == "http.response.start" and _is_to_be_kept(scope, message)):
                return await send(message)
            held.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                tenant_id, key = scope[_SCOPE]
                await self._replays.keep(tenant_id, key, _answer_in(held))
                for one in held:
                    await send(one)
                held.clear()
            return None

        return await self._app(scope, receive, keeping)


def _is_to_be_kept(scope: Scope, start: Message) -> bool:
    if _SCOPE not in scope or _KEPT in scope or not 200 <= start["status"] < 300:
        return False
    return "no-store" not in Headers(raw=start["headers"]).get("cache-control", "")


def _answer_in(messages: list[Message]) -> Answer:
    start, *bodies = messages
    headers = Headers(raw=start["headers"])
    body = b"".join(one.get("body", b"") for one in bodies)
    return Answer(
        start["status"], body or None, headers.get("etag"), headers.get("consistency-token"), headers.get("location")
    )


def accept_keys(app: FastAPI, replays: Replays) -> None:
    """Let the routes of `app` that depend on `helpdesk.auth.keys.keyed` find their answers in `replays`."""
    app.state.replays = replays
    app.add_exception_handler(Replayed, _replayed)
    app.add_exception_handler(KeyAnswered, _answered)
    app.add_exception_handler(KeyReused, _on_reused)
    app.add_exception_handler(KeyInFlight, _in_flight)
    app.add_exception_handler(Problem, _problem)


def _replays(request: Request) -> Replays:
    replays: Replays = request.app.state.replays
    return replays


async def _found(request: Request) -> Response | None:
    noted: tuple[UUID, Key] = request.scope[_SCOPE]
    found, _ = await _replays(request).find(*noted)
    if found:
        mark_kept(request)
    return found


async def _replayed(_: Request, error: Exception) -> Response:
    assert isinstance(error, Replayed)  # noqa: S101 - what the registration says
    return error.response


async def _answered(request: Request, _: Exception) -> Response:
    return await _found_or(request, _busy())


async def _on_reused(request: Request, _: Exception) -> Response:
    return problem.answer(request, _reused())


async def _in_flight(request: Request, _: Exception) -> Response:
    return problem.answer(request, _busy())


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - what the registration says
    if error.status in _MAY_BE_ITS_OWN and key_of(request):
        return await _found_or(request, error)
    return problem.answer(request, error)


async def _found_or(request: Request, otherwise: Problem) -> Response:
    """Within an error's handler, where another error would be our mistake."""
    try:
        return await _found(request) or problem.answer(request, otherwise)
    except Problem as instead:
        return problem.answer(request, instead)
    except UNAVAILABLE:
        return problem.answer(request, problem.unavailable())


def _reused() -> Problem:
    return Problem(422, "idempotency_key_reused", "This Idempotency-Key was used before, for another request.")


def _destroyed() -> Problem:
    return Problem(
        409,
        "idempotency_answer_redacted",
        "This request was carried out; its answer was destroyed when something in this tenant was redacted.",
    )


def _busy() -> Problem:
    return Problem(
        409,
        "idempotency_key_in_flight",
        "A request of this Idempotency-Key is being carried out; ask again.",
        headers={"Retry-After": "1"},
    )
