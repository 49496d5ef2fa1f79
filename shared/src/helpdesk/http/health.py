"""Health: live (the process answers) and ready (with the reasons, when it is not)."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from fastapi import APIRouter
from starlette.responses import Response

from helpdesk.clock import utc_now
from helpdesk.http.access import OPEN
from helpdesk.http.json import dumps
from helpdesk.observability.metrics import metrics_routes

Check = Callable[[], Awaitable[str | None]]
"""Answers None when all is well, else the reason in words that reveal no secret."""


class Degraded(str):
    """A reason for which somebody should look, though the process does its work: it stays ready."""

    __slots__ = ()


class Consuming(Protocol):
    """What a consumer says of itself."""

    @property
    def reason(self) -> str | None: ...
    @property
    def parked(self) -> int: ...


def consuming(state: Consuming) -> Check:
    """Whether a consumer goes on; what is parked does not keep it from that, nor this process from traffic."""

    async def check() -> str | None:
        waiting = Degraded(f"{state.parked} parked: see `unpark`") if state.parked else None
        return state.reason or waiting

    return check


def health_routes(checks: Mapping[str, Check]) -> APIRouter:
    """`/health/live`, `/health/ready` and `/metrics`; ready runs every check, and answers 503 with the reasons."""
    router = APIRouter(tags=["health"])

    @router.get("/health/live", summary="The process answers", openapi_extra=OPEN)
    async def live() -> Response:
        return _answer({"status": "ok", "timestamp": utc_now()}, 200)

    @router.get("/health/ready", summary="It can do its work; else the reasons", openapi_extra=OPEN)
    async def ready() -> Response:
        found = {name: await check() for name, check in checks.items()}
        failed = [name for name, reason in found.items() if reason is not None and not isinstance(reason, Degraded)]
        body = {
            "status": "unavailable" if failed else "degraded" if any(found.values()) else "ok",
            "timestamp": utc_now(),
            "checks": {name: found[name] or "ok" for name in found},
        }
        return _answer(body, 503 if failed else 200)

    router.include_router(metrics_routes())
    return router


def _answer(body: object, status: int) -> Response:
    return Response(dumps(body), status, media_type="application/json", headers={"Cache-Control": "no-store"})
