"""Errors: one body for every one, whatever was wrong and wherever (contract §3)."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest

from support.cases import each
from support.people import Person
from support.shapes import answered, array, refused

UNKNOWN = "018f3a5c-7b1e-7c3d-9e5f-0123456789ab"
JSON = {"Content-Type": "application/json"}
MIB = 1024 * 1024
DOORS = [
    ("POST", "/auth/signup"),
    ("POST", "/auth/login"),
    ("POST", "/auth/refresh"),
    ("POST", "/tickets"),
    ("PATCH", f"/tickets/{UNKNOWN}"),
    ("POST", f"/tickets/{UNKNOWN}/comments"),
    ("POST", "/comments"),
    ("PUT", f"/comments/{UNKNOWN}"),
    ("POST", "/webhooks"),
    ("PATCH", f"/webhooks/{UNKNOWN}"),
]
BROKEN = {
    "nothing": b"",
    "blank": b"  \n",
    "word": b"hello",
    "half": b'{"title": "x", "description": ',
    "trailing comma": b'{"title": "x",}',
    "single quotes": b"{'title': 'x'}",
    "comment": b'{} // "x"',
    "two values": b"{} {}",
    "list": b"[]",
    "list of objects": b'[{"title": "x", "description": ""}]',
    "string": b'"title"',
    "number": b"7",
    "null": b"null",
    "true": b"true",
    "not UTF-8": b'{"title": "\xff\xfe", "description": ""}',
    "overlong UTF-8": b'{"title": "\xc0\xaf", "description": ""}',
    "UTF-8 surrogate": b'{"title": "\xed\xa0\x80", "description": ""}',
    "raw NUL": b'{"title": "a\x00b", "description": ""}',
    "raw newline": b'{"title": "a\nb", "description": ""}',
    "NaN": b"NaN",
    "deep lists": b"[" * 200_000,
    "deep objects": b'{"a":' * 100_000,
    "deep and closed": b"[" * 100_000 + b"]" * 100_000,
    "UTF-16": '{"title": "x"}'.encode("utf-16-be")[1:],
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize(("method", "path"), [DOORS[0], DOORS[3], DOORS[4], DOORS[6], DOORS[8]])
async def test_a_body_that_is_no_object_is_400(agent: Person, method: str, path: str, name: str) -> None:
    refused(await agent.ask(method, path, content=BROKEN[name], headers=JSON), 400)


@pytest.mark.parametrize(("method", "path"), DOORS)
async def test_every_door_refuses_broken_json(agent: Person, method: str, path: str) -> None:
    body = refused(await agent.ask(method, path, content=b'{"broken', headers=JSON), 400)
    assert body["code"] in ("BAD_REQUEST", "VALIDATION_ERROR")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml", "multipart/form-data", "x"]
)
async def test_another_content_type_is_no_json(somebody: Person, content_type: str) -> None:
    body = json.dumps({"title": "x", "description": ""}).encode()
    response = await somebody.ask("POST", "/tickets", content=body, headers={"Content-Type": content_type})
    refused(response, response.status_code if response.status_code in (400, 415) else 415)


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/merge-patch+json"]
)
async def test_json_may_call_itself_by_all_its_names(somebody: Person, content_type: str) -> None:
    ticket = await somebody.opens_ticket()
    response = await somebody.ask(
        "PATCH", f"/tickets/{ticket['id']}", content=b'{"title": "x"}', headers={"Content-Type": content_type}
    )
    assert answered(response, 200)["title"] == "x"


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800", "\\udfff", "\\ude00\\ud83d", "a\\ud83d"])
@pytest.mark.parametrize("field", ["title", "description"])
async def test_text_that_cannot_be_stored_is_refused(somebody: Person, field: str, text: str) -> None:
    other = "description" if field == "title" else "title"
    body = f'{{"{field}": "a{text}b", "{other}": "x"}}'.encode()
    refused(await somebody.ask("POST", "/tickets", content=body, headers=JSON), 400, field=field)


@pytest.mark.parametrize(
    "metadata",
    ['{"a": "\\ud800"}', '{"\\ud800": 1}', '{"a": NaN}', '{"a": Infinity}', '{"a": 1e999}', '{"a": "\\u0000"}',
     '{"a": 123456789012345678901234567890}', '{"a": ' + "[" * 50 + "]" * 50 + "}"],
)  # fmt: skip
async def test_metadata_that_javascript_could_not_hold_is_refused(somebody: Person, metadata: str) -> None:
    body = f'{{"title": "x", "description": "", "metadata": {metadata}}}'.encode()
    refused(await somebody.ask("POST", "/tickets", content=body, headers=JSON), 400)


async def test_a_surrogate_pair_is_a_character(somebody: Person) -> None:
    body = b'{"title": "\\ud83d\\ude00", "description": ""}'
    assert answered(await somebody.ask("POST", "/tickets", content=body, headers=JSON), 201)["title"] == "😀"


async def test_of_a_field_that_is_there_twice_the_last_counts(somebody: Person) -> None:
    body = b'{"title": "first", "title": "last", "description": ""}'
    assert answered(await somebody.ask("POST", "/tickets", content=body, headers=JSON), 201)["title"] == "last"


@pytest.mark.parametrize("size", [MIB + 1, 3 * MIB])
async def test_a_body_beyond_the_limit_is_413(somebody: Person, size: int) -> None:
    body = b'{"title": "x", "description": "' + b"x" * size + b'"}'
    refused(await somebody.ask("POST", "/tickets", content=body, headers=JSON), 413)


async def test_metadata_of_more_than_64_kb_is_400(somebody: Person) -> None:
    body = {"title": "x", "description": "", "metadata": {"text": "x" * 66_000}}
    refused(await somebody.post("/tickets", body), 400)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", path) for path in ("/tickets/{}", "/tickets/{}/comments", "/comments?ticketId={}", "/webhooks/{}")),
        *(("PATCH", path) for path in ("/tickets/{}", "/comments/{}", "/webhooks/{}")),
        *(("DELETE", path) for path in ("/tickets/{}", "/comments/{}", "/webhooks/{}", "/notifications/{}")),
        ("POST", "/tickets/{}/comments"),
        ("PUT", "/notifications/{}/read"),
    ],
)
@pytest.mark.parametrize(
    "id_",
    ["1", "undefined", UNKNOWN[:-1], UNKNOWN + "0", UNKNOWN.replace("-", ""), "%00", "%27%20or%201=1", "é", "%ff"],
)
async def test_a_malformed_id_is_400(admin: Person, method: str, path: str, id_: str) -> None:
    body = {"content": "x", "title": "x"} if method in ("PATCH", "POST") else None
    refused(await admin.ask(method, path.format(id_), json=body), 400)


@pytest.mark.parametrize(
    "path",
    ["/", "/nope", "/api", "/api/v2/tickets", "/api/v1/nope", "/api/v1/tickets/", "/admin", "/.env", "/api/v1/auth",
     f"/api/v1/tickets/{UNKNOWN}/nope", "/api/v1/tickets//comments", "/api/ticketsandmore", "/docs", "/redoc",
     "/metrics", "/%00", "/%ff", "/é", "/a%0d%0ab"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_an_unknown_address_is_404_for_everyone(
    client: httpx.AsyncClient, admin: Person, method: str, path: str
) -> None:
    refused(await client.request(method, path), 404, "not_found")
    headers = {"Authorization": f"Bearer {admin.token}"}
    refused(await client.request(method, path, headers=headers), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/api/v1/tickets", {"GET", "HEAD", "POST"}),
        ("PUT", "/api/tickets", {"GET", "HEAD", "POST"}),
        ("POST", f"/api/v1/tickets/{UNKNOWN}", {"GET", "HEAD", "PUT", "PATCH", "DELETE"}),
        ("PUT", f"/api/v1/tickets/{UNKNOWN}/comments", {"GET", "HEAD", "POST"}),
        ("GET", f"/api/v1/comments/{UNKNOWN}", {"PUT", "PATCH", "DELETE"}),
        ("GET", "/api/v1/auth/login", {"POST"}),
        ("GET", "/api/auth/login", {"POST"}),
        ("DELETE", "/api/v1/auth/signup", {"POST"}),
        ("PUT", "/api/v1/webhooks", {"GET", "HEAD", "POST"}),
        ("POST", f"/api/v1/webhooks/{UNKNOWN}", {"GET", "HEAD", "PUT", "PATCH", "DELETE"}),
        ("POST", "/api/v1/notifications", {"GET", "HEAD"}),
        ("GET", f"/api/v1/notifications/{UNKNOWN}/read", {"PUT"}),
        ("POST", "/health", {"GET", "HEAD"}),
        ("POST", "/openapi.json", {"GET", "HEAD"}),
        ("POST", "/api/v1/tickets/stats", {"GET", "HEAD"}),
        ("DELETE", "/api/v1/tickets/stats", {"GET", "HEAD"}),
        ("TRACE", "/api/v1/tickets", {"GET", "HEAD", "POST"}),
        ("PROPFIND", "/api/v1/tickets", {"GET", "HEAD", "POST"}),
    ],
)
async def test_a_method_that_is_not_there_is_405_and_says_which_are(
    client: httpx.AsyncClient, method: str, path: str, allowed: set[str]
) -> None:
    response = await client.request(method, path)
    refused(response, 405, "method_not_allowed")
    assert set(response.headers["Allow"].replace(" ", "").split(",")) - {"OPTIONS"} == allowed


async def test_a_method_nobody_has_heard_of_is_405(client: httpx.AsyncClient) -> None:
    response = await client.request("BREW", "/api/v1/tickets")
    refused(response, 405, "method_not_allowed")
    assert response.headers["Allow"]


async def test_an_error_tells_the_time_and_the_path_as_asked(client: httpx.AsyncClient) -> None:
    for path in ("/api/v1/nope", "/api/tickets", "/api/auth/me", "/nope%20nope", "/n%C3%B6pe"):
        begun = datetime.now(UTC) - timedelta(milliseconds=1)
        response = await client.get(path, params={"secret": "s3cr3t"})
        body = answered(response, response.status_code)
        assert begun <= datetime.fromisoformat(body["timestamp"]) <= datetime.now(UTC)
        assert body["status"] >= 400
        assert "s3cr3t" not in response.text
        assert body["instance"] == path


async def test_values_are_never_repeated_in_errors(client: httpx.AsyncClient) -> None:
    body = {"email": "s3cr3t-address", "password": "s3cr3t", "name": ["s3cr3t"]}
    response = await client.post("/api/v1/auth/signup", json=body)
    refused(response, 400)
    assert "s3cr3t" not in response.text


@pytest.mark.parametrize("path", ["/api/v1/nope", "/api/v1/tickets", "/api/v1/webhooks", "/api/v1/notifications"])
async def test_an_error_bears_the_request_id_that_came(client: httpx.AsyncClient, path: str) -> None:
    own = str(uuid4())
    response = await client.get(path, headers={"X-Request-Id": own})
    assert answered(response, response.status_code)["requestId"] == own
    for junk in ("x", "1" * 5000, f"{own}{own}", f"{{{own}}}", "<script>", "é".encode(), "../../etc/passwd", own[:-1]):
        response = await client.get(path, headers={b"X-Request-Id": junk if isinstance(junk, bytes) else junk.encode()})
        assert answered(response, response.status_code)["requestId"] != junk


@pytest.mark.parametrize(
    ("name", "value"),
    each(
        **{
            "Accept": ["text/html", "x", "*/*;q=0", "é", "x" * 8000],
            "Accept-Encoding": ["br;q=1", "x", ""],
            "Accept-Language": ["é", ";;"],
            "Content-Type": ["x", "application/json;charset=utf-7"],
            "Cookie": ["a=b;" * 500],
            "Forwarded": ["for=127.0.0.1;host=evil.example"],
            "If-Modified-Since": ["yesterday"],
            "If-None-Match": ["x", '"', "W/", ",,,"],
            "Prefer": ["respond-async", "é"],
            "Range": ["bytes=0-0", "bytes=-1"],
            "X-Forwarded-For": ["evil", "127.0.0.1, 127.0.0.1"],
            "X-Forwarded-Host": ["evil.example"],
            "X-Junk": ["\\r\\nSet-Cookie: a=b", "\u00ff", "%0d%0a"],
        }
    ),
)
async def test_headers_full_of_junk_change_nothing(somebody: Person, name: str, value: str) -> None:
    headers = {b"Authorization": f"Bearer {somebody.token}".encode(), name.encode(): value.encode()}
    response = await somebody.client.get("/api/v1/tickets", params={"limit": 1, "page": 1}, headers=headers)
    answered(response, 200)
    assert "evil.example" not in str(response.headers)


@pytest.mark.parametrize("tag", ["x", '"x"', "v1", '"v"', '"v-1"', '"v1', '"v99999999999999999999"', "é"])
async def test_a_malformed_if_match_is_400(somebody: Person, tag: str) -> None:
    ticket = await somebody.opens_ticket()
    headers = {b"If-Match": tag.encode()}
    bearer = {b"Authorization": f"Bearer {somebody.token}".encode()}
    path = f"/api/v1/tickets/{ticket['id']}"
    response = await somebody.client.patch(path, json={"title": "x"}, headers={**bearer, **headers})
    refused(response, 400)
    assert (await somebody.reads(ticket))["title"] == ticket["title"]


@pytest.mark.parametrize("token", ["x", "é", "W10x", "A" * 10_000, "eyJhIjoxfQ"])
async def test_a_malformed_consistency_token_is_400(somebody: Person, token: str) -> None:
    headers = {b"Authorization": f"Bearer {somebody.token}".encode(), b"Consistency-Token": token.encode()}
    refused(await somebody.client.get("/api/v1/tickets", headers=headers), 400)


async def test_an_address_too_long_is_414_and_headers_too_large_431(client: httpx.AsyncClient) -> None:
    refused(await client.get("/api/v1/tickets", params={"search": "x" * 40_000}), 414)
    refused(await client.get("/api/v1/tickets", headers={"Cookie": "a=" + "b" * 40_000}), 431)


async def test_many_unknown_parameters_are_ignored(somebody: Person) -> None:
    query = {f"unknown{number}": "x" for number in range(200)}
    answered(await somebody.ask("GET", "/tickets", params=query), 200, array({}))
