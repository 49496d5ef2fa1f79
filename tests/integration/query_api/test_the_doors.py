"""Health, documents, unknown addresses, consistency tokens (contract §1, §3, §12; design §7)."""

import asyncio
import base64
from uuid import uuid4

import orjson
import pytest
from openapi_spec_validator import validate

from helpdesk.consistency import Position, token_of
from helpdesk.recorded import Stream
from integration.query_api.views import Views


@pytest.mark.parametrize("path", ["/health", "/api/v1/health", "/health/live", "/health/ready"])
async def test_health_needs_no_token(views: Views, path: str) -> None:
    answer = await views.client.get(path)
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert answer.json()["timestamp"].endswith("Z")


async def test_the_root_tells_where_things_are(views: Views) -> None:
    body = (await views.client.get("/api/v1/")).json()
    assert {"message", "version", "endpoints"} == body.keys()
    wanted = {"health", "auth", "tickets", "webhooks", "tenants", "notifications", "docs"}
    assert body["endpoints"].keys() == wanted


async def test_the_key_set_has_public_keys_alone(views: Views) -> None:
    (key,) = (await views.client.get("/.well-known/jwks.json")).json()["keys"]
    assert key["kty"] == "OKP"
    assert "d" not in key


async def test_the_document_is_valid_and_its_pages_need_nobody_else(views: Views) -> None:
    document = (await views.client.get("/openapi.json")).json()
    validate(document)
    assert document["openapi"].startswith("3.1")
    page = await views.client.get("/api-docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "'unsafe-inline'" not in page.headers["content-security-policy"].partition("script-src")[2].partition(";")[0]
    assert "http" not in page.text
    for asset in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js", "favicon-32x32.png"):
        assert f"/api-docs/{asset}" in page.text
        assert (await views.client.get(f"/api-docs/{asset}")).status_code == 200
    assert (await views.client.get("/api-docs/__init__.py")).status_code == 404


async def test_head_goes_with_every_get(views: Views) -> None:
    agent = await views.person("AGENT")
    ticket = await views.ticket(agent)
    for path in ("/health", "/openapi.json", "/api/v1/tickets", f"/api/v1/tickets/{ticket}"):
        answer = await views.client.head(path, headers=agent.headers)
        assert (answer.status_code, answer.content) == (200, b""), path


@pytest.mark.parametrize("path", ["/", "/nothing", "/api/v1/nothing", "/api/v1/tickets/", "/api/v1/tickets/1/2/3/4"])
async def test_an_unknown_address_is_a_404_with_the_errors_body(views: Views, path: str) -> None:
    answer = await views.client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "NOT_FOUND"
    assert answer.json()["path"] == path
    assert answer.json()["requestId"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/v1/tickets", "GET, HEAD, OPTIONS, POST"),
        ("POST", f"/api/v1/tickets/{uuid4()}", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("POST", f"/api/tickets/{uuid4()}", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("GET", "/api/v1/auth/login", "OPTIONS, POST"),
        ("DELETE", "/health", "GET, HEAD, OPTIONS"),
        ("PROPFIND", "/api/v1/comments", "GET, HEAD, OPTIONS, POST"),
    ],
)
async def test_another_method_of_a_known_address_is_a_405_that_says_what_is_allowed(
    views: Views, method: str, path: str, allowed: str
) -> None:
    answer = await views.client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed
    assert (answer.json()["code"], answer.json()["reason"]) == ("BAD_REQUEST", "method_not_allowed")


async def test_a_read_waits_for_what_its_token_names(views: Views) -> None:
    agent = await views.person("AGENT")
    ticket = await views.ticket(agent)
    token = token_of([Position(Stream(agent.tenant_id, "ticket", ticket), 1)])
    reading = asyncio.create_task(views.ask(agent, f"/tickets/{ticket}", {"Consistency-Token": token}))
    await asyncio.wait([reading], timeout=0.2)
    assert not reading.done()
    await views.admin.execute("update views.tickets set title = 'Reached' where id = %s", (ticket,))
    await views.admin.execute("insert into views.stream_guard values (%s, 'ticket', %s, 1)", (agent.tenant_id, ticket))
    await views.admin.execute("notify views_applied")
    answer = await reading
    assert answer.json()["title"] == "Reached"
    assert "consistency" not in answer.headers


async def test_a_read_that_waited_in_vain_answers_and_says_so(views: Views) -> None:
    agent = await views.person("AGENT")
    token = token_of([Position(Stream(agent.tenant_id, "ticket", uuid4()), 1)])
    for path in ("/tickets", "/tickets/stats", "/auth/me"):
        answer = await views.ask(agent, path, {"Consistency-Token": token})
        assert (answer.status_code, answer.headers["consistency"]) == (200, "behind")
    await views.admin.execute("notify views_applied")


@pytest.mark.parametrize("plain", ["nonsense", base64.urlsafe_b64encode(orjson.dumps([["ticket", 42, "x"]])).decode()])
async def test_a_malformed_consistency_token_is_a_400(views: Views, plain: str) -> None:
    answer = await views.ask(await views.person("AGENT"), "/tickets", {"Consistency-Token": plain})
    assert (answer.status_code, answer.json()["reason"]) == (400, "malformed_consistency_token")
