"""What goes over HTTP (contract §2, §3, §12): tags, lengths, times, ids, error bodies."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi.exceptions import RequestValidationError
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request

from helpdesk.http.app import build_api, edge
from helpdesk.http.etag import etag, expected_version, respond
from helpdesk.http.json import dumps
from helpdesk.http.middleware import request_id_of, resolved, trace_of
from helpdesk.http.problem import Problem, answer, internal, invalid, of_validation, plain, unavailable
from helpdesk.http.wire import Id, instant, text, utf16_length


def request(method: str = "GET", path: str = "/api/v1/tickets", **headers: str) -> Request:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": method, "path": path, "headers": pairs, "request_id": "42"})


# --- entity tags ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "version"),
    [
        (None, None),
        ("*", None),
        (" * ", None),
        ('"v17"', 17),
        ('"v17.0a1b"', 17),
        ('W/"v17.0a1b"', 17),
        (' "v0" ', 0),
    ],
)
def test_if_match_demands_the_part_before_the_dot(header: str | None, version: int | None) -> None:
    assert expected_version(header) == version


@pytest.mark.parametrize(
    "header", ["", "v17", "17", '"17"', '"v"', '"v-1"', '"v1', '"v1", "v2"', '"v1234567890"', '"V1"']
)
def test_any_other_if_match_is_refused(header: str) -> None:
    with pytest.raises(Problem) as problem:
        expected_version(header)
    assert (problem.value.status, problem.value.reason) == (400, "malformed_etag")


@given(st.integers(0, 999_999_999), st.binary(max_size=40))
def test_a_tag_that_we_give_is_one_that_we_read(version: int, body: bytes) -> None:
    assert expected_version(etag(version, body)) == version


def test_a_tag_changes_with_the_body_and_with_the_version() -> None:
    assert len({etag(1, b"a"), etag(1, b"b"), etag(2, b"a")}) == 3


def test_what_the_client_has_already_is_not_sent_again() -> None:
    tag = etag(3, b"{}")
    for header in (tag, f"W/{tag}", f'"v1", {tag}', "*"):
        same = respond(request(if_none_match=header), b"{}", 3)
        assert (same.status_code, same.body, same.headers["etag"]) == (304, b"", tag)
    assert respond(request(if_none_match='"v3"'), b"{}", 3).status_code == 200
    assert respond(request("PUT", if_none_match=tag), b"{}", 3).status_code == 200


# --- lengths, times, ids ----------------------------------------------------------------------------------------------


@given(st.text())
def test_a_length_counts_utf16_code_units(value: str) -> None:
    assert utf16_length(value) == len(value.encode("utf-16-le", "surrogatepass")) // 2


def test_bounds_count_as_javascript_does() -> None:
    title: TypeAdapter[str] = TypeAdapter(Annotated[str, text(1, 4)])
    assert title.validate_python("🔥🔥") == "🔥🔥"
    for value in ("", "🔥🔥x", "abcde", "a\x00b", "\ud800"):
        with pytest.raises(ValidationError):
            title.validate_python(value)


def test_a_time_is_in_utc_with_milliseconds_and_z() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_999, tzinfo=timezone(timedelta(hours=2)))
    assert instant(moment) == "2026-01-02T01:04:05.678Z"
    assert dumps({"at": moment}) == b'{"at":"2026-01-02T01:04:05.678Z"}'
    assert instant(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02T00:00:00.000Z"


@pytest.mark.parametrize(
    "value",
    ["{00000000-0000-0000-0000-000000000001}", "urn:uuid:" + str(UUID(int=1)), "1" * 32, "", 7, None, b"0" * 16],
)
def test_an_id_has_one_form(value: Any) -> None:
    id_: TypeAdapter[UUID] = TypeAdapter(Id)
    assert id_.validate_python("0190A1B2-C3D4-7E5F-8A9B-0C1D2E3F4A5B").hex == "0190a1b2c3d47e5f8a9b0c1d2e3f4a5b"
    with pytest.raises(ValidationError):
        id_.validate_python(value)


# --- requests ---------------------------------------------------------------------------------------------------------


def test_a_request_id_is_echoed_when_it_is_a_uuid_and_else_made() -> None:
    mine = str(uuid4())
    assert request_id_of(mine) == mine
    for other in (None, "", "7", "x" * 36, "{" + mine + "}", mine.replace("-", "")):
        assert request_id_of(other) != other
        assert UUID(request_id_of(other))


def test_a_trace_is_taken_over_when_it_is_one_and_else_nothing() -> None:
    mine = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert trace_of(mine) == mine
    nobodys = ("00-" + "0" * 32 + mine[35:], mine[:36] + "0" * 16 + "-01")
    for other in (None, "", "7", mine.upper(), mine + "-x", f"{mine}\n", "01" + mine[2:], *nobodys):
        assert trace_of(other) is None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/auth/login", ("/api/v1/auth/login", False)),
        ("/api/tickets", ("/api/v1/tickets", True)),
        ("/api/tickets/7/comments", ("/api/v1/tickets/7/comments", True)),
        ("/api/comments", ("/api/v1/comments", True)),
        ("/api/ticketsx", ("/api/ticketsx", False)),
        ("/api/auth", ("/api/auth", False)),
        ("/api/v1/tickets", ("/api/v1/tickets", False)),
        ("/api/v1", ("/api/v1/", False)),
        ("/api/v1/", ("/api/v1/", False)),
        ("/health", ("/health", False)),
    ],
)
def test_the_addresses_of_older_clients_are_ours(path: str, expected: tuple[str, bool]) -> None:
    assert resolved(path) == expected


# --- errors -----------------------------------------------------------------------------------------------------------

STATUSES = [400, 401, 403, 404, 405, 406, 408, 409, 412, 413, 414, 415, 422, 428, 429, 431, 500, 501, 502, 503, 504]
CODES = {401: "UNAUTHORIZED", 403: "FORBIDDEN", 404: "NOT_FOUND", 409: "CONFLICT", 429: "RATE_LIMITED"}


def body_of(problem: Problem, path: str = "/api/v1/tickets") -> dict[str, Any]:
    response = answer(request(path=path), problem)
    assert response.media_type == "application/problem+json"
    assert response.status_code == problem.status
    body: dict[str, Any] = json.loads(bytes(response.body))
    return body


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_has_the_one_body(status: int) -> None:
    body = body_of(plain(status))
    assert body["code"] == CODES.get(status, "INTERNAL_ERROR" if status >= 500 else "BAD_REQUEST")
    assert body["message"] == body["error"] == body["detail"] != ""
    assert body["reason"] == body["reason"].lower().replace(" ", "_")
    assert (body["status"], body["type"], body["requestId"]) == (status, "about:blank", "42")
    assert body["path"] == body["instance"] == "/api/v1/tickets"
    assert body["timestamp"].endswith("Z")
    assert "details" not in body


def test_a_broken_rule_names_its_field_twice() -> None:
    body = body_of(invalid("assignedToId", "there is no such user", "unknown_user"))
    assert (body["code"], body["status"]) == ("VALIDATION_ERROR", 400)
    assert (
        body["details"]
        == body["errors"]
        == [{"field": "assignedToId", "message": "there is no such user", "code": "unknown_user"}]
    )


def test_further_fields_never_overwrite_the_contracts() -> None:
    body = body_of(Problem(409, "illegal_transition", "No.", extra={"allowed": ["open"], "status": "x", "code": "y"}))
    assert (body["allowed"], body["status"], body["code"]) == (["open"], 409, "CONFLICT")


def test_our_own_faults_reveal_nothing() -> None:
    assert body_of(internal())["reason"] == "internal_error"
    assert answer(request(), unavailable()).headers["retry-after"] == "1"


def test_an_instance_is_a_uri_reference_whatever_the_path() -> None:
    body = body_of(plain(404), path='/api/v1/"ü <x>')
    assert body["path"] == '/api/v1/"ü <x>'
    assert body["instance"] == "/api/v1/%22%C3%BC%20%3Cx%3E"


def test_what_pydantic_found_is_told_without_values() -> None:
    found = [
        {"type": "too_long", "loc": ("body", "title"), "msg": "Must be short", "input": "secret"},
        {"type": "missing", "loc": ("body",), "msg": "Field required", "input": None},
        {"type": "malformed_id", "loc": ("path", "id"), "msg": "Must be a UUID", "input": "secret"},
    ]
    body = body_of(of_validation(RequestValidationError(found)))
    assert [(one["field"], one["message"], one["code"]) for one in body["details"]] == [
        ("title", "must be short", "too_long"),
        ("body", "field required", "missing"),
        ("id", "must be a UUID", "malformed_id"),
    ]
    assert "secret" not in json.dumps(body)


def test_broken_json_is_no_matter_of_fields() -> None:
    body = body_of(of_validation(RequestValidationError([{"type": "json_invalid", "loc": ("body", 3), "msg": "x"}])))
    assert (body["code"], body["reason"]) == ("BAD_REQUEST", "malformed_json")


@pytest.mark.parametrize("sent", [b'{"title": "\xff"}', b"[" * 100_000])
async def test_a_body_that_cannot_be_read_at_all_is_broken_json(sent: bytes) -> None:
    api = build_api("test")

    @api.post("/things")
    async def make(body: dict[str, str]) -> None:
        """What is read before anything is done."""

    async with httpx.AsyncClient(transport=httpx.ASGITransport(edge(api)), base_url="http://test") as client:
        answer = await client.post("/things", content=sent, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "BAD_REQUEST")
    assert answer.json()["reason"] == "malformed_json"
