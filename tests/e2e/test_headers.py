"""Headers: CORS, security, entity tags, HEAD, request ids, links (contract §12)."""

from uuid import uuid4

import httpx
import pytest

from support.people import API, Person
from support.shapes import LISTED_TICKET, answered, array, refused

ORIGIN = {"Origin": "https://app.example"}
UNKNOWN = "018f3a5c-7b1e-7c3d-9e5f-0123456789ab"
EXPOSED = {
    *("x-request-id", "etag", "location", "link", "allow", "consistency", "consistency-token", "idempotency-replayed"),
    *(
        "ratelimit",
        "ratelimit-policy",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "retry-after",
    ),
}
EVERYWHERE = [
    "/health",
    "/api/v1/health",
    "/api/v1",
    "/api/v1/",
    "/api-docs",
    "/openapi.json",
    "/.well-known/jwks.json",
    "/api/v1/tickets",
    "/api/v1/webhooks",
    "/api/v1/notifications",
    "/nope",
]


def words(header: str) -> set[str]:
    return {word.strip().lower() for word in header.split(",")}


@pytest.mark.parametrize("path", EVERYWHERE)
async def test_every_answer_may_be_read_from_any_origin(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(path, headers=ORIGIN)
    answered(response, response.status_code)  # looks at the CORS and security headers of every answer
    assert words(response.headers["Access-Control-Expose-Headers"]) >= EXPOSED


@pytest.mark.parametrize("path", [*EVERYWHERE, f"/api/v1/tickets/{UNKNOWN}/comments", "/api/auth/login"])
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
async def test_a_preflight_is_answered_without_a_token(client: httpx.AsyncClient, path: str, method: str) -> None:
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization, if-match"}
    response = await client.options(path, headers=ORIGIN | asked)
    answered(response, 204)
    headers = response.headers
    assert words(headers["Access-Control-Allow-Methods"]) >= words("GET, POST, PUT, PATCH, DELETE, OPTIONS")
    assert words(headers["Access-Control-Allow-Headers"]) == words(
        "Content-Type, Authorization, X-Request-ID, Accept, Idempotency-Key, If-Match, If-None-Match, Prefer,"
        " Consistency-Token"
    )
    assert headers["Access-Control-Max-Age"] == "86400"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/health", "GET, HEAD, OPTIONS"),
        ("/api/v1", "GET, HEAD, OPTIONS"),
        ("/api/v1/tickets", "GET, HEAD, OPTIONS, POST"),
        ("/api/tickets", "GET, HEAD, OPTIONS, POST"),
        (f"/api/v1/tickets/{UNKNOWN}", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("/api/v1/tickets/stats", "GET, HEAD, OPTIONS"),
        ("/api/v1/auth/login", "OPTIONS, POST"),
        ("/api/auth/login", "OPTIONS, POST"),
        ("/api/v1/webhooks", "GET, HEAD, OPTIONS, POST"),
        (f"/api/v1/notifications/{UNKNOWN}/read", "OPTIONS, PUT"),
        ("/attachments/some/key", "GET, HEAD, OPTIONS, PUT"),
    ],
)
async def test_who_asks_what_is_allowed_is_told_without_a_token_and_not_counted(
    client: httpx.AsyncClient, path: str, allowed: str
) -> None:
    for headers in ({}, ORIGIN):
        response = await client.options(path, headers=headers)
        answered(response, 204)
        assert response.headers["Allow"] == allowed
        assert "RateLimit" not in response.headers


@pytest.mark.parametrize("path", ["/nope", "/api/v1/nope", "/api/v2", f"/api/v1/tickets/{UNKNOWN}/nope"])
async def test_nothing_is_allowed_at_an_unknown_address(client: httpx.AsyncClient, path: str) -> None:
    refused(await client.options(path), 404, "not_found")


@pytest.mark.parametrize("path", EVERYWHERE)
async def test_head_is_get_without_the_body(client: httpx.AsyncClient, somebody: Person, path: str) -> None:
    headers = {"Authorization": f"Bearer {somebody.token}"}
    got, head = await client.get(path, headers=headers), await client.head(path, headers=headers)
    answered(head, got.status_code)
    for name in ("Content-Type", "ETag", "Link", "Allow"):
        assert head.headers.get(name) == got.headers.get(name)


async def test_head_goes_with_every_read_of_a_ticket(user: Person) -> None:
    ticket = await user.opens_ticket()
    for path in (
        f"/tickets/{ticket['id']}",
        f"/tickets/{ticket['id']}/comments",
        "/tickets/stats",
        f"/comments?ticketId={ticket['id']}",
        "/auth/me",
        f"/api/tickets/{ticket['id']}",
    ):
        answered(await user.ask("HEAD", path), 200)
    answered(await user.ask("HEAD", f"/tickets/{UNKNOWN}"), 404)


async def test_a_ticket_is_tagged_by_version_and_body(user: Person, agent: Person) -> None:
    ticket = await user.opens_ticket()
    path = f"/tickets/{ticket['id']}"
    first = await user.get(path)
    answered(first, 200)
    tag = first.headers["ETag"]
    assert tag.startswith('"v1.')
    assert (await user.get(path)).headers["ETag"] == tag
    for names in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        unchanged = await user.ask("GET", path, headers={"If-None-Match": names})
        answered(unchanged, 304)
        assert unchanged.headers["ETag"] == tag
        assert (await user.ask("HEAD", path, headers={"If-None-Match": names})).status_code == 304
    answered(await user.ask("GET", path, headers={"If-None-Match": '"v1"'}), 200)
    await agent.comments_on(ticket)
    changed = await user.ask("GET", path, headers={"If-None-Match": tag})
    answered(changed, 200)
    assert changed.headers["ETag"].startswith('"v2.')


@pytest.mark.parametrize(
    "path",
    ["/tickets", "/tickets?page=1", "/tickets/stats", "/comments?ticketId={id}", "/tickets/{id}/comments",
     "/tickets/{id}/attachments", "/users", "/webhooks"],
)  # fmt: skip
async def test_a_list_and_a_count_are_tagged_by_their_body(agent: Person, path: str) -> None:
    ticket = await agent.opens_ticket()
    path = path.format(id=ticket["id"])
    first = await agent.get(path)
    answered(first, 200)
    assert first.headers["ETag"].startswith('"v0.')
    unchanged = await agent.ask("GET", path, headers={"If-None-Match": first.headers["ETag"]})
    answered(unchanged, 304)
    assert unchanged.headers["ETag"] == first.headers["ETag"]


async def test_a_list_that_changed_has_another_tag(user: Person) -> None:
    first = await user.get("/tickets")
    await user.opens_ticket()
    answered(await user.ask("GET", "/tickets", headers={"If-None-Match": first.headers["ETag"]}), 200)


async def test_who_sees_less_has_another_tag(user: Person, agent: Person) -> None:
    ticket = await user.opens_ticket()
    await agent.comments_on(ticket, "a secret", isInternal=True)
    path = f"/tickets/{ticket['id']}"
    assert (await user.get(path)).headers["ETag"] != (await agent.get(path)).headers["ETag"]


async def test_answers_of_one_person_are_not_cached_for_another(user: Person) -> None:
    ticket = await user.opens_ticket()
    for path in ("/tickets", f"/tickets/{ticket['id']}", "/auth/me", "/notifications", "/tickets/stats"):
        control = (await user.get(path)).headers.get("Cache-Control", "")
        assert "private" in control or "no-store" in control, f"{path}: {control}"


async def test_tokens_are_never_cached(client: httpx.AsyncClient, user: Person) -> None:
    response = await client.post(f"{API}/auth/refresh", json={"refreshToken": user.session["refreshToken"]})
    answered(response, 200)
    assert response.headers["Cache-Control"] == "no-store"


async def test_a_request_id_is_echoed_or_made(somebody: Person) -> None:
    own = str(uuid4())
    for method, path, body in (
        ("GET", "/tickets", None),
        ("POST", "/tickets", {"title": "x", "description": ""}),
        ("GET", "/notifications", None),
        ("GET", "/webhooks", None),
        ("GET", "/api/nope", None),
    ):
        response = await somebody.ask(method, path, json=body, headers={"X-Request-Id": own})
        answered(response, response.status_code)
        assert response.headers["X-Request-Id"] == own
    made = {(await somebody.get("/tickets?limit=1")).headers["X-Request-Id"] for _ in range(3)}
    assert len(made) == 3


async def test_a_new_thing_says_where_it_is(user: Person) -> None:
    response = await user.post("/tickets", {"title": "x", "description": ""})
    answered(response, 201)
    assert answered(await user.ask("GET", response.headers["Location"]), 200)["title"] == "x"


async def test_a_short_array_has_no_link(user: Person) -> None:
    await user.opens_ticket()
    response = await user.get("/tickets")
    answered(response, 200, array(LISTED_TICKET))
    assert "Link" not in response.headers


async def test_a_write_names_its_version_for_other_readers(user: Person, agent: Person) -> None:
    response = await user.post("/tickets", {"title": "x", "description": ""})
    ticket = answered(response, 201)
    token = {"Consistency-Token": response.headers["Consistency-Token"]}
    read = await agent.ask("GET", f"/tickets/{ticket['id']}", headers=token)
    assert answered(read, 200)["id"] == ticket["id"]
    assert "Consistency" not in read.headers


async def test_long_answers_are_compressed_for_who_asks(user: Person) -> None:
    for _ in range(5):
        await user.opens_ticket(description="x" * 1000)
    packed = await user.ask("GET", "/tickets", headers={"Accept-Encoding": "gzip"})
    plain = await user.ask("GET", "/tickets", headers={"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert answered(packed, 200) == answered(plain, 200)
    assert "accept-encoding" in words(packed.headers["Vary"])
