"""Feed → Kafka, in order, at least once: one leader for each share, and a former leader cannot move its checkpoint.

Every failure has one answer: forget the producer, the connection and the leadership, and begin again at the
checkpoint. Duplicates after that are certain and in order; consumers drop them by version.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Final

import psycopg
from aiokafka.errors import KafkaError

from helpdesk.bus.tail import last_sent
from helpdesk.eventstore.checkpoint import Fenced, Lead, Page, Share, standing_by
from helpdesk.eventstore.outbox import Outbox, outbox
from helpdesk.eventstore.relay_state import RelayState, ShareState
from helpdesk.postgres.listening import Listener
from helpdesk.postgres.pool import connect
from helpdesk.recorded import Cursor
from helpdesk.tasks import pause

__all__ = ["Poke", "RelaySettings", "RelayState", "run"]

NET_BENEATH_THE_WAKE_UP_S: Final = 0.05
FIRST_LOOK_S: Final = 0.002
MOVE_EVERY_S: Final = 0.1
GATHER_S: Final = 0.001
SEND_TIMEOUT_S: Final = 10.0
STANDBY_S: Final = 1.0
BACKOFF_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
log = logging.getLogger(__name__)


class MisalignedShares(RuntimeError):
    """A partition would be filled by two leaders, and nobody could tell how far it is filled."""


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """`schema` is the owner's, `topic` where its events go, in `shares` that can have a leader each.

    `shares` divides the topic's partitions: then each partition is one leader's, and its records' cursors only rise,
    which is how consumers know what they have.

    `poll_s` is how often to look when nothing wakes it; `timeout_s` bounds each wait for Kafka or PostgreSQL, and a
    leader that is silent for not much longer loses its lock.
    """

    dsn: str
    schema: str
    bootstrap: str
    topic: str
    shares: int = 1
    poll_s: float = NET_BENEATH_THE_WAKE_UP_S
    timeout_s: float = SEND_TIMEOUT_S


async def run(settings: RelaySettings, state: RelayState | None = None, listener: Listener | None = None) -> None:
    """Lead whatever nobody leads, relay while leading, for ever. Ends by cancellation, ForeignStore or
    MisalignedShares. Without a `listener`, which hears the pokes, it looks every `poll_s`.

    All processes try for all shares. Who leads already waits longer before it tries for one more, so that after a
    failure the others get their part; what is led stays where it is until its leader ends or is lost.
    """
    state = state or RelayState()
    shares = [Share(settings.schema, settings.topic, settings.shares, n) for n in range(settings.shares)]
    pokes = [_pokes(settings, listener) for _ in shares]
    tasks = [
        asyncio.create_task(_run(settings, share, poked, state.of(share), state))
        for share, poked in zip(shares, pokes, strict=True)
    ]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _pokes(settings: RelaySettings, listener: Listener | None) -> asyncio.Event:
    """Is set when there may be something to send."""
    poked = asyncio.Event()
    if listener is not None:
        listener.subscribe(f"{settings.schema}_appended", lambda _: poked.set(), anew=poked.set)
    return poked


async def _run(settings: RelaySettings, share: Share, poked: asyncio.Event, own: ShareState, all_: RelayState) -> None:
    failures = 0
    tail = partial(last_sent, settings.bootstrap, settings.topic, settings.timeout_s)
    while True:
        sent = own.sent
        try:
            async with standing_by(settings.dsn, share, settings.timeout_s, poked) as standby:
                own.error = None  # whoever stands by is well
                while (lead := await standby.try_lead(own.depth, tail)) is None:
                    await pause(min(STANDBY_S * (1 + all_.leads), settings.timeout_s / 2))
                async with outbox(settings.bootstrap, share.topic, settings.timeout_s) as out:
                    if out.partitions % share.divisor:
                        raise MisalignedShares(f"{out.partitions} partitions of {share.topic}, {share.divisor} shares")
                    own.leading = True
                    log.info(
                        "relay leads", extra={"share": str(share), "epoch": lead.epoch, "cursor": str(lead.cursor)}
                    )
                    await _relay(settings, lead, out, own)
        except (psycopg.Error, KafkaError, Fenced, TimeoutError, OSError) as error:
            failures = 0 if own.sent > sent else failures + 1
            own.failed()
            delay = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
            own.error = f"{type(error).__name__}: {error}"
            log.warning("relay begins again", extra={"share": str(share), "error": own.error, "delay_s": delay})
            own.leading = False
            await pause(delay)
        finally:
            own.leading = False


async def _relay(settings: RelaySettings, lead: Lead, out: Outbox, state: ShareState) -> None:
    cursor, unmoved, moved_at, ahead = lead.cursor, None, monotonic(), None
    wait_s, looked_at = settings.poll_s, monotonic()
    while True:
        page, ahead = ahead or await lead.page(cursor, state.page), None
        state.looked(page)
        if page.events:
            unmoved = page.events[-1]
            cursor = unmoved.cursor()
            ahead = await _send(lead, out, page, cursor, state.page)
            state.went(len(page.events), cursor)
            wait_s = FIRST_LOOK_S / 2
        if unmoved is not None and monotonic() - moved_at >= MOVE_EVERY_S:
            # Off the path of an event, which is in Kafka already: now and then, or when nothing is left to send.
            await lead.move(unmoved)
            unmoved, moved_at = None, monotonic()
        if ahead is not None:
            continue
        # While an append that began earlier still runs nothing tells when the horizon rises: look again soon, then
        # ever less often. Else whatever comes will poke, or be found by polling.
        wait_s = min(wait_s * 2, settings.poll_s) if page.held_back else settings.poll_s
        if await lead.poked(wait_s):
            wait_s = FIRST_LOOK_S / 2
            # Under load a page for each event costs everybody more than this wait; after a rest nobody waits.
            if (early := looked_at + GATHER_S - monotonic()) > 0:
                await asyncio.sleep(early)
        elif unmoved is not None:
            await lead.move(unmoved)
            unmoved, moved_at = None, monotonic()
        looked_at = monotonic()


async def _send(lead: Lead, out: Outbox, page: Page, end: Cursor, limit: int) -> Page | None:
    """Send a page; when it was full, look for the next one meanwhile."""
    if len(page.events) < limit:
        await out.send(page.events)
        return None
    following, _ = await asyncio.gather(lead.page(end, limit), out.send(page.events))
    return following


class Poke:
    """Tells the relay after a commit that there is something to send: coalesced, off the request's path.

    The NOTIFY goes through a connection of its own, because one inside the append costs two thirds of its rate.
    """

    def __init__(self, dsn: str, schema: str) -> None:
        self._dsn, self._notify = dsn, f"notify {schema}_appended"
        self._wanted = asyncio.Event()

    def __call__(self) -> None:
        self._wanted.set()

    async def run(self) -> None:
        """Send the pokes, for ever; while the database is away the relay's polling takes their place."""
        while True:
            with suppress(psycopg.Error):
                async with await connect(self._dsn, name="poke") as connection:
                    while True:
                        await self._wanted.wait()
                        self._wanted.clear()
                        await connection.execute(self._notify)
            await pause(1.0)
