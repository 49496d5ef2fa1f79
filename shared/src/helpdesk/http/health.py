"""Health: live (the process answers) and ready (with the reasons, when it is not)."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from fastapi import APIRouter
from starlette.responses import Response

from helpdesk.clock import utc_now
from helpdesk.http.access import OPEN
from helpdesk.http.json import dumps
from helpdesk.http.problem import Problem
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
        """For whoever restarts what hangs: asks nothing of others."""
        return _answer({"status": "ok", "timestamp": utc_now()}, 200)

    @router.get("/health/ready", summary="It can do its work; else the reasons", openapi_extra=OPEN)
    async def ready() -> Response:
        """For whoever sends traffic. A 503 tells the reasons in `checks`, too."""
        found = {name: await check() for name, check in checks.items()}
        failed = [name for name, reason in found.items() if reason is not None and not isinstance(reason, Degraded)]
        checked = {name: reason or "ok" for name, reason in found.items()}
        if failed:
            sorry = f"It cannot do its work: {', '.join(failed)}."
            raise Problem(503, "unavailable", sorry, headers={"Cache-Control": "no-store"}, extra={"checks": checked})
        status = "degraded" if any(found.values()) else "ok"
        return _answer({"status": status, "timestamp": utc_now(), "checks": checked}, 200)

    router.include_router(metrics_routes())
    return router


def _answer(body: object, status: int) -> Response:
    return Response(dumps(body), status, media_type="application/json", headers={"Cache-Control": "no-store"})
