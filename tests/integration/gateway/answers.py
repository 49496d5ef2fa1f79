"""What the tests of the gateway ask with, and what they look for in an answer."""

import re
from typing import Any

import httpx

from support.gateway import Gateway

SIGNED = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=abc"
ALLOWED = "https://app.example"
ALSO_ALLOWED = "http://localhost:3000"
MIB = 1024 * 1024


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


def raw_request(running: Gateway, method: str, path: str) -> httpx.Request:
    """A request whose target httpx does not tidy up."""
    url = httpx.URL(running.url)
    target = {"target": path.encode()}
    return running.client.build_request(method, url, extensions=target)
