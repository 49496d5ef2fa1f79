"""How often somebody may ask: counted per principal and class of call, per address where there is no principal
(behaviours §3). They are counted in memory or in a store that all replicas share."""

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from limits import RateLimitItem, parse
from limits.errors import ConfigurationError, StorageError
from starlette.datastructures import Headers, State
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from helpdesk.auth.tokens import InvalidToken, Principal, Verifier
from helpdesk.clock import utc_now
from helpdesk.http.access import Rate
from helpdesk.http.counting import Counted, counts_of
from helpdesk.http.declared import Routes
from helpdesk.http.problem import Problem, answer
from helpdesk.postgres.pool import UNAVAILABLE
from helpdesk.settings import Network, RateSettings, misconfigured

log = logging.getLogger(__name__)
FAILED_LOGINS: Final = "failed-logins"
_LONGEST_CHAIN: Final = 20
_ROUNDING_S: Final = 0.01
ASKED_AGAIN_AFTER_S: Final = 1.0
_AWAY: Final = (StorageError, TimeoutError, *UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where somebody stands after a call was counted. Times in seconds from now."""

    policy: str
    limit: int
    window_s: int
    remaining: int
    reset_s: int
    retry_after_s: int

    @property
    def is_over(self) -> bool:
        """Whether this call is one too many."""
        return self.retry_after_s > 0

    def headers(self) -> list[tuple[bytes, bytes]]:
        """As every answer says it, in the form of the IETF's draft and in the older one."""
        reset_at = int(utc_now().timestamp()) + self.reset_s
        return [
            (b"ratelimit-policy", b'"%s";q=%d;w=%d' % (self.policy.encode(), self.limit, self.window_s)),
            (b"ratelimit", b'"%s";r=%d;t=%d' % (self.policy.encode(), self.remaining, self.reset_s)),
            (b"x-ratelimit-limit", b"%d" % self.limit),
            (b"x-ratelimit-remaining", b"%d" % self.remaining),
            (b"x-ratelimit-reset", b"%d" % reset_at),
        ]


class Limiter:
    """Counts calls. While a shared store cannot be asked, nobody is refused."""

    def __init__(self, settings: RateSettings) -> None:
        self._limits: Mapping[str, RateLimitItem] = {
            Rate.AUTHENTICATION: parse(settings.rate_limit_authentication),
            Rate.READS: parse(settings.rate_limit_reads),
            Rate.WRITES: parse(settings.rate_limit_writes),
            Rate.SEARCH: parse(settings.rate_limit_search),
            Rate.EXPORTS: parse(settings.rate_limit_exports),
            FAILED_LOGINS: parse(settings.rate_limit_failed_logins),
        }
        self.proxies = settings.service_trusted_proxies
        self._away_until = 0.0
        try:
            self._counts = counts_of(settings.rate_limit_storage_url)
        except (ConfigurationError, ImportError, NotImplementedError, ValueError):
            misconfigured("RATE_LIMIT_STORAGE_URL", "names no store that can be asked from here (postgresql://…)")

    async def run(self) -> None:
        """What counting needs beside the server, until cancelled."""
        await self._counts.run()

    async def count(self, policy: str, who: str) -> Standing | None:
        """Count one call of `who`; where they stand then. None while the store cannot be asked."""
        item = self._limits[policy]
        if time.monotonic() < self._away_until:
            return None
        try:
            fits, counted = await self._counts.take(f"{policy}/{who}", item.amount, item.get_expiry())
        except _AWAY as error:
            self._note(error)
            return None
        return standing(policy, item.amount, item.get_expiry(), counted, fits=fits)

    async def forgive(self, policy: str, who: str) -> None:
        """Count anew from nothing."""
        try:
            await self._counts.clear(f"{policy}/{who}", self._limits[policy].get_expiry())
        except _AWAY as error:
            self._note(error)

    def _note(self, error: Exception) -> None:
        """Nobody waits again, for a while, for what did not answer."""
        self._away_until = time.monotonic() + ASKED_AGAIN_AFTER_S
        log.warning("cannot count calls", extra={"error": repr(error)})


def standing(policy: str, limit: int, window_s: int, counted: Counted, *, fits: bool) -> Standing:
    """What the counts of the last window and of this one come to. The last one weighs as much as still reaches in.

    `counted`: calls and seconds left of the last window; calls of this one, and seconds until it counts no more.
    """
    before, before_s, now, now_s = counted
    weighed = now + before * before_s / window_s
    left_s = max(0.0, now_s - window_s)
    reset_s = max(1, math.ceil(left_s if now else before_s))
    if fits:
        return Standing(policy, limit, window_s, max(0, limit - math.floor(weighed)), reset_s, 0)
    if now < limit and before:
        wait_s = before_s - (limit - now) * window_s / before
    else:  # when this window has become the last one, so much of it must have passed
        wait_s = left_s + window_s * (1 - limit / max(now, limit))
    again = max(1, math.floor(wait_s + _ROUNDING_S) + 1)
    return Standing(policy, limit, window_s, 0, again, again)


def too_many(found: Standing, message: str = "Too many requests; try again later.") -> Problem:
    """The 429 for who is over the limit."""
    return Problem(429, "rate_limited", message, headers={"Retry-After": str(found.retry_after_s)})


class Limited:
    """Counts each request before the application sees it, and tells on every answer where the caller stands."""

    def __init__(self, app: ASGIApp, limiter: Limiter, routes: Routes, state: State) -> None:
        self._app, self._limiter, self._routes, self._state = app, limiter, routes, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope.get("method")
        if scope["type"] != "http" or method == "OPTIONS":
            return await self._app(scope, receive, send)
        address = address_of(scope, self._limiter.proxies)
        principal = self._principal(scope)
        scope["address"], scope["principal"] = address, principal
        rate = self._routes.of(str(method), str(scope["path"])).rate_of(scope["query_string"])
        if rate is Rate.UNCOUNTED:
            return await self._app(scope, receive, send)
        who = network_of(address) if principal is None or rate is Rate.AUTHENTICATION else principal_key(principal)
        found = await self._limiter.count(rate, who)
        if found is None:
            return await self._app(scope, receive, send)
        headers = found.headers()

        async def send_with_standing(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *headers]
            await send(message)

        if found.is_over:
            return await answer(Request(scope), too_many(found))(scope, receive, send_with_standing)
        return await self._app(scope, receive, send_with_standing)

    def _principal(self, scope: Scope) -> Principal | None:
        """Who asks, if the token's signature proves it; whether they may is the route's question."""
        kind, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        verifier: Verifier | None = getattr(self._state, "verifier", None)
        if not token or kind.lower() != "bearer" or verifier is None:
            return None
        try:
            return verifier.verify(token.strip())
        except InvalidToken:
            return None


def principal_key(principal: Principal) -> str:
    """Under what a principal's calls are counted."""
    return f"{principal.tenant_id}/{principal.user_id}"


def address_of(scope: Scope, proxies: tuple[Network, ...]) -> str:
    """Where a request comes from: the last address that no proxy of ours has. Whoever is no proxy is not believed."""
    address = str((scope.get("client") or ("", 0))[0])
    if not proxies:
        return address
    chain = Headers(scope=scope).get("x-forwarded-for", "").split(",")
    for said in reversed(chain[-_LONGEST_CHAIN:]):
        if not _is_of(address, proxies) or _parsed(said.strip()) is None:
            break
        address = said.strip()
    return address


def network_of(address: str) -> str:
    """What counts as one caller: an IPv4 address, or the /64 that somebody with IPv6 has to himself."""
    parsed = _parsed(address)
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or IPv6Address(int(parsed) >> 64 << 64))
    return address


def _is_of(address: str, networks: tuple[Network, ...]) -> bool:
    parsed = _parsed(address)
    if parsed is None:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return any((mapped or parsed) in network for network in networks)


@lru_cache(maxsize=4_096)
def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """None for what is no address. Remembered: most requests come from few, the gateway's first of all."""
    try:
        return ip_address(text)
    except ValueError:
        return None
