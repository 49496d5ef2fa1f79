"""The same request under the same key is carried out once, whatever happens on the way (behaviours §2)."""

import asyncio
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psycopg
import pytest

from localstack.stack import Stack
from support.people import API, PASSWORD, Person, fresh_address
from support.shapes import AUTH, COMMENT, CREATED_TICKET, TICKET, answered, array, refused
from support.waiting import eventually

SAME = ("ETag", "Location", "Consistency-Token", "Content-Type")


def key() -> dict[str, str]:
    return {"Idempotency-Key": uuid4().hex}


async def send(person: Person, method: str, path: str, key: dict[str, str], body: Any = None) -> httpx.Response:
    return await person.ask(method, path, headers=key, **({} if body is None else {"json": body}))


def replayed(again: httpx.Response, first: httpx.Response) -> None:
    """It is the first answer once more, and says so."""
    answered(again, first.status_code)
    assert again.headers.get("Idempotency-Replayed") == "true"
    assert again.content == first.content
    assert [again.headers.get(name) for name in SAME] == [first.headers.get(name) for name in SAME]


async def test_a_ticket_is_created_once_under_a_key(user: Person) -> None:
    once, body = key(), {"title": "Once", "description": ""}
    first = await send(user, "POST", "/tickets", once, body)
    answered(first, 201, CREATED_TICKET)
    assert "Idempotency-Replayed" not in first.headers
    for path in ("/tickets", "/api/tickets"):
        replayed(await send(user, "POST", path, once, body), first)
    assert len(answered(await user.get("/tickets"), 200)) == 1


async def test_every_write_of_tickets_and_comments_can_be_repeated(user: Person, admin: Person) -> None:
    ticket = await user.opens_ticket()
    path = f"/tickets/{ticket['id']}"
    comment = await user.comments_on(ticket)
    other = await user.comments_on(ticket)
    calls: list[tuple[Person, str, str, Any]] = [
        (user, "PATCH", path, {"title": "New"}),
        (user, "PUT", path, {"description": "New"}),
        (user, "POST", f"{path}/comments", {"content": "one"}),
        (user, "POST", "/comments", {"content": "two", "ticketId": ticket["id"]}),
        (user, "PATCH", f"{path}/comments/{comment['id']}", {"content": "three"}),
        (user, "PUT", f"/comments/{comment['id']}", {"content": "four"}),
        (user, "DELETE", f"{path}/comments/{comment['id']}", None),
        (user, "DELETE", f"/comments/{other['id']}", None),
        (admin, "DELETE", path, None),
    ]
    for person, method, address, body in calls:
        once = key()
        first = await send(person, method, address, once, body)
        assert first.status_code < 300, first.text
        replayed(await send(person, method, address, once, body), first)


async def test_a_repeated_change_does_not_undo_what_came_after_it(user: Person) -> None:
    ticket = await user.opens_ticket()
    once, path = key(), f"/tickets/{ticket['id']}"
    first = await send(user, "PATCH", path, once, {"title": "First"})
    await user.edits(ticket, title="Second")
    replayed(await send(user, "PATCH", path, once, {"title": "First"}), first)
    assert (await user.reads(ticket))["title"] == "Second"


async def test_a_change_that_changes_nothing_is_remembered_too(user: Person) -> None:
    ticket = await user.opens_ticket(title="Same")
    once, path = key(), f"/tickets/{ticket['id']}"
    first = await send(user, "PATCH", path, once, {"title": "Same"})
    await user.edits(ticket, title="Other")
    replayed(await send(user, "PATCH", path, once, {"title": "Same"}), first)
    assert (await user.reads(ticket))["title"] == "Other"


async def test_a_key_with_another_request_is_refused(user: Person) -> None:
    once = key()
    answered(await send(user, "POST", "/tickets", once, {"title": "One", "description": ""}), 201)
    other = {"title": "Two", "description": ""}
    refused(await send(user, "POST", "/tickets", once, other), 422, "idempotency_key_reused")
    same = {"title": "One", "description": ""}
    refused(await send(user, "POST", "/tickets?x=1", once, same), 422, "idempotency_key_reused")
    plain = once | {"Content-Type": "application/json; charset=utf-8"}
    refused(await user.ask("POST", "/tickets", headers=plain, json=same), 422, "idempotency_key_reused")
    assert len(answered(await user.get("/tickets"), 200)) == 1


async def test_a_key_counts_for_its_person_method_and_path_alone(
    user: Person, other_user: Person, stranger: Person
) -> None:
    once, body = key(), {"title": "Mine", "description": ""}
    ids = {answered(await send(one, "POST", "/tickets", once, body), 201)["id"] for one in (user, other_user, stranger)}
    assert len(ids) == 3
    ticket = await user.opens_ticket()
    for method, path in (("PUT", "/tickets/{}"), ("PATCH", "/tickets/{}")):
        response = await send(user, method, path.format(ticket["id"]), once, {"title": method})
        assert answered(response, 200, TICKET)["title"] == method


@pytest.mark.parametrize("value", ["", "x" * 256, "tab\there", "\u00e9"])
async def test_a_key_is_printable_and_at_most_255_long(user: Person, value: str) -> None:
    headers = {"Idempotency-Key": value.encode()}
    body = {"title": "x", "description": ""}
    response = await user.client.post(
        f"{API}/tickets", json=body, headers={b"Authorization": f"Bearer {user.token}".encode(), **{
            name.encode(): one for name, one in headers.items()}}
    )  # fmt: skip
    refused(response, 400, "validation_failed", "Idempotency-Key")


async def test_keys_of_one_and_of_255_characters_are_good(user: Person) -> None:
    for value in ("~", "a key with spaces", "x" * 255):
        body = {"title": value[:9], "description": ""}
        first = await send(user, "POST", "/tickets", {"Idempotency-Key": value}, body)
        replayed(await send(user, "POST", "/tickets", {"Idempotency-Key": value}, body), first)


async def test_what_was_refused_can_be_sent_again_under_its_key(user: Person, agent: Person) -> None:
    ticket = await user.opens_ticket()
    path = f"/tickets/{ticket['id']}"
    once = key()
    refused(await send(agent, "PATCH", path, once, {"title": ""}), 400)
    refused(await send(user, "DELETE", path, once), 403)
    unknown = f"/tickets/{uuid4()}"
    refused(await send(agent, "PATCH", unknown, once, {"title": "x"}), 404)
    stale = once | {"If-Match": '"v9"'}
    refused(await send(agent, "PATCH", path, stale, {"title": "x"}), 412)
    first = await send(agent, "PATCH", path, once, {"title": "x"})
    answered(first, 200, TICKET)
    replayed(await send(agent, "PATCH", path, once, {"title": "x"}), first)


async def test_a_change_on_a_version_can_be_repeated(user: Person) -> None:
    ticket = await user.opens_ticket()
    path, once = f"/tickets/{ticket['id']}", key() | {"If-Match": '"v1"'}
    first = await send(user, "PATCH", path, once, {"title": "x"})
    answered(first, 200, TICKET)
    replayed(await send(user, "PATCH", path, once, {"title": "x"}), first)


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
async def test_of_many_at_once_under_one_key_one_is_carried_out(user: Person, admin: Person, method: str) -> None:
    ticket = await user.opens_ticket()
    once = key()
    path, body = f"/tickets/{ticket['id']}", {"title": "x", "description": ""}
    responses = await asyncio.gather(
        *(
            send(admin, method, "/tickets" if method == "POST" else path, once, None if method == "DELETE" else body)
            for _ in range(12)
        )
    )
    first = [one for one in responses if one.status_code < 300 and "Idempotency-Replayed" not in one.headers]
    assert len(first) == 1
    for one in responses:
        if one.status_code == 409:
            refused(one, 409, "idempotency_key_in_flight")
            assert one.headers["Retry-After"] == "1"
        elif one is not first[0]:
            replayed(one, first[0])


async def test_a_repeated_write_is_read_like_the_first(user: Person) -> None:
    once, body = key(), {"title": "Seen", "description": ""}
    for _ in range(2):
        made = answered(await send(user, "POST", "/tickets", once, body), 201)
        assert [one["id"] for one in answered(await user.get("/tickets"), 200)] == [made["id"]]


async def test_a_cut_connection_doubles_nothing(user: Person, stack: Stack) -> None:
    ticket = await user.opens_ticket()
    path, body = f"{API}/tickets/{ticket['id']}/comments", b'{"content":"Did you get this?"}'
    origin, value = urlsplit(stack.origin), uuid4().hex
    for _ in range(5):  # each goes away without waiting for the answer
        _, writer = await asyncio.open_connection(origin.hostname, origin.port)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {origin.netloc}\r\nAuthorization: Bearer {user.token}\r\n"
            f"Idempotency-Key: {value}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await writer.drain()
        writer.transport.abort()

    async def last() -> httpx.Response | None:
        headers = {"Idempotency-Key": value, "Content-Type": "application/json"}
        response = await user.ask("POST", path, headers=headers, content=body)
        return response if response.status_code != 409 else None

    answered(await eventually(last), 201, COMMENT)
    found = answered(await user.get(f"/tickets/{ticket['id']}/comments"), 200, array(COMMENT))
    assert [one["content"] for one in found] == ["Did you get this?"]


async def test_webhooks_take_keys_and_show_their_secret_again(agent: Person, stack: Stack) -> None:
    hook = {"url": "http://127.0.0.1:9/", "events": ["TICKET_CLOSED"]}
    once, later, last = key(), key(), key()
    before = len(answered(await agent.get("/webhooks"), 200))
    first = await send(agent, "POST", "/webhooks", once, hook)
    made = answered(first, 201)
    path = f"/webhooks/{made['id']}"
    again = await send(agent, "POST", "/webhooks", once, hook)
    replayed(again, first)
    assert answered(again, 201)["secret"] == made["secret"]
    assert len(answered(await agent.get("/webhooks"), 200)) == before + 1
    async with await psycopg.AsyncConnection.connect(stack.admin_dsn) as connection:
        query = "select body from webhooks.idempotency where key = %s"
        ((body,),) = await (await connection.execute(query, (once["Idempotency-Key"],))).fetchall()
    assert made["secret"].encode() not in body
    for change in ({"isActive": False}, {"isActive": False}):  # the second changes nothing
        edit = key()
        changed = await send(agent, "PATCH", path, edit, change)
        replayed(await send(agent, "PATCH", path, edit, change), changed)
    refused(await send(agent, "PATCH", path, later, {"events": []}), 400)
    gone = await send(agent, "DELETE", path, last)
    replayed(await send(agent, "DELETE", path, last), gone)
    refused(await send(agent, "DELETE", path, key()), 404)
    refused(await send(agent, "POST", "/webhooks", once, hook | {"events": ["TICKET_CREATED"]}), 422)


async def test_of_many_webhooks_at_once_under_one_key_one_is_made(agent: Person) -> None:
    hook = {"url": "http://127.0.0.1:9/", "events": ["TICKET_CLOSED"]}
    once = key()
    responses = await asyncio.gather(*(send(agent, "POST", "/webhooks", once, hook) for _ in range(8)))
    made = {one.json()["id"] for one in responses if one.status_code == 201}
    assert len(made) == 1
    assert {one.status_code for one in responses} <= {201, 409}
    answered(await agent.delete(f"/webhooks/{made.pop()}"), 200)


async def test_an_answer_that_was_redacted_is_not_given_empty(user: Person, stack: Stack) -> None:
    once, body = key(), {"title": "Secret", "description": ""}
    answered(await send(user, "POST", "/tickets", once, body), 201)
    async with await psycopg.AsyncConnection.connect(stack.admin_dsn) as connection:  # what a redaction does
        await connection.execute("update events.idempotency set body = null where key = %s", (once["Idempotency-Key"],))
    refused(await send(user, "POST", "/tickets", once, body), 409, "idempotency_answer_redacted")
    assert len(answered(await user.get("/tickets"), 200)) == 1


async def test_identity_takes_no_keys(client: httpx.AsyncClient) -> None:
    body = {"email": fresh_address(), "password": PASSWORD, "name": "Ada"}
    once = key()
    answered(await client.post(f"{API}/auth/signup", json=body, headers=once), 201, AUTH)
    refused(await client.post(f"{API}/auth/signup", json=body, headers=once), 409, "email_taken")
