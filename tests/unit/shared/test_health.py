"""What a process that cannot do its work tells: the body of every error, and the reasons."""

from functools import partial

import httpx

from helpdesk.http.app import build_api, edge
from helpdesk.http.health import Degraded, health_routes
from support.shapes import ERROR, fits


async def said(reason: str | None) -> str | None:
    return reason


async def told(**reasons: str | None) -> httpx.Response:
    app = build_api("test")
    app.include_router(health_routes({name: partial(said, reason) for name, reason in reasons.items()}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(edge(app)), base_url="http://test") as client:
        return await client.get("/health/ready")


async def test_a_process_that_cannot_do_its_work_says_so_in_the_body_of_every_error() -> None:
    answer = await told(database="unreachable", intake=None)
    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    fits(answer.json(), ERROR)
    assert answer.json()["checks"] == {"database": "unreachable", "intake": "ok"}


async def test_a_process_at_which_somebody_should_look_stays_ready() -> None:
    answer = await told(intake=Degraded("1 parked"), database=None)
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
