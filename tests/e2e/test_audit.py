"""Who was denied what, whose commands failed, who signed in and who tried to (behaviours §11)."""

from typing import Any
from uuid import uuid4

import httpx
import psycopg
from psycopg.rows import dict_row

from localstack.stack import Stack
from support.people import API, PASSWORD, Person, fresh_address
from support.shapes import answered, refused
from support.waiting import eventually

Row = dict[str, Any]


async def rows(stack: Stack, count: int, schema: str = "events", **where: object) -> list[Row]:
    """The rows with these values, as soon as there are so many."""

    async def look() -> list[Row] | None:
        conditions = " and ".join(f"{name} = %({name})s" for name in where)
        query = f"select * from {schema}.audit where {conditions} order by id"
        async with (
            await psycopg.AsyncConnection.connect(stack.admin_dsn) as connection,
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            await cursor.execute(query, where)
            found = await cursor.fetchall()
        return found if len(found) >= count else None

    return await eventually(look)


async def test_what_is_denied_and_what_fails_is_written_down(
    stack: Stack, user: Person, other_user: Person, stranger: Person
) -> None:
    ticket = await user.opens_ticket()
    path = f"/tickets/{ticket['id']}"
    denied = await other_user.patch(path, {"title": "Mine"})
    refused(denied, 403)
    refused(await other_user.post("/webhooks", {"url": "http://127.0.0.1:9/", "events": ["TICKET_CLOSED"]}), 403)
    (row,) = await rows(stack, 1, actor_id=other_user.id, status=403)
    assert (row["action"], row["target"], row["outcome"]) == ("PATCH", f"{API}{path}", "denied")
    assert (row["status"], row["reason"], str(row["tenant_id"])) == (403, "not_allowed", other_user.tenant_id)
    assert (str(row["request_id"]), row["address"]) == (denied.headers["X-Request-Id"], "127.0.0.1")
    (row,) = await rows(stack, 1, "webhooks", actor_id=other_user.id)
    assert (row["target"], row["status"]) == (f"{API}/webhooks", 403)
    refused(await user.patch(path, {"title": "x"}, **{"If-Match": '"v9"'}), 412)
    (row,) = await rows(stack, 1, actor_id=user.id, status=412)
    assert (row["outcome"], row["reason"]) == ("failed", "stale_version")
    refused(await stranger.patch(path, {"title": "x"}), 404)
    (row,) = await rows(stack, 1, actor_id=stranger.id, target=f"{API}{path}")
    assert (str(row["tenant_id"]), row["outcome"]) == (stranger.tenant_id, "denied")


async def test_sign_ins_and_failed_logins_are_written_down_for_their_tenant(
    stack: Stack, client: httpx.AsyncClient, user: Person
) -> None:
    async def login(**fields: str) -> httpx.Response:
        return await client.post(f"{API}/auth/login", json={"email": user.email, "password": PASSWORD, **fields})

    answered(await login(), 200)
    refused(await login(password="wrong"), 401)
    refused(await login(password="wrong", tenantSlug="demo-company"), 401)  # no account there: nobody to tell
    refused(await login(email=fresh_address()), 401)
    found = await rows(stack, 3, target=f"user/{user.id}")
    assert [(row["outcome"], row["status"]) for row in found] == [
        ("succeeded", 200),  # the sign-up
        ("succeeded", 200),
        ("denied", 401),
    ]
    assert [str(row["actor_id"]) for row in found] == [user.id, user.id, "None"]
    assert {row["action"] for row in found} == {"sign_in"}
    assert {str(row["tenant_id"]) for row in found} == {user.tenant_id}
    assert user.email not in str(found)


async def test_what_succeeds_or_is_not_understood_leaves_no_row(stack: Stack, user: Person, agent: Person) -> None:
    ticket = await user.opens_ticket()
    await user.edits(ticket, title="x")
    refused(await user.patch(f"/tickets/{ticket['id']}", {"title": ""}), 400)
    refused(await user.get(f"/tickets/{uuid4()}"), 404)
    refused(await user.delete(f"/tickets/{ticket['id']}"), 403)
    found = await rows(stack, 1, actor_id=user.id, action="DELETE")
    assert [row["status"] for row in found] == [403]
    assert {row["action"] for row in await rows(stack, 2, actor_id=user.id)} == {"sign_in", "DELETE"}


async def test_reads_that_are_denied_are_written_down_by_whom_they_asked(
    stack: Stack, user: Person, other_user: Person, stranger: Person
) -> None:
    ticket = await user.opens_ticket()
    path = f"/tickets/{ticket['id']}"
    denied = await other_user.get(path)
    refused(denied, 403)
    (row,) = await rows(stack, 1, "access", actor_id=other_user.id)
    assert (row["action"], row["target"], row["outcome"]) == ("GET", f"{API}{path}", "denied")
    assert (row["status"], row["reason"], str(row["tenant_id"])) == (403, "not_allowed", other_user.tenant_id)
    assert (str(row["request_id"]), row["address"]) == (denied.headers["X-Request-Id"], "127.0.0.1")
    refused(await stranger.get(f"{path}/comments"), 404)
    (row,) = await rows(stack, 1, "access", actor_id=stranger.id, target=f"{API}{path}/comments")
    assert (row["status"], str(row["tenant_id"])) == (404, stranger.tenant_id)
    refused(await other_user.get("/webhooks"), 403)
    (row,) = await rows(stack, 1, "webhooks", actor_id=other_user.id)
    assert (row["action"], row["target"], row["status"]) == ("GET", f"{API}/webhooks", 403)
    refused(await other_user.put(f"/notifications/{ticket['id']}/read", {}), 404)
    (row,) = await rows(stack, 1, "notices", actor_id=other_user.id)
    assert (row["action"], row["reason"], row["outcome"]) == ("PUT", "notification_not_found", "denied")


async def test_whoever_comes_with_an_ended_token_is_written_down(stack: Stack, user: Person) -> None:
    answered(await user.post("/auth/logout", {}), 204)
    for schema, path in (("access", "/tickets"), ("webhooks", "/webhooks"), ("notices", "/notifications")):
        refused(await user.get(path), 401, "ended_token")
        (row,) = await rows(stack, 1, schema, actor_id=user.id)
        assert (row["target"], row["status"], row["reason"]) == (f"{API}{path}", 401, "ended_token")
        assert user.token not in str(row)


async def test_what_an_operator_reads_of_other_tenants_is_written_down(
    stack: Stack, admin: Person, stranger: Person
) -> None:
    theirs = f"tenant/{stranger.tenant_id}"
    for path, query, target in (
        ("/tenants", {}, "tenants"),
        (f"/tenants/{stranger.tenant_id}", {}, theirs),
        ("/users", {"tenantId": stranger.tenant_id}, f"{theirs}/users"),
    ):
        read = await admin.get(path, **query)
        answered(read, 200)
        (row,) = await rows(stack, 1, "access", request_id=read.headers["X-Request-Id"])
        assert (row["target"], row["outcome"], row["status"]) == (target, "succeeded", 200)
        assert (str(row["actor_id"]), str(row["tenant_id"])) == (admin.id, admin.tenant_id)


async def test_reads_of_ones_own_and_those_that_are_not_understood_leave_no_row(
    stack: Stack, admin: Person, stranger: Person, user: Person, other_user: Person
) -> None:
    ticket = await user.opens_ticket()
    await user.reads(ticket)
    refused(await user.get("/tickets", limit="many"), 400)
    refused(await user.get("/nowhere"), 404)
    refused(await user.get("/tickets/bulk-update"), 405)
    refused(await user.get(f"/tickets/{admin.id}"), 404)
    assert [row["status"] for row in await rows(stack, 1, "access", actor_id=user.id)] == [404]
    for path in ("/tenants", f"/tenants/{stranger.tenant_id}", "/users"):
        answered(await stranger.get(path), 200)
    refused(await stranger.get(f"/tenants/{admin.tenant_id}"), 404)
    found = await rows(stack, 1, "access", actor_id=stranger.id, target=f"{API}/tenants/{admin.tenant_id}")
    assert [row["outcome"] for row in found] == ["denied"]
    assert "succeeded" not in {row["outcome"] for row in await rows(stack, 1, "access", actor_id=stranger.id)}


async def test_one_caller_cannot_fill_the_audit(stack: Stack, user: Person, other_user: Person) -> None:
    ticket = await user.opens_ticket()
    for _ in range(70):
        refused(await other_user.delete(f"/tickets/{ticket['id']}"), 403)
    refused(await user.delete(f"/tickets/{ticket['id']}"), 403)
    assert len(await rows(stack, 1, actor_id=user.id, action="DELETE")) == 1
    assert 50 <= len(await rows(stack, 50, actor_id=other_user.id, action="DELETE")) <= 70
    for _ in range(70):
        refused(await other_user.get(f"/tickets/{ticket['id']}"), 403)
    assert 50 <= len(await rows(stack, 50, "access", actor_id=other_user.id)) <= 70


async def test_nobody_who_serves_can_change_or_take_away_a_row(stack: Stack) -> None:
    for login, schema in (
        ("command_api", "events"),
        ("webhook_dispatcher", "webhooks"),
        ("webhook_worker", "webhooks"),
        ("query_api", "access"),
        ("notifier", "notices"),
    ):
        async with await psycopg.AsyncConnection.connect(stack.admin_dsn) as connection:
            for right, may in (("insert", True), ("update", False), ("delete", False), ("truncate", False)):
                cursor = await connection.execute(
                    "select has_table_privilege(%s, %s, %s)", (login, f"{schema}.audit", right)
                )
                assert await cursor.fetchone() == (may,), (login, right)
