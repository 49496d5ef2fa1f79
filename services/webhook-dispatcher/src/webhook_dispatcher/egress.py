"""The way out: one POST, to an address that was checked, and what became of it."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from helpdesk.clock import utc_now
from webhook_dispatcher.domain.schedule import ErrorClass, Outcome
from webhook_dispatcher.domain.target import Rules, objection

TOTAL_S: Final = 15.0
CONNECT_S: Final = 5.0
READ_BYTES: Final = 64 * 1024
KEPT_BYTES: Final = 16 * 1024
LOOK_UPS: Final = 64
_TIMEOUT: Final = aiohttp.ClientTimeout(total=TOTAL_S, connect=CONNECT_S, sock_connect=CONNECT_S)


@dataclass(frozen=True, slots=True)
class Prepared:
    """One request, ready to go."""

    url: str
    headers: dict[str, str]
    body: bytes


class Blocked(OSError):
    """The name leads to an address that webhooks may not reach."""


class CheckedResolver(AbstractResolver):
    """Names to addresses, every one of which is permitted; aiohttp connects to these and to no others.

    Look-ups have threads of their own: a name server that does not answer for one endpoint holds up no other.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._threads = ThreadPoolExecutor(LOOK_UPS, thread_name_prefix="webhook-dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """All addresses of `host`. Raises Blocked when one of them is not permitted, OSError when there are none."""
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
        )
        addresses = [(str(sockaddr[0]), family_, proto) for family_, _, proto, _, sockaddr in found]
        if not all(self._rules.permits(address) for address, _, _ in addresses):
            raise Blocked
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=family_,
                proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address, family_, proto in addresses
        ]

    async def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class Egress:
    """Posts webhooks. Redirects, proxies and cookies are none of its business."""

    def __init__(self, session: aiohttp.ClientSession, rules: Rules) -> None:
        self._session, self._rules = session, rules

    async def post(self, request: Prepared) -> Outcome:
        """Send it once. Every failure is an outcome; nothing is raised."""
        started = time.perf_counter()
        status, error, head, retry_after = await self._post(request)
        latency_ms = round((time.perf_counter() - started) * 1000)
        return Outcome(status, error, latency_ms, head, retry_after)

    async def _post(self, request: Prepared) -> tuple[int | None, ErrorClass | None, str, float | None]:
        if objection(request.url, self._rules) is not None:  # an address instead of a name is not looked up
            return None, "blocked", "", None
        try:
            async with self._session.post(
                URL(request.url), data=request.body, headers=request.headers, allow_redirects=False
            ) as response:
                head = await _head(response.content)
                success = 200 <= response.status < 300
                return (
                    response.status,
                    None if success else "http",
                    head,
                    _retry_after(response.headers.get("Retry-After")),
                )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return None, error_class(error), "", None


@asynccontextmanager
async def open_egress(rules: Rules) -> AsyncIterator[Egress]:
    """The client; senders bound what is in flight, so the connector does not."""
    resolver = CheckedResolver(rules)
    connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, limit=0, keepalive_timeout=5)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=_TIMEOUT,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    ) as session:
        try:
            yield Egress(session, rules)
        finally:
            await resolver.close()


def error_class(error: Exception) -> ErrorClass:
    """How the log of deliveries names a failure."""
    match error:
        case aiohttp.ClientConnectorError(os_error=Blocked()):
            return "blocked"
        case aiohttp.ClientConnectorDNSError():
            return "dns"
        case aiohttp.ClientSSLError():
            return "tls"
        case TimeoutError():
            return "timeout"
        case aiohttp.ClientResponseError() | aiohttp.ClientPayloadError():
            return "http"
        case _:
            return "connect"


async def _head(content: aiohttp.StreamReader) -> str:
    """The beginning of an answer: 64 kB are read at most, 16 kB are kept, as text that PostgreSQL can store."""
    kept = b""
    read = 0
    async for chunk in content.iter_any():
        kept += chunk[: KEPT_BYTES - len(kept)]
        read += len(chunk)
        if read >= READ_BYTES:
            break
    return kept.decode("utf-8", "replace").replace("\x00", "\ufffd")


def _retry_after(value: str | None) -> float | None:
    """Seconds from a `Retry-After` header in either of its forms."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    return (until.replace(tzinfo=until.tzinfo or UTC) - utc_now()).total_seconds()
