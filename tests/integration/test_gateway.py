"""The gateway's own promises, checked on the real Caddy with the configuration that every installation uses."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import UUID, uuid4

import aiohttp
import httpx
import pytest
import pytest_asyncio

from support.gateway import (
    BUCKET,
    SERVICE_REQUEST_ID,
    UPSTREAMS,
    Gateway,
    gateway,
    port_of,
    reserve_port,
    upstream,
)

SIGNED = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=abc"
ALLOWED = "https://app.example"
ALSO_ALLOWED = "http://localhost:3000"
MIB = 1024 * 1024


@pytest_asyncio.fixture(scope="module")
async def live_stream() -> asyncio.Event:
    return asyncio.Event()


@pytest_asyncio.fixture(scope="module")
async def upstreams(live_stream: asyncio.Event) -> AsyncIterator[dict[str, int]]:
    async with AsyncExitStack() as stack:
        yield {name: await stack.enter_async_context(upstream(name, open_stream=live_stream)) for name in UPSTREAMS}


@pytest_asyncio.fixture(scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gateway-home")


@pytest_asyncio.fixture(scope="module")
async def plain(upstreams: dict[str, int], home: Path) -> AsyncIterator[Gateway]:
    """As installed: nothing set but the upstreams."""
    async with gateway(upstreams, home) as running:
        yield running


@pytest_asyncio.fixture(scope="module")
async def strict(upstreams: dict[str, int], home: Path) -> AsyncIterator[Gateway]:
    """Two origins, behind a trusted proxy, impatient, with a notifier that is down."""
    with reserve_port() as closed:
        async with gateway(
            {**upstreams, "notifier": port_of(closed)},
            home,
            CORS_ORIGIN=f"{ALLOWED}, {ALSO_ALLOWED}",
            TRUSTED_PROXIES="127.0.0.0/8",
            GATEWAY_RESPONSE_TIMEOUT="300ms",
        ) as running:
            yield running


def headers_that_arrived(answer: httpx.Response) -> dict[str, str]:
    arrived: list[list[str]] = answer.json()["headers"]
    names = [name for name, _ in arrived]
    assert len(names) == len(set(names)), names
    return dict(arrived)


def error_of(answer: httpx.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == answer.status_code
    assert body["message"] == body["error"] == body["detail"] != ""
    assert body["requestId"] == answer.headers["x-request-id"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["timestamp"])
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", body["reason"])
    assert body.keys() >= {"code", "type", "title", "path", "instance"}
    return body


def assert_secured(answer: httpx.Response) -> None:
    for name, value in {
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        "strict-transport-security": "max-age=31536000",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "cross-origin",
    }.items():
        assert answer.headers.get_list(name) == [value]
    assert not {"server", "x-powered-by", "via"} & set(answer.headers)


def words(value: str) -> set[str]:
    return {word.strip().lower() for word in value.split(",")}


# -- where requests go


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


def raw_request(running: Gateway, method: str, path: str) -> httpx.Request:
    """A request whose target httpx does not tidy up."""
    url = httpx.URL(running.url)
    target = {"target": path.encode()}
    return running.client.build_request(method, url, extensions=target)


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


# -- what every answer carries

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


# -- the gateway's own errors


@pytest.mark.parametrize("length", ["known", "unknown"])
async def test_a_body_beyond_the_limit_is_413(plain: Gateway, length: str) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"x" * (MIB + 1)

    answer = await plain.client.post("/api/v1/tickets", content=b"x" * (MIB + 1) if length == "known" else chunks())
    assert answer.status_code == 413
    assert (error_of(answer)["code"], error_of(answer)["reason"]) == ("BAD_REQUEST", "payload_too_large")
    assert_secured(answer)
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_a_body_at_the_limit_passes(plain: Gateway) -> None:
    answer = await plain.client.post("/api/v1/tickets", content=b"x" * MIB)
    assert answer.json()["size"] == MIB


async def test_an_endless_address_is_414(plain: Gateway) -> None:
    answer = await plain.client.get("/api/v1/tickets", params={"q": "x" * 17_000})
    assert (answer.status_code, error_of(answer)["code"]) == (414, "BAD_REQUEST")


@pytest.mark.parametrize("name", ["Authorization", "Cookie"])
async def test_an_endless_header_is_431(plain: Gateway, name: str) -> None:
    answer = await plain.client.get("/api/v1/tickets", headers={name: "x" * 33_000})
    assert (answer.status_code, error_of(answer)["code"]) == (431, "BAD_REQUEST")


async def test_a_method_nobody_knows_is_405(plain: Gateway) -> None:
    answer = await plain.client.request("BREW", "/api/v1/tickets")
    assert (answer.status_code, error_of(answer)["code"]) == (405, "BAD_REQUEST")
    assert "get" in words(answer.headers["allow"])


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/v1/notifications"), ("PUT", "/api/v1/notifications/read-all")]
)
async def test_an_upstream_that_is_down_is_502(strict: Gateway, method: str, path: str) -> None:
    answer = await strict.client.request(method, path)
    assert answer.status_code == 502
    assert int(answer.headers["retry-after"]) >= 1
    body = error_of(answer)
    assert (body["code"], body["path"], body["title"]) == ("INTERNAL_ERROR", path, "Bad Gateway")
    assert "127.0.0.1" not in answer.text


async def test_an_upstream_that_does_not_answer_is_504(strict: Gateway) -> None:
    answer = await strict.client.post("/api/v1/tickets?hang=1")
    assert (answer.status_code, error_of(answer)["reason"]) == (504, "upstream_timeout")
    assert int(answer.headers["retry-after"]) >= 1


async def test_an_error_for_head_has_no_body(strict: Gateway) -> None:
    answer = await strict.client.head("/api/v1/notifications")
    assert (answer.status_code, answer.content) == (502, b"")


@pytest.mark.parametrize(
    "odd",
    [
        "%22quotes%22,%22code%22:%22X",
        "back%5Cslash%5C",
        "%01%0A%0D%09%1F%7F",
        "%E2%82%AC%F0%9F%8E%AB",
        "%3Cscript%3E&amp'",
        "%7B%7Benv%20%22PATH%22%7D%7D",
        "%7Benv.PATH%7D",
        "a%2Fb%20c",
    ],
)
async def test_an_odd_path_is_escaped(plain: Gateway, odd: str) -> None:
    path = f"/api/v1/tickets/{odd}"
    answer = await plain.client.send(raw_request(plain, "GET", f"{path}?{'x' * 17_000}"))
    body = error_of(answer)
    assert answer.status_code == 414
    assert (body["path"], body["instance"]) == (unquote(path), path)


async def test_a_path_that_is_no_text_still_gives_json(plain: Gateway) -> None:
    answer = await plain.client.send(raw_request(plain, "GET", f"/%FF%C3?{'x' * 17_000}"))
    assert json.loads(answer.content.decode("utf-8"))["instance"] == "/%FF%C3"


# -- the bucket's path


async def test_the_bucket_sees_host_and_path_as_signed_but_no_token(plain: Gateway) -> None:
    path = f"/{BUCKET}/tenant/a%2Fb%20c%28d%29+e.txt?{SIGNED}&x-id=PutObject"
    request = raw_request(plain, "PUT", path)
    request.headers.update({"Host": "tickets.example:8443", "Authorization": "Bearer t", "Cookie": "a=b"})
    request.headers.update({"Content-Type": "text/plain", "Content-Length": "0"})
    answer = await plain.client.send(request)
    arrived = headers_that_arrived(answer)
    assert (answer.json()["who"], answer.json()["path"]) == ("s3", path)
    assert (arrived["host"], arrived["content-type"]) == ("tickets.example:8443", "text/plain")
    assert not {"authorization", "cookie"} & arrived.keys()


async def test_an_upload_up_to_the_limit_passes(plain: Gateway) -> None:
    answer = await plain.client.put(f"/{BUCKET}/key?{SIGNED}", content=b"x" * 25 * MIB)
    assert (answer.status_code, answer.json()["size"]) == (200, 25 * MIB)


async def test_an_upload_beyond_the_limit_is_cut(plain: Gateway) -> None:
    answer = await plain.client.put(f"/{BUCKET}/key?{SIGNED}", content=b"x" * (25 * MIB + 1))
    assert (answer.status_code, error_of(answer)["reason"]) == (413, "payload_too_large")


@pytest.mark.parametrize(
    ("status", "code"), [(403, "FORBIDDEN"), (404, "NOT_FOUND"), (400, "BAD_REQUEST"), (500, "INTERNAL_ERROR")]
)
async def test_what_the_store_refuses_is_told_in_our_words(plain: Gateway, status: int, code: str) -> None:
    answer = await plain.client.get(f"/{BUCKET}/key?{SIGNED}&status={status}")
    assert (answer.status_code, error_of(answer)["code"]) == (status, code)


async def test_a_request_without_a_signature_never_reaches_the_store(plain: Gateway) -> None:
    answer = await plain.client.get(f"/{BUCKET}/?list-type=2", headers={"Authorization": "AWS4-HMAC-SHA256 x"})
    assert (answer.status_code, error_of(answer)["code"]) == (403, "FORBIDDEN")


async def test_the_store_sets_no_cookies(plain: Gateway) -> None:
    answer = await plain.client.get(f"/{BUCKET}/key?{SIGNED}&Set-Cookie=a&X-Amz-Request-Id=b&ETag=%22c%22")
    assert not {"set-cookie", "x-amz-request-id"} & set(answer.headers)
    assert answer.headers["etag"] == '"c"'


# -- compression and streams

TAG = '"v17.abc"'


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "identity"])
async def test_compression_leaves_entity_tags_alone(plain: Gateway, encoding: str) -> None:
    asked = {"Accept-Encoding": encoding, "If-None-Match": TAG}
    async with plain.client.stream(
        "GET", "/api/v1/tickets", params={"padding": 9000, "ETag": TAG}, headers=asked
    ) as sent:
        raw = b"".join([part async for part in sent.aiter_raw()])
    assert sent.headers.get("content-encoding", "identity") == encoding
    assert (len(raw) < 9000) == (encoding != "identity")
    assert sent.headers["etag"] == TAG
    assert (encoding == "identity") == ("accept-encoding" not in words(sent.headers.get("vary", "")))


async def test_a_conditional_read_reaches_the_service(plain: Gateway) -> None:
    asked = {"Accept-Encoding": "gzip", "If-None-Match": TAG}
    answer = await plain.client.get("/api/v1/tickets", params={"padding": 9000}, headers=asked)
    assert headers_that_arrived(answer)["if-none-match"] == TAG
    answer = await plain.client.get("/api/v1/tickets", params={"status": 304, "ETag": TAG}, headers=asked)
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", TAG)


async def test_a_small_answer_is_not_compressed(plain: Gateway) -> None:
    answer = await plain.client.get("/api/v1/tickets", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers


async def test_a_live_stream_is_neither_held_back_nor_compressed(plain: Gateway, live_stream: asyncio.Event) -> None:
    asked = {"Accept": "text/event-stream", "Accept-Encoding": "gzip"}
    async with plain.client.stream("GET", "/api/v1/stream", headers=asked) as answer:
        assert not live_stream.is_set()  # the headers are here before the first event
        assert (answer.status_code, answer.headers.get("content-encoding")) == (200, None)
        live_stream.set()
        assert await anext(answer.aiter_raw()) == b"data: hello\n\n"


async def test_a_websocket_passes(plain: Gateway) -> None:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session,
        session.ws_connect(f"{plain.url}/api/v1/ws") as socket,
    ):
        await socket.send_str("you")
        assert await socket.receive_str() == "heard you"


# -- restarts


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_restart_of_an_upstream_goes_unnoticed(upstreams: dict[str, int], home: Path, method: str) -> None:
    with reserve_port() as closed:
        port = port_of(closed)
        services = {**upstreams, "webhook-dispatcher": port}
        async with gateway(services, home, GATEWAY_LOG_LEVEL="DEBUG") as running:
            waiting = asyncio.create_task(running.client.request(method, "/api/v1/webhooks", json={"a": 1}))
            await running.log.line(lambda line: "connection refused" in line)
            closed.close()
            async with upstream("webhook-dispatcher", port=port):
                answer = await waiting
    assert (answer.status_code, answer.json()["who"], answer.json()["size"]) == (200, "webhook-dispatcher", 7)


@pytest.mark.parametrize(("method", "status", "attempts"), [("GET", 200, 2), ("POST", 502, 1), ("DELETE", 502, 1)])
async def test_only_reads_are_sent_again_after_a_broken_connection(
    upstreams: dict[str, int], home: Path, method: str, status: int, attempts: int
) -> None:
    seen: list[bytes] = []

    async def break_the_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        if len(seen) > 1:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(break_the_first, "127.0.0.1", 0)
    port = port_of(server.sockets[0])
    async with server, gateway({**upstreams, "command-api": port, "query-api": port}, home) as running:
        answer = await running.client.request(method, "/api/v1/tickets")
    assert (answer.status_code, len(seen)) == (status, attempts)


# -- operation


async def test_query_strings_and_headers_are_never_logged(strict: Gateway) -> None:
    marker = str(uuid4())
    path = f"/api/v1/notifications/{marker}?access=secret-in-query"
    await strict.client.delete(path, headers={"Authorization": "Bearer secret-in-header"})
    line = json.loads(await strict.log.line(lambda line: marker in line))
    assert (line["status"], line["request"]["uri"]) == (502, f"/api/v1/notifications/{marker}")
    assert "connection refused" in line["error"]
    assert UUID(line["request_id"])
    assert not any("secret-in" in line for line in strict.log.lines)


async def test_success_is_logged_only_when_asked_for(upstreams: dict[str, int], home: Path) -> None:
    async with gateway(upstreams, home, GATEWAY_LOG_LEVEL="ERROR") as running:
        await running.client.get("/health")
        await running.client.get("/failing?status=500")
        assert json.loads(await running.log.line(lambda line: "handled" in line))["request"]["uri"] == "/failing"
    assert len(running.log.lines) == 1
    async with gateway(upstreams, home, GATEWAY_LOG_LEVEL="INFO") as running:
        await running.client.get("/health")
        assert json.loads(await running.log.line(lambda line: "handled" in line))["status"] == 200


def test_nothing_is_written_to_disk(plain: Gateway, home: Path) -> None:
    assert [path for path in home.rglob("*") if path.is_file()] == []


async def test_a_missing_upstream_is_an_error_at_start(upstreams: dict[str, int], home: Path) -> None:
    with pytest.raises(AssertionError, match="using config from file"):
        async with gateway(upstreams, home, QUERY_API_UPSTREAM=""):
            pass
