"""The errors that the gateway itself answers with."""

import json
from collections.abc import AsyncIterator
from urllib.parse import unquote

import pytest

from integration.gateway.answers import (
    MIB,
    assert_secured,
    error_of,
    raw_request,
    words,
)
from support.gateway import (
    Gateway,
)


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
