"""Requests that no honest client sends: what they name is refused or kept as data, and nothing else happens."""

import json
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from localstack.stack import Stack
from support.cases import each
from support.casts import Cast, founded
from support.document import Operation, operations, sample
from support.people import API, People, Person
from support.raw import Answer, heard, request, spoken
from support.shapes import answered, array, refused

JSON = "Content-Type: application/json"
TICKET = {"title": "x", "description": ""}
WITH_BODY = [one for one in operations() if one.body is not None]
DEEP = 100_000
BODIES = {
    "a list": b"[]",
    "a list of objects": b"[{}]",
    "a text": b'"x"',
    "a number": b"1e400",
    "NaN": b"NaN",
    "nothing": b"",
    "half": b'{"a": ',
    "deep lists": b'{"a":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "not UTF-8": b'{"a": "\xff"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-16 without a mark": '{"a": 1}'.encode("utf-16-le"),
    "UTF-32": '{"a": 1}'.encode("utf-32"),
    "a raw NUL": b'{"a": "\x00"}',
    "a number of a million digits": b'{"a": ' + b"9" * 1_000_000 + b"}",
}


def bearer(person: Person) -> str:
    return f"Authorization: Bearer {person.token}"


async def said(stack: Stack, sent: bytes, *, ends: bool = False) -> Answer:
    return heard(await spoken(stack.origin, sent, ends=ends))


async def titles(person: Person) -> list[str]:
    """What tickets they have."""
    return [one["title"] for one in answered(await person.get("/tickets"), 200)]


@pytest_asyncio.fixture(scope="module")
async def cast(stack: Stack, people: People) -> Cast:
    """A tenant of their own for those who try everything: some of it signs them out."""
    return await founded(stack, people)


@pytest_asyncio.fixture
async def anyone(cast: Cast) -> Person:
    """Its admin, signed in."""
    await cast.sign_in_again()
    return cast.admin


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("operation", WITH_BODY, ids=str)
async def test_no_door_takes_what_is_no_json_object(anyone: Person, operation: Operation, body: str) -> None:
    path = operation.address({name: str(uuid4()) for name in operation.kinds()})
    response = await anyone.ask(
        operation.method, path, content=BODIES[body], headers={"Content-Type": "application/json"}
    )
    may_be_absent = not BODIES[body] and not operation.spec["requestBody"].get("required")
    assert response.status_code in (400, 413, 415) or may_be_absent, response.text


@pytest.mark.parametrize("operation", WITH_BODY, ids=str)
async def test_every_door_asks_for_json(anyone: Person, operation: Operation) -> None:
    path = operation.address({name: str(uuid4()) for name in operation.kinds()})
    content = json.dumps(sample(operation.body)).encode()
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "x"):
        response = await anyone.ask(operation.method, path, content=content, headers={"Content-Type": content_type})
        assert response.status_code in (400, 415), f"{content_type}: {response.text}"


async def test_a_byte_order_mark_is_no_part_of_the_body(user: Person) -> None:
    body = b"\xef\xbb\xbf" + json.dumps(TICKET).encode()
    response = await user.ask("POST", "/tickets", content=body, headers={"Content-Type": "application/json"})
    answered(response, 201)


@pytest.mark.parametrize(
    "line",
    [
        "X-Request-Id: a\r\n Set-Cookie: stolen=1",
        "X-Request-Id: a\rSet-Cookie: stolen=1",
        "X-Request-Id: a\nSet-Cookie: stolen=1",
        "X-Request-Id: %0d%0aSet-Cookie:%20stolen=1",
        "X-Request-Id: \u0000",
        "Origin: https://a\rSet-Cookie: stolen=1",
        'If-None-Match: "v1"\rSet-Cookie: stolen=1',
        "Consistency-Token: a\rSet-Cookie: stolen=1",
        "Idempotency-Key: a\nSet-Cookie: stolen=1",
    ],
)
async def test_no_header_grows_out_of_another(stack: Stack, user: Person, line: str) -> None:
    answer = await said(stack, request("GET", f"{API}/tickets", bearer(user), line))
    assert "set-cookie" not in answer.headers
    assert answer.status in (200, 400)


@pytest.mark.parametrize("target", ["/%0d%0aSet-Cookie:%20stolen=1", f"{API}/tickets/%0d%0aSet-Cookie:%20stolen=1"])
async def test_no_header_grows_out_of_an_address(stack: Stack, user: Person, target: str) -> None:
    answer = await said(stack, request("GET", target, bearer(user)))
    assert "set-cookie" not in answer.headers
    assert answer.status in (400, 404)


@pytest.mark.parametrize(
    "target",
    [
        "//api/v1/tickets",
        "/api//v1/tickets",
        "/api/v1//tickets",
        "/api/v1/tickets/",
        "/api/v1/tickets//",
        "/API/V1/TICKETS",
        "/api/v1/Tickets",
        "/api/v1/tickets;a=b",
        "/api/v1/tickets%20",
        "/api/v1/tickets%00",
        "/api/v1/tickets%2f",
        "/api/v1/tickets.json",
        "/api/v1/x/../tickets",
        "/api/v1/x/%2e%2e/tickets",
        "/api/v1/./tickets",
        "/api/v1/%2e/tickets",
        "/api/v1/..;/v1/tickets",
        "\\api\\v1\\tickets",
        "/api/v1/tickets\\..\\tickets",
        "/api/v1/%74ickets/",
        "/metrics/",
        "/%6detrics",
        "//metrics",
        "/x/../metrics",
    ],
)
async def test_another_spelling_of_an_address_is_another_address(stack: Stack, admin: Person, target: str) -> None:
    answer = await said(stack, request("GET", target, bearer(admin)))
    assert answer.status in (400, 404), answer.body[:300]


@pytest.mark.parametrize("way", ["/..%2f{}", "/../tickets/{}", "/%2e%2e/tickets/{}", "/x/..%2f..%2ftickets/{}"])
async def test_no_path_climbs_from_one_s_own_thing_to_another_s(
    stack: Stack, user: Person, other_user: Person, way: str
) -> None:
    own, theirs = await user.opens_ticket(), await other_user.opens_ticket(title="secret of the other")
    answer = await said(stack, request("GET", f"{API}/tickets/{own['id']}{way.format(theirs['id'])}", bearer(user)))
    assert answer.status in (400, 403, 404)
    assert b"secret of the other" not in answer.body


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"])
async def test_the_method_is_the_request_s_own(admin: Person, name: str) -> None:
    ticket = await admin.opens_ticket()
    path = f"/tickets/{ticket['id']}"
    answered(await admin.ask("GET", path, headers={name: "DELETE"}, params={name: "DELETE"}), 200)
    refused(await admin.ask("POST", path, headers={name: "DELETE"}, params={name: "DELETE"}, json={}), 405)
    assert (await admin.reads(ticket))["id"] == ticket["id"]


async def test_of_a_parameter_that_is_there_twice_no_value_is_chosen(user: Person) -> None:
    """However its name is written, and though something in front of us may look at the first alone."""
    for query in ("page=1&page=2", "limit=1&limit=100", "p%61ge=1&page=2", "page=1&page=1"):
        field = "limit" if "limit" in query else "page"
        refused(await user.ask("GET", f"/tickets?{query}"), 400, "validation_failed", field)


async def test_of_two_tickets_in_a_query_none_but_one_s_own_is_read(user: Person, other_user: Person) -> None:
    own, theirs = await user.opens_ticket(), await other_user.opens_ticket()
    await other_user.comments_on(theirs, "secret of the other")
    for query in (f"ticketId={own['id']}&ticketId={theirs['id']}", f"ticketId={theirs['id']}&ticketId={own['id']}"):
        problem = refused(await user.ask("GET", f"/comments?{query}"), 400, field="ticketId")
        assert "secret of the other" not in str(problem)


@pytest.mark.parametrize(
    ("name", "value"),
    each(
        page=["1e400", "NaN", "Infinity", "-1", "0", "1.5", "0x1", "９", "9" * 400, "1 ", "", "[]", "true", "1_0"],
        limit=["1e400", "NaN", "-1", "0", "101", "9007199254740993", "1,2", "%00", "null"],
        sortBy=["__proto__", "constructor", "createdAt;drop", "title,status", "1"],
        sortOrder=["random()", "asc;", "\u0000"],
        createdAfter=["0000-00-00", "275760-09-13", "-1", "1e400", "2026-13-01", "now()", "'"],
        cursor=["x", "../..", "\u0000", "e30", "é" * 200, "A" * 5000],
    ),
)
async def test_a_query_value_out_of_range_is_400(user: Person, name: str, value: str) -> None:
    response = await user.get("/tickets", **{name: value})
    if value.strip():
        assert response.status_code in (200, 400), response.text
    if response.status_code == 200:
        assert (name, value) in {("page", "1 "), ("page", "９"), ("page", "1_0"), ("page", "")} | {("cursor", "")}


@pytest.mark.parametrize(
    "word", ["\u202egnp.exe", "שלום עולם", "\u200b\u2066x\u2069", "e\u0301", "\ufeff", "𝕏", "👨‍👩‍👧‍👦", "\u2028"]
)
async def test_text_of_every_script_comes_back_as_it_was(user: Person, word: str) -> None:
    ticket = await user.opens_ticket(title=word, description=word, metadata={word: word}, tags=[word])
    detail = await user.reads(ticket)
    assert (detail["title"], detail["description"], detail["metadata"], detail["tags"]) == (
        word,
        word,
        {word: word},
        [word],
    )
    assert (await user.comments_on(ticket, word))["content"] == word


async def test_lengths_count_as_javascript_does(user: Person) -> None:
    await user.opens_ticket(title="😀" * 100)
    refused(await user.post("/tickets", {"title": "😀" * 101, "description": ""}), 400, field="title")
    await user.opens_ticket(title="é" * 200)
    refused(await user.post("/tickets", {"title": "e\u0301" * 101, "description": ""}), 400, field="title")


async def test_names_that_pollute_prototypes_are_data_like_any_other(user: Person) -> None:
    metadata = {
        "__proto__": {"isAdmin": True},
        "constructor": {"prototype": {"isAdmin": True}},
        "__class__": "x",
        "toString": 1,
        "$ne": None,
        "a.b": {"c": [1, "2", False]},
        "": "empty",
    }
    body = {**TICKET, "metadata": metadata, "__proto__": {"role": "ADMIN"}, "constructor": {"tenantId": str(uuid4())}}
    ticket = answered(await user.post("/tickets", body), 201)
    assert ticket["metadata"] == metadata
    assert (await user.reads(ticket))["metadata"] == metadata
    assert ticket["tenantId"] == user.tenant_id


async def test_fields_that_a_route_does_not_name_have_no_effect(user: Person, stranger: Person) -> None:
    lies = {
        "id": str(uuid4()),
        "tenantId": stranger.tenant_id,
        "createdById": stranger.id,
        "number": 1,
        "createdAt": "2000-01-01T00:00:00.000Z",
        "role": "ADMIN",
        "version": 99,
    }
    ticket = answered(await user.post("/tickets", {**TICKET, **lies}), 201)
    assert not {name for name in lies if ticket.get(name) == lies[name]}
    assert ticket["createdById"] == user.id
    edited = answered(await user.patch(f"/tickets/{ticket['id']}", {**lies, "title": "y"}), 200)
    assert {name: edited[name] for name in ("id", "tenantId", "createdById", "number")} == {
        name: ticket[name] for name in ("id", "tenantId", "createdById", "number")
    }


@pytest.mark.parametrize(
    "header", ["X-Tenant-Id", "X-Roles", "X-Scopes", "X-User-Id", "X-Forwarded-User", "x_tenant_id", "X-Original-URL"]
)
async def test_a_header_that_claims_something_is_not_believed(user: Person, stranger: Person, header: str) -> None:
    ticket = await stranger.opens_ticket()
    for value in (stranger.tenant_id, stranger.id, "ROLE_ADMIN", "ADMIN", "tickets:read:any", f"{API}/tenants"):
        assert answered(await user.ask("GET", "/tickets", headers={header: value}), 200, array({})) == []
        refused(await user.ask("GET", f"/tickets/{ticket['id']}", headers={header: value}), 404)


async def test_a_chunked_body_is_a_body(stack: Stack, user: Person) -> None:
    body = json.dumps({**TICKET, "title": "in pieces"}).encode()
    pieces = b"".join(b"%x\r\n%s\r\n" % (1, body[at : at + 1]) for at in range(len(body))) + b"0\r\n\r\n"
    sent = request("POST", f"{API}/tickets", bearer(user), JSON, "Transfer-Encoding: chunked", body=pieces)
    assert (await said(stack, sent)).status == 201
    assert await titles(user) == ["in pieces"]


async def test_a_body_shorter_than_it_says_opens_nothing(stack: Stack, user: Person) -> None:
    body = json.dumps(TICKET).encode()
    sent = request("POST", f"{API}/tickets", bearer(user), JSON, body=body, length=len(body) + 100)
    answer = await spoken(stack.origin, sent, ends=True)
    assert not answer.startswith(b"HTTP/1.1 2")
    assert await titles(user) == []


@pytest.mark.parametrize(
    "headers",
    [
        ("Transfer-Encoding: chunked", "Content-Length: 4"),
        ("Content-Length: 4", "Content-Length: 5"),
        ("Content-Length: -1",),
        ("Content-Length: 0x10",),
        ("Content-Length: 99999999999999999999",),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding : chunked",),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
    ],
)
async def test_no_request_hides_in_another(stack: Stack, user: Person, headers: tuple[str, ...]) -> None:
    hidden = request("POST", f"{API}/tickets", bearer(user), JSON, body=json.dumps(TICKET).encode())
    head = "\r\n".join([f"POST {API}/nope HTTP/1.1", "Host: tickets.example", *headers, "", ""]).encode()
    told = await spoken(stack.origin, head + b"0\r\n\r\n" + hidden, ends=True)
    assert b"HTTP/1.1 201" not in told or not told.startswith(b"HTTP/1.1 400")
    assert told.count(b"HTTP/1.1 2") <= 1
    if "Content-Length: 99999999999999999999" in headers or "Content-Length: -1" in headers:
        assert await titles(user) == []


async def test_a_body_that_says_it_is_packed_is_not_unpacked(user: Person) -> None:
    for coding in ("gzip", "br", "deflate", "x"):
        response = await user.ask(
            "POST",
            "/tickets",
            content=b"\x1f\x8b\x08\x00",
            headers={"Content-Encoding": coding, "Content-Type": "application/json"},
        )
        refused(response, response.status_code if response.status_code in (400, 415) else 400)
    assert await titles(user) == []


@pytest.mark.parametrize(
    "value",
    ["9007199254740993", "-9007199254740993", "1e400", "-1e400", "NaN", "1e308", "123456789012345678901234567890"],
)
async def test_a_number_that_javascript_would_change_is_refused(user: Person, value: str) -> None:
    body = f'{{"title": "x", "description": "", "metadata": {{"n": {value}}}}}'.encode()
    refused(await user.ask("POST", "/tickets", content=body, headers={"Content-Type": "application/json"}), 400)


async def test_a_secret_in_an_address_or_body_is_in_no_error(client: httpx.AsyncClient) -> None:
    response = await client.post(f"{API}/auth/login?password=hunter22", json={"email": 1, "password": "hunter22"})
    refused(response, 400)
    assert "hunter22" not in response.text + str(response.headers)
