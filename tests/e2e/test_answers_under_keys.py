"""An answer stands under its key in the transaction of what it tells of: no crash comes between (behaviours §2)."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from e2e.test_idempotency_keys import key, replayed, send
from e2e.test_notifications import heard, own
from localstack.stack import Stack
from support.people import PASSWORD, Person, fresh_address
from support.shapes import NOTIFICATION, answered, array, has, refused
from support.uploads import PNG, Uploader
from support.waiting import eventually

TOGETHER = """
select count(*), bool_and(i.xmin::text::bigint = e.xid::text::numeric %% 4294967296), bool_and(i.status > 0)
from events.idempotency i, events.event e
where i.key = %s and e.metadata ->> 'correlation_id' = %s"""


async def rows(stack: Stack, query: str, *values: Any) -> list[tuple[Any, ...]]:
    async with await psycopg.AsyncConnection.connect(stack.admin_dsn) as connection:
        return await (await connection.execute(query, values)).fetchall()


def new_user(**fields: Any) -> dict[str, Any]:
    return {"email": fresh_address(), "firstName": "Ada", "lastName": "Lovelace", "role": "USER", **fields}


def new_tenant(**fields: Any) -> dict[str, Any]:
    return {"name": "Ada's", "slug": f"ada-{uuid4().hex[:12]}", **fields}


async def once(stack: Stack, person: Person, method: str, path: str, body: Any = None) -> httpx.Response:
    """The first answer, after it was seen that it stands with its events, and is given again."""
    under = key()
    first = await send(person, method, path, under, body)
    assert first.status_code < 300, first.text
    ((count, together, said),) = await rows(stack, TOGETHER, under["Idempotency-Key"], first.headers["X-Request-Id"])
    assert (count >= 1, together, said) == (True, True, True), (method, path)
    replayed(await send(person, method, path, under, body), first)
    return first


async def test_answers_about_users_stand_with_their_events(admin: Person, stack: Stack) -> None:
    made = answered(await once(stack, admin, "POST", "/users", new_user(password=PASSWORD)), 201)
    path = f"/users/{made['id']}"
    await once(stack, admin, "PATCH", path, {"firstName": "Augusta"})
    await once(stack, admin, "PUT", path, {"role": "AGENT"})
    await once(stack, admin, "DELETE", path)
    invited = await once(stack, admin, "POST", "/users", new_user())
    assert invited.headers["Location"] == f"/api/v1/users/{answered(invited, 201)['id']}"


async def test_answers_about_tenants_stand_with_their_events(admin: Person, stack: Stack) -> None:
    """The key is the operator's; what they do happens in another tenant."""
    first = {"email": fresh_address(), "password": PASSWORD, "name": "Ada"}
    made = answered(await once(stack, admin, "POST", "/tenants", new_tenant(admin=first)), 201)
    login = await admin.client.post(
        "/api/v1/auth/login", json={"email": first["email"], "password": PASSWORD, "tenantSlug": made["slug"]}
    )
    assert answered(login, 200)["user"]["role"] == "ADMIN"
    path = f"/tenants/{made['id']}"
    await once(stack, admin, "PATCH", path, {"name": "Augusta's"})
    await once(stack, admin, "PUT", path, {"settings": {"openRegistration": False}})
    await once(stack, admin, "DELETE", path)


async def test_answers_about_files_stand_with_their_events(user: Person, stack: Stack) -> None:
    uploader = Uploader(user, await user.opens_ticket())
    begun = await uploader.begins()
    await uploader.puts(begun)
    body = {"filename": "scan.png", "fileUrl": begun["fileUrl"], "fileSize": len(PNG), "mimeType": "image/png"}
    made = answered(await once(stack, user, "POST", uploader.path, body), 201)
    await once(stack, user, "DELETE", f"{uploader.path}/{made['id']}")


async def test_an_upload_begins_once_under_a_key(user: Person) -> None:
    uploader, under = Uploader(user, await user.opens_ticket()), key()
    path, body = f"{uploader.path}/upload-url", {"filename": "scan.png", "mimeType": "image/png"}
    first = await send(user, "POST", path, under, body)
    replayed(await send(user, "POST", path, under, body), first)
    refused(await send(user, "POST", path, under, body | {"fileSize": 1}), 422, "idempotency_key_reused")
    assert (await uploader.puts(answered(first, 200))).status_code == 200
    answered(await uploader.completes(answered(first, 200)), 201)


async def test_the_answer_about_oneself_stands_with_its_events(user: Person, stack: Stack) -> None:
    await once(stack, user, "PUT", "/auth/me", {"name": "Augusta King"})
    under = key()
    first = await send(user, "PUT", "/auth/me", under, {"name": "Ada King"})
    answered(await user.ask("PUT", "/auth/me", json={"name": "Ada Lovelace"}), 200)
    replayed(await send(user, "PUT", "/auth/me", under, {"name": "Ada King"}), first)
    assert answered(await user.get("/auth/me"), 200)["name"] == "Ada Lovelace"
    refused(await send(user, "PUT", "/auth/me", under, {"name": "Other"}), 422, "idempotency_key_reused")


async def test_what_changes_nothing_is_remembered_too(admin: Person) -> None:
    user = answered(await admin.post("/users", new_user()), 201)
    tenant = answered(await admin.post("/tenants", new_tenant()), 201)
    for path, body in ((f"/users/{user['id']}", {"role": "USER"}), (f"/tenants/{tenant['id']}", {"name": "Ada's"})):
        under = key()
        first = await send(admin, "PATCH", path, under, body)
        changed = {"role": "AGENT"} if "role" in body else {"name": "Other"}
        answered(await admin.patch(path, changed), 200)
        replayed(await send(admin, "PATCH", path, under, body), first)
        now = answered(await admin.get(path), 200)
        assert now | changed == now


async def test_a_refused_user_or_tenant_leaves_its_key_free(admin: Person) -> None:
    under, taken = key(), new_user()
    answered(await admin.post("/users", taken), 201)
    refused(await send(admin, "POST", "/users", under, taken), 409, "email_taken")
    answered(await send(admin, "POST", "/users", under, new_user()), 201)
    under, tenant = key(), new_tenant()
    answered(await admin.post("/tenants", tenant), 201)
    refused(await send(admin, "POST", "/tenants", under, tenant), 409, "slug_taken")
    answered(await send(admin, "POST", "/tenants", under, new_tenant()), 201)


@pytest.mark.parametrize("path", ["/users", "/tenants"])
async def test_of_many_at_once_under_one_key_one_is_made(admin: Person, path: str) -> None:
    under, body = key(), new_user() if path == "/users" else new_tenant()
    responses = await asyncio.gather(*(send(admin, "POST", path, under, body) for _ in range(6)))
    made = {one.json()["id"] for one in responses if one.status_code == 201}
    assert len(made) == 1
    assert {one.status_code for one in responses} <= {201, 409}
    for one in responses:
        if one.status_code == 409:
            refused(one, 409, "idempotency_key_in_flight")


@pytest.mark.parametrize("path", ["/users", "/tenants"])
async def test_who_never_got_the_answer_finds_one_effect_and_the_answer(admin: Person, stack: Stack, path: str) -> None:
    """Killed between append and answer: the views stand still, so the command waits for them when it is killed."""
    under = key()
    body = new_user(password=PASSWORD) if path == "/users" else new_tenant(admin={
        "email": fresh_address(), "password": PASSWORD, "name": "Ada"})  # fmt: skip
    kept = "select 1 from events.idempotency where key = %s"
    stack.pause("projector")
    try:
        sending = asyncio.create_task(send(admin, "POST", path, under, body))
        await eventually(lambda: rows(stack, kept, under["Idempotency-Key"]))
        assert not sending.done()
        stack.kill("command-api")
        unheard = (await asyncio.gather(sending, return_exceptions=True))[0]
        assert not isinstance(unheard, httpx.Response) or unheard.status_code >= 500
    finally:
        stack.resume("projector")
        await asyncio.to_thread(stack.wait_ready, "command-api")
    again = await send(admin, "POST", path, under, body)
    made = answered(again, 201)
    assert again.headers["Idempotency-Replayed"] == "true"
    stream = "select count(distinct stream_id) from events.event where type = any(%s) and stream_id = %s"
    assert await rows(stack, stream, ["user.registered", "tenant.created"], made["id"]) == [(1,)]
    word = body["email"] if path == "/users" else body["slug"]
    listed = answered(await admin.get(f"{path}?limit=100&sortOrder=desc"), 200)["data"]
    assert [one["id"] for one in listed if word in (one.get("email"), one.get("slug"))] == [made["id"]]


async def test_notifications_take_keys(user: Person, other_user: Person, stack: Stack) -> None:
    one, two = await own(user, "one"), await own(user, "two")
    read, all_, gone = key(), key(), key()
    path = f"/notifications/{one['id']}"
    first = await send(user, "PUT", f"{path}/read", read)
    assert answered(first, 200, NOTIFICATION) == one | {"isRead": True}
    replayed(await send(user, "PUT", f"{path}/read", read), first)
    refused(await send(user, "PUT", f"{path}/read", read, {"x": 1}), 422, "idempotency_key_reused")

    first = await send(user, "PUT", "/notifications/read-all", all_)
    assert answered(first, 200, has(count={"type": "integer"}))["count"] == 1
    await own(user, "three")
    replayed(await send(user, "PUT", "/notifications/read-all", all_), first)
    assert [found["isRead"] for found in await heard(user)] == [False, True, True]
    assert answered(await send(other_user, "PUT", "/notifications/read-all", all_), 200)["count"] == 0  # their own key

    refused(await send(user, "DELETE", f"/notifications/{uuid4()}", gone), 404)
    first = await send(user, "DELETE", path, gone)
    answered(first, 204)
    replayed(await send(user, "DELETE", path, gone), first)
    refused(await send(user, "DELETE", path, key()), 404, "notification_not_found")
    refused(await send(other_user, "DELETE", f"/notifications/{two['id']}", gone), 404)
    assert len(answered(await user.get("/notifications"), 200, array(NOTIFICATION))) == 2
    kept = "select status, expires_at - now() between '23 hours' and '24 hours' from notices.idempotency where key = %s"
    assert await rows(stack, kept, gone["Idempotency-Key"]) == [(204, True)]


async def test_of_many_at_once_one_marks_all_as_read(user: Person) -> None:
    await own(user)
    under = key()
    responses = await asyncio.gather(*(send(user, "PUT", "/notifications/read-all", under) for _ in range(8)))
    assert {one.status_code for one in responses} <= {200, 409}
    assert {one.json()["count"] for one in responses if one.status_code == 200} == {1}
    assert sum(one.status_code == 200 and "Idempotency-Replayed" not in one.headers for one in responses) == 1


async def test_while_one_changes_a_notification_the_other_is_told_to_wait(user: Person, stack: Stack) -> None:
    notification, under = await own(user), key()
    path = f"/notifications/{notification['id']}/read"
    async with await psycopg.AsyncConnection.connect(stack.admin_dsn) as holder:
        await holder.execute("select 1 from notices.notification where id = %s for update", (notification["id"],))
        sending = asyncio.create_task(send(user, "PUT", path, under))
        waits = (
            "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%%notices.notification%%'"
        )
        await eventually(lambda: rows(stack, waits))
        busy = await send(user, "PUT", path, under)
        refused(busy, 409, "idempotency_key_in_flight")
        assert busy.headers["Retry-After"] == "1"
        await holder.rollback()
    first = await sending
    answered(first, 200, NOTIFICATION)
    replayed(await send(user, "PUT", path, under), first)


async def test_the_trace_of_a_request_stands_with_its_events(agent: Person, stack: Stack) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    opened = {"title": "The printer burns", "description": ""}
    heard_by = {"url": "http://127.0.0.1:9/hook", "events": ["TICKET_CREATED"]}
    for path, body, schema in (("/tickets", opened, "events"), ("/webhooks", heard_by, "webhooks")):
        for sent, stored in ((trace, trace), ("none of ours", None)):
            answer = await agent.ask("POST", path, json=body, headers={"traceparent": sent})
            assert answer.status_code == 201, answer.text
            query = f"select metadata ->> 'traceparent' from {schema}.event where metadata ->> 'correlation_id' = %s"
            assert set(await rows(stack, query, answer.headers["X-Request-Id"])) == {(stored,)}
