"""Who asks too often is told when to come again, and nobody else suffers (behaviours §3; contract §12)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from psycopg import sql

from localstack.stack import Stack
from support.people import API, PASSWORD, Person, fresh_address
from support.shapes import AUTH, answered, refused

OLDER = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


@asynccontextmanager
async def limited(stack: Stack, service: str, **limits: str) -> AsyncIterator[None]:
    """With other limits than the generous ones of the local stack."""
    stack.again(service, {f"RATE_LIMIT_{name}": value for name, value in limits.items()})
    try:
        yield
    finally:
        stack.again(service)


def told(response: httpx.Response) -> dict[str, int]:
    """What the older headers say; the newer ones say the same."""
    limit, remaining, reset = (int(response.headers[name]) for name in OLDER)
    assert f";q={limit};w=" in response.headers["RateLimit-Policy"]
    assert f";r={remaining};t=" in response.headers["RateLimit"]
    assert -2 <= reset - time() <= 3 * 3600
    return {"limit": limit, "remaining": remaining}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/tickets", 200),
        ("GET", "/api/tickets", 200),
        ("GET", "/api/v1/webhooks", 403),
        ("GET", "/api/v1/notifications", 200),
        ("POST", "/api/v1/tickets", 400),
        ("GET", "/api/v1/tickets/nonsense", 400),
        ("GET", "/api/v1/nothing", 404),
        ("PUT", "/api/v1/tickets", 405),
        ("HEAD", "/api/v1/tickets", 200),
    ],
)
async def test_every_answer_says_how_much_is_left(somebody: Person, method: str, path: str, status: int) -> None:
    body: dict[str, Any] = {"content": b"{broken"} if method == "POST" else {}
    response = await somebody.ask(method, path, **body)
    answered(response, status)
    assert told(response)["limit"] > told(response)["remaining"] > 0


async def test_who_has_no_token_is_told_too(client: httpx.AsyncClient) -> None:
    for response in (await client.get(f"{API}/tickets"), await client.post(f"{API}/auth/login", json={})):
        told(response)


async def test_health_and_preflights_are_not_counted(client: httpx.AsyncClient) -> None:
    preflight = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}
    for response in (
        await client.get("/health"),
        await client.get(f"{API}/health"),
        await client.get("/health/ready"),
        await client.options(f"{API}/tickets", headers=preflight),
    ):
        assert response.is_success
        assert "RateLimit" not in response.headers


async def test_one_write_too_many_is_429_for_that_person_alone(
    stack: Stack, user: Person, other_user: Person, somebody: Person
) -> None:
    async with limited(stack, "command-api", WRITES="4 per minute"):
        body = {"title": "x", "description": ""}
        for left in (3, 2, 1, 0):
            response = await user.post("/tickets", body)
            answered(response, 201)
            assert told(response) == {"limit": 4, "remaining": left}
        response = await user.post("/tickets", body)
        assert refused(response, 429, "rate_limited")["code"] == "RATE_LIMITED"
        assert told(response) == {"limit": 4, "remaining": 0}
        assert 1 <= int(response.headers["Retry-After"]) <= 120
        answered(await other_user.post("/tickets", body), 201)
        answered(await user.get("/tickets"), 200)  # another class
        assert len(answered(await user.get("/tickets"), 200)) == 4


async def test_what_a_limit_refused_can_be_sent_again_under_its_key(stack: Stack, user: Person) -> None:
    once = {"Idempotency-Key": "later"}
    body = {"title": "x", "description": ""}
    async with limited(stack, "command-api", WRITES="1 per hour"):
        answered(await user.post("/tickets", body), 201)
        refused(await user.ask("POST", "/tickets", headers=once, json=body), 429)
    response = await user.ask("POST", "/tickets", headers=once, json=body)
    answered(response, 201)
    assert "Idempotency-Replayed" not in response.headers


async def test_reads_are_counted_where_they_are_answered(stack: Stack, user: Person) -> None:
    async with limited(stack, "query-api", READS="2 per minute"):
        statuses = [(await user.get(path)).status_code for path in ("/tickets", "/auth/me", "/tickets/stats")]
        assert statuses == [200, 200, 429]


async def test_a_list_that_is_searched_counts_as_a_search(stack: Stack, user: Person, agent: Person) -> None:
    def policy(response: httpx.Response) -> str:
        return response.headers["RateLimit-Policy"].partition(";")[0].strip('"')

    calls = {
        "/tickets?q=printer": "search",
        "/api/tickets?search=printer": "search",
        "/tickets?page=1&search=%20": "reads",  # nothing is searched
        "/tickets?q=": "reads",
        "/tickets?status=open": "reads",
        "/tickets/stats?q=printer": "search",
        "/tickets/stats?search=printer": "reads",  # it does not know the word
        "/tickets/export?format=csv&q=printer": "exports",
    }
    for path, expected in calls.items():
        assert policy(await user.ask("GET", path)) == expected, path
    assert policy(await agent.get("/users?search=ada")) == "search"
    assert policy(await agent.get("/users?role=ADMIN")) == "reads"
    async with limited(stack, "query-api", SEARCH="2 per minute"):
        assert [(await user.get("/tickets?q=printer")).status_code for _ in range(3)] == [200, 200, 429]
        refused(await user.get("/api/tickets?search=printer"), 429, "rate_limited")
        answered(await user.get("/tickets"), 200)
        answered(await agent.get("/tickets?q=printer"), 200)


async def test_replicas_and_services_count_together_in_a_shared_store(stack: Stack, user: Person) -> None:
    shared = stack.dsn("limiter")
    async with await psycopg.AsyncConnection.connect(stack.admin_dsn, autocommit=True) as connection:
        password = sql.Literal(urlsplit(shared).password)
        await connection.execute(sql.SQL("alter role limiter login password {}").format(password))
    limits = {"STORAGE_URL": shared, "READS": "4 per hour"}
    async with limited(stack, "query-api", **limits), limited(stack, "notifier", **limits):
        left = [
            told(answered_by)["remaining"]
            for answered_by in [await user.get(path) for path in ("/tickets", "/notifications", "/tickets")]
        ]
        assert left == [3, 2, 1]
        await asyncio.to_thread(stack.again, "query-api", {f"RATE_LIMIT_{name}": one for name, one in limits.items()})
        assert told(await user.get("/tickets"))["remaining"] == 0  # another process counts on
        for path in ("/notifications", "/tickets"):
            refused(await user.get(path), 429, "rate_limited")


async def test_an_address_has_so_many_sign_ins_whatever_it_says_of_itself(
    stack: Stack, client: httpx.AsyncClient, user: Person
) -> None:
    body = {"email": user.email, "password": PASSWORD, "tenantSlug": "default"}
    async with limited(stack, "command-api", AUTHENTICATION="3 per 15 minutes"):
        statuses = []
        for number in range(5):
            lies = {"X-Forwarded-For": f"192.0.2.{number}", "X-Real-IP": f"192.0.2.{number}"}
            statuses.append((await client.post(f"{API}/auth/login", json=body, headers=lies)).status_code)
        assert statuses == [200, 200, 200, 429, 429]
        answered(await user.post("/tickets", {"title": "x", "description": ""}), 201)


async def test_five_failed_logins_close_an_account_for_a_while_and_no_other(
    stack: Stack, client: httpx.AsyncClient, user: Person, other_user: Person
) -> None:
    async def login(email: str, password: str) -> httpx.Response:
        return await client.post(f"{API}/auth/login", json={"email": email, "password": password})

    async with limited(stack, "command-api", FAILED_LOGINS="5 per hour"):
        answered(await login(user.email, PASSWORD), 200, AUTH)  # one that succeeds is no failure
        for _ in range(5):
            refused(await login(user.email, "wrong"), 401, "bad_credentials")
        response = await login(user.email.upper(), PASSWORD)
        refused(response, 429, "rate_limited")
        assert int(response.headers["Retry-After"]) > 1
        answered(await login(other_user.email, PASSWORD), 200, AUTH)
        nobody = fresh_address()  # an unknown address reads the same
        assert [(await login(nobody, "wrong")).status_code for _ in range(6)] == [401] * 5 + [429]


async def test_a_success_forgives_the_failures_before_it(stack: Stack, client: httpx.AsyncClient, user: Person) -> None:
    async with limited(stack, "command-api", FAILED_LOGINS="2 per hour"):
        for password in ("wrong", PASSWORD, "wrong", PASSWORD):
            body = {"email": user.email, "password": password}
            response = await client.post(f"{API}/auth/login", json=body)
            answered(response, 200 if password == PASSWORD else 401)
