"""Where a request goes, and what of it arrives there."""

import asyncio
from uuid import UUID, uuid4

import pytest

from integration.gateway.answers import (
    SIGNED,
    assert_secured,
    headers_that_arrived,
    raw_request,
)
from support.gateway import (
    BUCKET,
    SERVICE_REQUEST_ID,
    Gateway,
)


@pytest.mark.parametrize(
    ("method", "path", "who"),
    [
        ("POST", "/api/v1/auth/login", "command-api"),
        ("POST", "/api/auth/login", "command-api"),
        ("GET", "/api/v1/auth/me", "query-api"),
        ("GET", "/api/auth/me", "query-api"),
        ("POST", "/api/v1/tickets", "command-api"),
        ("POST", "/api/tickets", "command-api"),
        ("PATCH", "/api/v1/tickets/1", "command-api"),
        ("DELETE", "/api/tickets/1/comments/2", "command-api"),
        ("GET", "/api/v1/tickets", "query-api"),
        ("GET", "/api/tickets?page=1", "query-api"),
        ("POST", "/api/v1/comments", "command-api"),
        ("PUT", "/api/comments/1", "command-api"),
        ("GET", "/api/v1/comments?ticketId=1", "query-api"),
        ("PUT", "/api/v1/tickets", "query-api"),
        ("POST", "/api/v1/tickets/1", "query-api"),
        ("DELETE", "/api/v1/tickets/stats", "query-api"),
        ("PATCH", "/api/v1/webhooks", "query-api"),
        ("GET", "/api/v1/webhooks", "webhook-dispatcher"),
        ("POST", "/api/v1/webhooks", "webhook-dispatcher"),
        ("DELETE", "/api/v1/webhooks/1", "webhook-dispatcher"),
        ("GET", "/api/v1/webhooks/1/deliveries", "webhook-dispatcher"),
        ("GET", "/api/v1/notifications?unreadOnly=true", "notifier"),
        ("PUT", "/api/v1/notifications/read-all", "notifier"),
        ("DELETE", "/api/v1/notifications/1", "notifier"),
        ("GET", "/health", "query-api"),
        ("GET", "/health/live", "query-api"),
        ("GET", "/health/ready", "query-api"),
        ("GET", "/api/v1/health", "query-api"),
        ("GET", "/api/v1/", "query-api"),
        ("GET", "/api-docs", "query-api"),
        ("GET", "/openapi.json", "query-api"),
        ("GET", "/.well-known/jwks.json", "query-api"),
        ("POST", "/api/v1/nothing", "query-api"),
        ("POST", "/api/v1/ticketsandmore", "query-api"),
        ("GET", "/nowhere/at%20all", "query-api"),
        ("TRACE", "/api/v1/tickets", "query-api"),
        ("PROPFIND", "/api/v1/tickets", "query-api"),
        ("PUT", f"/{BUCKET}/key?{SIGNED}", "s3"),
        ("GET", f"/{BUCKET}/key?{SIGNED}", "s3"),
        ("GET", f"/{BUCKET}", "query-api"),
    ],
)
async def test_every_resource_has_one_owner(plain: Gateway, method: str, path: str, who: str) -> None:
    answer = await plain.client.request(method, path)
    assert (answer.json()["who"], answer.json()["method"], answer.json()["path"]) == (who, method, path)


@pytest.mark.parametrize("path", ["/metrics", "/%6detrics", "/METRICS", "/health/../metrics"])
async def test_nobody_outside_reads_the_metrics(plain: Gateway, path: str) -> None:
    answer = await plain.client.get(path)
    assert "x-served-by" not in answer.headers
    assert answer.status_code == 404


async def test_head_goes_where_get_goes_and_has_no_body(plain: Gateway) -> None:
    head, get = await asyncio.gather(plain.client.head("/api/v1/tickets"), plain.client.get("/api/v1/tickets"))
    assert (head.status_code, head.content) == (200, b"")
    assert abs(int(head.headers["content-length"]) - int(get.headers["content-length"])) <= 2


@pytest.mark.parametrize("status", [404, 405, 500])
async def test_what_a_service_refuses_passes_through(plain: Gateway, status: int) -> None:
    answer = await plain.client.get("/nowhere", params={"status": status, "Allow": "GET, HEAD"})
    assert (answer.status_code, answer.json()["who"], answer.headers["allow"]) == (status, "query-api", "GET, HEAD")
    assert_secured(answer)


@pytest.mark.parametrize(
    "path", ["/api/v1/a%2Fb", "/api/v1/a%20b!'()*", "/api/v1//x/../y", "/api/v1/%E2%82%AC?q=a+b;c"]
)
async def test_a_path_arrives_as_it_was_sent(plain: Gateway, path: str) -> None:
    answer = await plain.client.send(raw_request(plain, "GET", path))
    assert answer.json()["path"] == path


# -- what a request carries


async def test_claims_of_identity_from_outside_are_dropped(plain: Gateway) -> None:
    claims = {"X-Tenant-Id": "a", "x-roles": "ROLE_ADMIN", "X-Scopes": "*", "X_Roles": "b", "Forwarded": "for=c"}
    arrived = headers_that_arrived(await plain.client.post("/api/v1/tickets", headers=claims))
    assert not {"x-tenant-id", "x-roles", "x-scopes", "x_roles", "forwarded"} & arrived.keys()


async def test_the_rest_arrives(plain: Gateway) -> None:
    sent = {"Authorization": "Bearer t", "If-Match": '"v1"', "Idempotency-Key": "k", "Consistency-Token": "c"}
    arrived = headers_that_arrived(await plain.client.put("/api/v1/tickets/1", headers=sent, json={}))
    assert {name.lower(): value for name, value in sent.items()}.items() <= arrived.items()


FORWARDED = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "app.example"}


async def test_forwarding_headers_of_strangers_are_overwritten(plain: Gateway) -> None:
    arrived = headers_that_arrived(await plain.client.get("/health", headers=FORWARDED))
    assert arrived["x-forwarded-for"] == "127.0.0.1"
    assert arrived["x-forwarded-proto"] == "http"
    assert arrived["x-forwarded-host"] == arrived["host"]


async def test_forwarding_headers_of_a_trusted_proxy_are_believed(strict: Gateway) -> None:
    arrived = headers_that_arrived(await strict.client.get("/health", headers=FORWARDED))
    assert arrived["x-forwarded-for"] == "203.0.113.9, 127.0.0.1"
    assert arrived["x-forwarded-proto"] == "https"
    assert arrived["x-forwarded-host"] == "app.example"


async def test_a_uuid_as_request_id_is_kept(plain: Gateway) -> None:
    request_id = str(uuid4())
    # naming it a hop-by-hop header must not remove it on the way
    sent = {"x-request-id": request_id, "Connection": "X-Request-Id"}
    answer = await plain.client.get("/api/v1/tickets", headers=sent)
    assert headers_that_arrived(answer)["x-request-id"] == request_id
    assert answer.headers.get_list("x-request-id") == [request_id]


@pytest.mark.parametrize("sent", [[], ["not-a-uuid"], ["{http.request.host}"], [str(uuid4()), str(uuid4())]])
async def test_any_other_request_id_is_replaced(plain: Gateway, sent: list[str]) -> None:
    answer = await plain.client.get("/api/v1/tickets", headers=[("X-Request-Id", value) for value in sent])
    [made] = answer.headers.get_list("x-request-id")
    assert str(UUID(made)) == made
    assert made not in (*sent, SERVICE_REQUEST_ID)
    assert headers_that_arrived(answer)["x-request-id"] == made
