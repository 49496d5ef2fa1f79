"""Compression, streams, restarts of what stands behind, and what is logged."""

import asyncio
import json
from pathlib import Path
from uuid import UUID, uuid4

import aiohttp
import pytest

from integration.gateway.answers import (
    headers_that_arrived,
    words,
)
from support.gateway import (
    Gateway,
    gateway,
    port_of,
    reserve_port,
    upstream,
)

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
