"""Senders: claim, post, record. Woken by NOTIFY, by a place that becomes free, and by a timer to what is due next."""

import asyncio
import logging
import random
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from helpdesk.clock import utc_now
from helpdesk.postgres.listening import Listener
from helpdesk.postgres.pool import UNAVAILABLE, Pool
from helpdesk.tasks import pause, still_wanted
from webhook_dispatcher.disable import disable
from webhook_dispatcher.domain.schedule import SCHEDULE, GiveUp, next_step
from webhook_dispatcher.domain.signature import signature_headers
from webhook_dispatcher.domain.target import Rules
from webhook_dispatcher.egress import Egress, Prepared, open_egress
from webhook_dispatcher.store import sending
from webhook_dispatcher.store.sending import Claimed
from webhook_dispatcher.vault import Unreadable, Vault

IN_FLIGHT: Final = 256
IN_FLIGHT_PER_ENDPOINT: Final = 8
CLAIM_S: Final = 30.0
"""An attempt takes 15 s at most; whoever has not recorded by then is dead or cut off, and another one tries."""
NET_S: Final = 30.0
"""Look at least this often."""
UNHEARD_S: Final = 1.0
"""Look so often while no wake-up can be heard."""
GRACE_S: Final = 5.0
BACKOFF_S: Final = 1.0
USER_AGENT: Final = "Acme-Tickets-Webhooks/1.0"
WAKE_UPS: Final = "webhooks_due"
AWAY: Final = "the database of the webhooks does not answer"
log = logging.getLogger(__name__)


@dataclass(slots=True)
class SenderState:
    """What health shows of a sender."""

    error: str | None = None
    in_flight: set[asyncio.Task[None]] = field(default_factory=set)


def prepare(delivery: Claimed, secret: str, at: datetime) -> Prepared:
    """The request of one attempt at `at`: the stored bytes, signed."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "Accept-Encoding": "identity",
        **signature_headers(secret, delivery.id, at, delivery.body),
    }
    return Prepared(delivery.url, headers, delivery.body)


class Sender:
    """One process's share of the sending. `run` it; it ends by cancellation."""

    def __init__(
        self,
        pool: Pool,
        listener: Listener,
        vault: Vault,
        rules: Rules,
        *,
        schedule: tuple[float, ...] = SCHEDULE,
        claim_s: float = CLAIM_S,
    ) -> None:
        self.state = SenderState()
        self._pool, self._listener, self._vault, self._rules = pool, listener, vault, rules
        self._schedule, self._claim_s = schedule, claim_s
        self._wake = asyncio.Event()
        listener.subscribe(WAKE_UPS, lambda _: self._wake.set(), anew=self._wake.set, lost=self._wake.set)

    async def run(self) -> None:
        """Send for ever; while the database is away, try again."""
        async with open_egress(self._rules) as egress:
            try:
                while True:
                    await self._send_while_possible(egress)
                    await pause(BACKOFF_S)
            finally:
                await self._finish()

    async def _send_while_possible(self, egress: Egress) -> None:
        try:
            await self._send(egress)
        except (*UNAVAILABLE, OSError) as error:
            self.state.error = AWAY
            log.warning("sender waits for the database", extra={"error": str(error)})

    async def _send(self, egress: Egress) -> None:
        while True:
            self._wake.clear()
            next_due_s = await self._claim(egress)
            still_wanted()
            if self.state.error == AWAY:
                self.state.error = None
            net_s = NET_S if self._listener.hears(WAKE_UPS) else UNHEARD_S
            with suppress(TimeoutError):
                async with asyncio.timeout(net_s if next_due_s is None else min(max(next_due_s, 0), net_s)):
                    await self._wake.wait()

    async def _claim(self, egress: Egress) -> float | None:
        """Begin what is due and has a place; answer when to look again."""
        free = IN_FLIGHT - len(self.state.in_flight)
        if free <= 0:
            return None
        claims = await sending.claim(self._pool, free=free, per_endpoint=IN_FLIGHT_PER_ENDPOINT, claim_s=self._claim_s)
        for delivery in claims.deliveries:
            task = asyncio.create_task(self._attempt(egress, delivery))
            self.state.in_flight.add(task)
            task.add_done_callback(self._ended)
        return claims.next_due_s

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.state.in_flight.discard(task)
        self._wake.set()

    async def _attempt(self, egress: Egress, delivery: Claimed) -> None:
        """Post one delivery and record what became of it. What cannot be recorded is claimed again later."""
        ids = {"delivery": delivery.id, "endpoint": delivery.endpoint_id, "tenant": delivery.tenant_id}
        try:
            at = utc_now()
            secret = self._vault.open(delivery.secret, delivery.tenant_id, delivery.endpoint_id)
            outcome = await egress.post(prepare(delivery, secret, at))
            spread = random.uniform(-1, 1)  # noqa: S311 - the spread of retries guards no secret
            step = next_step(outcome, delivery.attempt + 1, self._schedule, spread)
            recorded = await sending.record(self._pool, delivery, at, outcome, step)
            log.info(
                "webhook attempt" if recorded else "webhook attempt outlived its claim",
                extra={
                    **ids,
                    "event": delivery.event_id,
                    "ticket": delivery.ticket_id,
                    "type": delivery.type,
                    "attempt": delivery.attempt + 1,
                    "status": outcome.status,
                    "error": outcome.error,
                    "ms": outcome.latency_ms,
                    "next": type(step).__name__,
                },
            )
            if recorded and step == GiveUp(disable=True):
                await disable(self._pool, delivery.tenant_id, delivery.endpoint_id, delivery.event_id, at)
        except UNAVAILABLE as error:
            log.warning("webhook attempt not recorded", extra={**ids, "error": type(error).__name__})
        except Unreadable as error:
            self.state.error = str(error)
            log.error("webhook cannot be signed", extra={**ids, "error": str(error)})
        except Exception:
            log.exception("webhook attempt failed on our side", extra=ids)

    async def _finish(self) -> None:
        """Let what is out come back for a moment; what doesn't is sent again by another, under the same id."""
        if self.state.in_flight:
            _, late = await asyncio.wait(self.state.in_flight, timeout=GRACE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
