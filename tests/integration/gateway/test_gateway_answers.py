"""What every answer carries, whoever made it: security headers, CORS."""

from uuid import UUID

import pytest

from integration.gateway.answers import (
    ALLOWED,
    ALSO_ALLOWED,
    SIGNED,
    assert_secured,
    words,
)
from support.gateway import (
    BUCKET,
    Gateway,
)

EVERY_KIND_OF_ANSWER = [
    ("GET", "/api/v1/tickets", 200),
    ("GET", "/api/v1/tickets?status=404", 404),
    ("GET", "/api/v1/tickets?status=429", 429),
    ("GET", "/api/v1/notifications", 502),
    ("OPTIONS", "/api/v1/tickets", 200),
    ("OPTIONS", f"/{BUCKET}/key", 204),
    ("PUT", f"/{BUCKET}/key?{SIGNED}", 200),
    ("PUT", f"/{BUCKET}/key", 403),
]


@pytest.mark.parametrize(("method", "path", "status"), EVERY_KIND_OF_ANSWER)
async def test_security_headers_are_on_every_answer(strict: Gateway, method: str, path: str, status: int) -> None:
    answer = await strict.client.request(method, path)
    assert answer.status_code == status
    assert_secured(answer)
    assert UUID(answer.headers["x-request-id"])


async def test_the_api_documentation_may_run_its_own_scripts(plain: Gateway) -> None:
    [policy] = (await plain.client.get("/api-docs")).headers.get_list("content-security-policy")
    directives = dict(directive.strip().split(" ", 1) for directive in policy.split(";"))
    assert directives["default-src"] == directives["frame-ancestors"] == "'none'"
    assert directives["script-src"].startswith("'self'")
    assert directives["img-src"] == "'self' data:"
    assert directives["connect-src"] == "'self'"


async def test_the_api_documentation_may_be_stricter(plain: Gateway) -> None:
    answer = await plain.client.get("/api-docs", params={"Content-Security-Policy": "script-src 'sha256-x'"})
    assert answer.headers.get_list("content-security-policy") == ["script-src 'sha256-x'"]


async def test_no_service_can_loosen_the_policy_elsewhere(plain: Gateway) -> None:
    assert_secured(await plain.client.get("/health", params={"Content-Security-Policy": "default-src *"}))


@pytest.mark.parametrize("path", ["/api/v1/tickets", "/api/v1/tickets?status=500"])
async def test_any_origin_may_call_by_default(plain: Gateway, path: str) -> None:
    answer = await plain.client.get(path, headers={"Origin": "https://anyone.example"})
    assert answer.headers.get_list("access-control-allow-origin") == ["*"]
    assert "access-control-allow-credentials" not in answer.headers
    exposed = words(answer.headers["access-control-expose-headers"])
    assert exposed >= {"x-request-id", "etag", "location", "link", "allow", "consistency", "consistency-token"}
    assert exposed >= {"idempotency-replayed", "ratelimit", "ratelimit-policy", "retry-after"}
    assert exposed >= {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"}


@pytest.mark.parametrize(("method", "path", "status"), EVERY_KIND_OF_ANSWER)
@pytest.mark.parametrize("origin", [ALLOWED, ALSO_ALLOWED])
async def test_a_listed_origin_is_echoed(strict: Gateway, origin: str, method: str, path: str, status: int) -> None:
    answer = await strict.client.request(method, path, headers={"Origin": origin})
    assert answer.status_code == status
    assert answer.headers.get_list("access-control-allow-origin") == [origin]
    assert "origin" in words(answer.headers["vary"])


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://app.example.evil", f"{ALLOWED} {ALSO_ALLOWED}", "", "*"]
)
async def test_an_unlisted_origin_gets_no_permission(strict: Gateway, origin: str) -> None:
    answer = await strict.client.get("/api/v1/tickets", headers={"Origin": origin})
    assert "access-control-allow-origin" not in answer.headers
    assert "origin" in words(answer.headers["vary"])


@pytest.mark.parametrize("path", ["/api/v1/tickets", "/api/auth/login", "/nowhere", f"/{BUCKET}/key?{SIGNED}"])
async def test_a_preflight_is_answered_here(plain: Gateway, path: str) -> None:
    asked = {"Origin": ALLOWED, "Access-Control-Request-Method": "PUT"}
    answer = await plain.client.options(path, headers=asked)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert words(answer.headers["access-control-allow-methods"]) == {"get", "post", "put", "patch", "delete", "options"}
    assert words(answer.headers["access-control-allow-headers"]) == {
        *("content-type", "authorization", "x-request-id", "accept", "idempotency-key"),
        *("if-match", "if-none-match", "prefer", "consistency-token"),
    }
    assert answer.headers["access-control-max-age"] == "86400"


async def test_an_options_that_is_no_preflight_reaches_who_knows_the_addresses(plain: Gateway) -> None:
    answer = await plain.client.options("/api/v1/webhooks", headers={"Origin": ALLOWED})
    assert (answer.json()["who"], answer.json()["method"]) == ("query-api", "OPTIONS")
    assert "access-control-allow-methods" not in answer.headers
    of_the_bucket = await plain.client.options(f"/{BUCKET}/key")
    assert (of_the_bucket.status_code, of_the_bucket.content) == (204, b"")
    assert words(of_the_bucket.headers["allow"]) == {"get", "head", "options", "put"}
