"""What happens around every request, as plain ASGI (one BaseHTTPMiddleware costs 50 times as much)."""

import logging
import re
import time
from typing import Final
from uuid import UUID, uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from helpdesk.http.problem import answer, internal

log = logging.getLogger("helpdesk.request")
_ROOT: Final = "/api/v1"
_TRACEPARENT: Final = re.compile("00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
ALIASES: Final = (
    # prefix of older clients → ours; True: its lists are always enveloped (contract §1)
    ("/api/auth/", "/api/v1/auth/", False),
    ("/api/tickets", "/api/v1/tickets", True),
    ("/api/comments", "/api/v1/comments", True),
)


class Edge:
    """Request id, aliases, HEAD for every GET, one log line, and a 500 that reveals nothing when all else failed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        request_id = request_id_of(Headers(scope=scope).get("x-request-id"))
        path = str(scope["path"])
        scope["request_id"], scope["original_path"], scope["enveloped"] = request_id, path, False
        scope["path"], scope["enveloped"] = resolved(path)
        method = str(scope["method"])
        scope["original_method"], bodiless = method, method == "HEAD"
        if bodiless:
            scope = {**scope, "method": "GET"}  # a copy: the server still knows that no body follows
        started, status = time.perf_counter(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            elif bodiless:
                message = {**message, "body": b""}
            await send(message)

        if "json" in Headers(scope=scope).get("content-type", "").lower():
            receive = in_utf8(receive)
        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            log.exception("request failed", extra={"request_id": request_id, "path": path})
            if status == 0:
                await answer(Request(scope), internal())(scope, receive, send_with_id)
        finally:
            log.info(
                "request",
                extra={
                    "method": method,
                    "path": path,
                    "status": status,
                    "ms": round((time.perf_counter() - started) * 1000, 1),
                    "request_id": request_id,
                },
            )
        return None


def in_utf8(receive: Receive) -> Receive:
    """The same body, or a 400: JSON is UTF-8 (contract §2), and Python's parser would guess UTF-16 and UTF-32, too.

    Their JSON has a NUL beside its first brace; in UTF-8 none may be anywhere.
    """

    async def checked() -> Message:
        message = await receive()
        if b"\x00" in message.get("body", b""):
            raise HTTPException(400)
        return message

    return checked


def request_id_of(incoming: str | None) -> str:
    """The incoming request id if it is a UUID, else a new one."""
    try:
        return str(UUID(incoming)) if incoming and len(incoming) == 36 else str(uuid4())
    except ValueError:
        return str(uuid4())


def trace_of(incoming: str | None) -> str | None:
    """The caller's trace, if `traceparent` is one (W3C Trace Context, version 00): it stands in events for ever, so
    nothing else does."""
    return incoming if incoming and _TRACEPARENT.fullmatch(incoming) else None


def resolved(path: str) -> tuple[str, bool]:
    """Our own path for an alias, and whether lists there are always enveloped."""
    if path == _ROOT:
        return f"{_ROOT}/", False
    for prefix, ours, enveloped in ALIASES:
        if path.startswith(prefix) and (prefix.endswith("/") or path[len(prefix) :][:1] in ("", "/")):
            return ours + path[len(prefix) :], enveloped
    return path, False
