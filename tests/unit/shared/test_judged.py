"""No answer leaves before its caller was judged (ADR 28): what needs no database of ours."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID

import httpx
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from helpdesk.auth.standing import Known
from helpdesk.auth.tokens import Principal
from helpdesk.http.judged import Entrance, Judged, mark_mistaken
from helpdesk.postgres.pool import open_pool

ADA = Principal(UUID(int=1), UUID(int=2), "AGENT", datetime(2026, 1, 1, tzinfo=UTC))
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


async def nothing(_tenant: UUID, _user: UUID) -> Known:
    """Of nobody anything is known."""
    return Known(closed=False)


def answering(believe: Callable[[Scope], Awaitable[object]]) -> ASGIApp:
    """What has looked at nobody's rows, and tells a secret."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await believe(scope)
        await PlainTextResponse("secret")(scope, receive, send)

    return Judged(app)


async def asked(app: ASGIApp) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://tickets.test") as client:
        return await client.get("/")


async def test_while_nobody_can_be_judged_a_believed_caller_is_told_to_come_again() -> None:
    async with open_pool(NOWHERE, name="test") as pool:
        entrance = Entrance(pool, "views", nothing)
        answer = await asked(answering(lambda scope: entrance(scope, ADA)))
    assert (answer.status_code, answer.json()["reason"]) == (503, "unavailable")
    assert "secret" not in answer.text
    assert answer.headers["Retry-After"] == "1"


async def test_who_calls_without_a_token_is_not_judged() -> None:
    async def nobody(_: Scope) -> None:
        """A public route."""

    answer = await asked(answering(nobody))
    assert (answer.status_code, answer.text) == (200, "secret")


async def test_what_was_noted_of_an_answer_for_somebody_else_does_not_stay_with_the_request() -> None:
    """The audit would give the reason of a refusal that never was."""
    reasons: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        reasons.append(scope.get("reason"))
        if len(reasons) == 1:
            scope["reason"] = "not_allowed"
            mark_mistaken(Request(scope))
        await PlainTextResponse("theirs")(scope, receive, send)

    assert (await asked(Judged(app))).text == "theirs"
    assert reasons == [None, None]
