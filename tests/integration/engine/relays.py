"""Relays as a test wants them, and what they have published, judged."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

from helpdesk.bus.envelope import Stored
from helpdesk.eventstore import relay
from helpdesk.eventstore.checkpoint import Lead, Share, Standby, standing_by
from helpdesk.postgres.listening import Listener
from helpdesk.recorded import Cursor, RecordedEvent, Stream
from integration.engine.rig import PARTITIONS, Engine, eventually_true, records_of, without_duplicates

# For each shard the furthest checkpoint that covers it has passed the shard's last event.
BEHIND = """
select count(*) from (
    select shard, max((xid::text::bigint << 20) + position) as last from events.event group by shard) e
where last > coalesce((
    select max((c.xid::text::bigint << 20) + c.position) from events.relay_checkpoint c
    where c.name = %s and e.shard %% c.divisor = c.remainder), 0)"""


@asynccontextmanager
async def relays(
    engine: Engine, shares: int = 1, timeout_s: float = 10.0, dsn: str | None = None, poll_s: float = 0.05
) -> AsyncIterator[relay.RelayState]:
    """A relay process, so to speak, for as long as the block runs."""
    state = relay.RelayState()
    settings = relay.RelaySettings(
        dsn or engine.dsn("command_relay"),
        "events",
        engine.bootstrap,
        engine.topic,
        shares=shares,
        timeout_s=timeout_s,
        poll_s=poll_s,
    )
    listener = Listener(settings.dsn, "relay-listen")
    tasks = [asyncio.create_task(listener.run()), asyncio.create_task(relay.run(settings, state, listener))]
    try:
        yield state
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def relayed(engine: Engine) -> None:
    """Until the checkpoints have passed the last event."""

    async def passed() -> bool:
        return bool(await engine.value(BEHIND, engine.topic) == 0)

    await eventually_true(passed, timeout_s=60)


async def published(engine: Engine) -> dict[Stream, list[int]]:
    """What the topic holds, judged: in the right partition, in order once duplicates are dropped."""
    return judged(await records_of(engine.bootstrap, engine.topic))


def judged(records: dict[int, list[RecordedEvent]]) -> dict[Stream, list[int]]:
    """The same of records that were read already."""
    found: dict[Stream, list[int]] = {}
    for partition, some in records.items():
        assert all(one.stream.shard % PARTITIONS == partition for one in some)
        found |= without_duplicates(some)
    return found


def appended(engine: Engine, streams: Sequence[Stream]) -> dict[Stream, list[int]]:
    """What must have been published."""
    return {one: list(range(1, engine.versions[one] + 1)) for one in streams}


def standing(engine: Engine, share: Share) -> AbstractAsyncContextManager[Standby]:
    """Somebody who may take the lead."""
    return standing_by(engine.dsn("command_relay"), share, 10.0, asyncio.Event())


async def nothing() -> None:
    """The topic of those who never look: no event was sent."""


async def shown(lead: Lead, after: Cursor) -> list[Stored]:
    """The next page that is not empty: somebody's transaction may hold it back for a moment."""
    found: list[Stored] = []

    async def look() -> bool:
        found.extend((await lead.page(after, 1000)).events)
        return bool(found)

    await eventually_true(look)
    return found
