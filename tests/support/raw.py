"""HTTP by hand, for requests that no client library would send."""

import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """What came back first on the connection, and whatever came after it."""

    status: int
    headers: dict[str, str]
    body: bytes
    rest: bytes


async def spoken(origin: str, request: bytes, *, ends: bool = False, seconds: float = 10) -> bytes:
    """Everything that the server says until it closes; `ends` says that nothing more will be sent."""
    target = urlsplit(origin)
    reader, writer = await asyncio.open_connection(target.hostname, target.port)
    try:
        writer.write(request)
        await writer.drain()
        if ends:
            writer.write_eof()
        async with asyncio.timeout(seconds):
            return await reader.read()
    finally:
        writer.close()


def heard(said: bytes) -> Answer:
    """The first answer in what was said."""
    head, _, after = said.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = int(headers.get("content-length", len(after)))
    return Answer(int(first.split(" ")[1]), headers, after[:length], after[length:])


def request(method: str, target: str, *headers: str, body: bytes = b"", length: int | None = None) -> bytes:
    """The bytes of a request that closes its connection; `length` is a Content-Length that may lie."""
    said = len(body) if length is None else length
    lines = [f"{method} {target} HTTP/1.1", "Host: tickets.example", "Connection: close", *headers]
    if (body or length is not None) and not any(line.lower().startswith("transfer-encoding") for line in headers):
        lines.append(f"Content-Length: {said}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
