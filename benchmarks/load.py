"""Load over HTTP from a process of its own: `python -m benchmarks.load PORT CLIENTS SECONDS`, requests on stdin.

The client is as cheap as a client can be (requests are bytes made once, answers are only parsed): on a machine with two
processors whatever it took would be missing from what it measures.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import httptools
import uvloop

HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Request:
    """One request, repeated for ever."""

    method: str
    path: str
    token: str
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def encoded(self, port: int) -> bytes:
        """As it goes over the wire."""
        body = self.body.encode()
        named = [("Host", f"{HOST}:{port}"), ("Authorization", f"Bearer {self.token}"), *self.headers]
        if body:
            named += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        head = "".join(f"{name}: {value}\r\n" for name, value in named)
        return f"{self.method} {self.path} HTTP/1.1\r\n{head}\r\n".encode() + body


@dataclass(frozen=True, slots=True)
class Load:
    """What came of it. `behind`: answers that did not wait for their view to the end."""

    count: int
    failed: int
    behind: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def per_s(self) -> float:
        """Answers a second."""
        return self.count / self.seconds


async def run(port: int, requests: Sequence[Request], clients: int, seconds: float) -> Load:
    """`clients` in a process of their own, each with one request under way; they take the requests in turn.

    Raises RuntimeError when an answer was no success: what failed quickly is not fast.
    """
    told = json.dumps([asdict(request) for request in requests]).encode()
    arguments = ("-m", "benchmarks.load", str(port), str(clients), str(seconds))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdin=pipe, stdout=pipe)
    answer, _ = await process.communicate(told)
    if process.returncode:
        raise RuntimeError("the load generator failed")
    load = Load(**json.loads(answer))
    if load.failed or not load.count:
        raise RuntimeError(f"{load.failed} of {load.count} requests failed")
    return load


class Client(asyncio.Protocol):
    """One connection with one request under way."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None
        self.behind = 0

    @classmethod
    async def open(cls, port: int) -> "Client":
        """Connected."""
        _, client = await asyncio.get_running_loop().create_connection(cls, HOST, port)
        return client

    async def ask(self, request: bytes) -> int:
        """The status of the answer."""
        if self._transport is None:
            raise ConnectionError("not connected")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """End the connection."""
        if self._transport:
            self._transport.close()

    def connection_made(self, transport: Any) -> None:
        """asyncio's."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """asyncio's."""
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio's."""
        self._transport = None
        if self._answer and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("the server closed the connection"))

    def on_header(self, name: bytes, _: bytes) -> None:
        """The parser's."""
        self.behind += name.lower() == b"consistency"

    def on_message_complete(self) -> None:
        """The parser's."""
        if self._answer and not self._answer.done():
            self._answer.set_result(self._parser.get_status_code())


async def _drive(port: int, requests: Sequence[Request], clients: int, seconds: float) -> Load:
    encoded = [request.encoded(port) for request in requests]
    connections = [await Client.open(port) for _ in range(clients)]
    took: list[float] = []
    begun = time.perf_counter()
    deadline = begun + seconds

    async def one(number: int, client: Client) -> int:
        failed, turn = 0, number
        while (started := time.perf_counter()) < deadline:
            status = await client.ask(encoded[turn % len(encoded)])
            took.append((time.perf_counter() - started) * 1000)
            failed += status >= 300
            turn += 1
        return failed

    failed = sum(await asyncio.gather(*(one(number, client) for number, client in enumerate(connections))))
    elapsed = time.perf_counter() - begun
    behind = sum(client.behind for client in connections)
    for client in connections:
        client.close()
    took.sort()
    p50, p99 = (took[min(len(took) - 1, round(len(took) * share))] for share in (0.5, 0.99))
    return Load(len(took), failed, behind, elapsed, p50, p99)


def main(port: str, clients: str, seconds: str) -> None:
    """The process."""
    requests = [Request(**plain) for plain in json.load(sys.stdin)]
    print(json.dumps(asdict(uvloop.run(_drive(int(port), requests, int(clients), float(seconds))))))


if __name__ == "__main__":
    main(*sys.argv[1:])
