"""The document tells the truth of what any call is answered: statuses and headers (contract §3, §12)."""

import re
from typing import Any
from uuid import uuid4

import httpx

from support.people import API, PASSWORD, Person
from support.shapes import answered

TOLD: frozenset[str] = frozenset(
    {
        *("x-request-id", "etag", "location", "link", "consistency", "consistency-token", "preference-applied"),
        *("idempotency-replayed", "retry-after", "www-authenticate", "ratelimit", "ratelimit-policy"),
        *("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"),
    }
)
"""Headers of ours that clients read; a list's `Link` is told by its own routes."""
THE_GATEWAYS = {"414", "431"}
"""Statuses that only the gateway answers: it counts nobody."""


def described(document: Any, response: httpx.Response) -> Any:
    """What the document says of this answer."""
    path = response.request.url.path
    for template, operations in document["paths"].items():
        pattern = re.sub(r"\\\{[^}]+\\\}", "[^/]+", re.escape(template))
        operation = operations.get(response.request.method.lower())
        if operation and re.fullmatch(pattern, path) and ("{" not in template or path not in document["paths"]):
            return operation["responses"][str(response.status_code)]
    raise AssertionError(f"the document does not know {path}")


async def test_every_answer_has_a_described_status_and_described_headers(
    client: httpx.AsyncClient, user: Person, other_user: Person, admin: Person, stranger: Person
) -> None:
    document = answered(await client.get("/openapi.json"), 200)
    once = {"Idempotency-Key": uuid4().hex}
    body = {"title": "x", "description": ""}
    ticket = await user.opens_ticket()
    path = f"/tickets/{ticket['id']}"
    tag = (await user.get(path)).headers["ETag"]
    responses = [
        await user.ask("POST", "/tickets", json=body, headers=once),
        await user.ask("POST", "/tickets", json=body, headers=once),
        await user.ask("POST", "/tickets", json=body | {"title": "y"}, headers=once),
        await user.ask("POST", "/tickets", json=body, headers={"Prefer": "respond-async"}),
        await user.post("/tickets", {}),
        await client.post(f"{API}/tickets", json=body),
        await user.get(path),
        await user.ask("GET", path, headers={"If-None-Match": tag}),
        await other_user.get(path),
        await stranger.get(path),
        await user.patch(path, {"title": "y"}),
        await user.patch(path, {"title": "z"}, **{"If-Match": tag}),
        await user.patch(path, {"status": "nonsense"}),
        await user.delete(path),
        await user.post(f"{path}/comments", {"content": "x"}),
        await admin.get("/webhooks"),
        await user.get("/webhooks"),
        await user.get("/notifications"),
        await user.put(f"/notifications/{uuid4()}/read", {}),
        await admin.delete(path),
        await client.post(f"{API}/auth/login", json={"email": user.email, "password": PASSWORD}),
        await client.post(f"{API}/auth/login", json={"email": user.email, "password": "wrong"}),
        await client.get("/health"),
    ]
    for response in responses:
        told = described(document, response)
        names = {name.lower() for name in told["headers"]}
        assert set(response.headers) & TOLD - {"link"} <= names, (response.request.method, response.url)
        if response.status_code >= 400:
            assert set(told["content"]) == {"application/problem+json"}


async def test_every_counted_call_is_described_with_its_429_and_its_headers(client: httpx.AsyncClient) -> None:
    document = answered(await client.get("/openapi.json"), 200)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if operation["x-rate-limit"] == "uncounted":
                continue
            assert "Retry-After" in operation["responses"]["429"]["headers"], f"{method} {path}"
            for status, response in operation["responses"].items():
                if status in THE_GATEWAYS:
                    continue
                assert {"RateLimit", "X-RateLimit-Reset"} <= set(response["headers"]), f"{method} {path} {status}"
