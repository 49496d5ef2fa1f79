"""Several leaders: each share has one, order is kept along each stream, and a change of their number loses nothing."""

import asyncio
from collections.abc import Sequence

import pytest

from helpdesk.eventstore.checkpoint import Share
from helpdesk.eventstore.feed import Depth
from helpdesk.eventstore.relay import MisalignedShares, RelaySettings, run
from helpdesk.recorded import START, Cursor, Stream
from integration.engine.relays import appended, nothing, published, relayed, relays, shown, standing
from integration.engine.rig import PARTITIONS, Engine, eventually, new_stream, records_of

LEADERS = "select count(distinct pid) from pg_locks where locktype = 'advisory' and mode = 'ExclusiveLock' and granted"


async def write(engine: Engine, streams: Sequence[Stream], times: int) -> None:
    for _ in range(times):
        await asyncio.gather(*(engine.append(one, 2) for one in streams))


async def test_every_share_has_one_leader_and_together_they_send_each_event_once(own: Engine) -> None:
    streams = [new_stream() for _ in range(24)]
    async with relays(own, shares=3) as first, relays(own, shares=3) as second:
        await eventually(lambda: first.leads + second.leads == 3)
        await write(own, streams, 5)
        await relayed(own)
        assert first.leads + second.leads == 3
        assert first.sent + second.sent == 240
    assert await published(own) == appended(own, streams)
    assert sum(map(len, (await records_of(own.bootstrap, own.topic)).values())) == 240
    assert await own.value("select count(*) from events.relay_checkpoint where position > 0") == 3


async def test_the_shares_of_a_process_that_ends_go_to_those_who_stay(own: Engine) -> None:
    streams = [new_stream() for _ in range(12)]
    async with relays(own, shares=3) as stays:
        await eventually(lambda: stays.leads == 3)
        async with relays(own, shares=3):
            await write(own, streams, 1)
    async with relays(own, shares=3) as ends:
        await eventually(lambda: ends.leads == 3)
        successor = relays(own, shares=3)
        stays = await successor.__aenter__()
        await write(own, streams, 1)
    try:
        await eventually(lambda: stays.leads == 3)
        await write(own, streams, 1)
        await relayed(own)
    finally:
        await successor.__aexit__(None, None, None)
    assert await published(own) == appended(own, streams)


async def test_another_number_of_shares_loses_nothing_and_keeps_the_order(own: Engine) -> None:
    streams = [new_stream() for _ in range(30)]
    for shares in (1, 3, 1, 3):
        async with relays(own, shares=shares) as state:
            await eventually(lambda: state.leads == shares)  # noqa: B023 - awaited in the same turn
            await write(own, streams, 2)
            await relayed(own)
        await write(own, streams, 1)  # nobody relays
    async with relays(own, shares=1):
        await relayed(own)
    assert await published(own) == appended(own, streams)


async def test_a_share_that_holds_half_of_a_partition_is_refused(own: Engine) -> None:
    """Else two leaders fill one partition, and the furthest cursor in it would hide what the slower has not sent."""
    with pytest.raises(MisalignedShares, match=f"{PARTITIONS} partitions of {own.topic}, 4 shares"):
        async with asyncio.timeout(20):
            await run(RelaySettings(own.dsn("command_relay"), "events", own.bootstrap, own.topic, shares=4))


async def test_relays_that_disagree_about_the_number_of_shares_send_doubles_in_order(own: Engine) -> None:
    """A rolling change: for a while the old number and the new one are led side by side."""
    streams = [new_stream() for _ in range(20)]
    async with relays(own, shares=1) as old:
        await eventually(lambda: old.leads == 1)
        writing = asyncio.create_task(write(own, streams, 15))
        await eventually(lambda: old.sent > 100)
        async with relays(own, shares=3) as new:
            await eventually(lambda: new.leads == 3)
            await writing
            await relayed(own)
            await eventually(lambda: new.caught_up and old.caught_up)
    assert await published(own) == appended(own, streams)


@pytest.mark.parametrize(
    ("rows", "share", "begins"),
    [
        ([], (3, 1), (0, 0)),
        ([(1, 0, 900)], (3, 1), (900, 1)),
        ([(3, 0, 500), (3, 1, 700), (3, 2, 600)], (1, 0), (500, 1)),
        ([(3, 0, 500), (3, 1, 700), (3, 2, 600)], (2, 1), (500, 1)),
        ([(3, 0, 500), (3, 1, 700), (3, 2, 600), (1, 0, 650)], (3, 0), (650, 1)),
        ([(3, 0, 500), (3, 1, 700), (3, 2, 600), (1, 0, 650)], (3, 1), (700, 1)),
        ([(2, 0, 800)], (4, 2), (800, 1)),
        ([(2, 0, 800)], (4, 1), (0, 0)),
        ([(3, 0, 500), (3, 1, 700)], (2, 0), (0, 0)),
    ],
)
async def test_a_share_begins_at_the_lowest_checkpoint_that_covers_it(
    own: Engine, rows: list[tuple[int, int, int]], share: tuple[int, int], begins: tuple[int, int]
) -> None:
    """Of several that cover the same shard the furthest counts: each says that all before it was sent."""
    for divisor, remainder, xid in rows:
        await own.sql(
            "insert into events.relay_checkpoint"
            " (name, divisor, remainder, xid, position, store_epoch, system_identifier, timeline, database_oid)"
            " select %s, %s, %s, %s::text::xid8, 1, epoch, system_identifier, timeline_id, d.oid"
            " from events.store, pg_control_system(), pg_control_checkpoint(), pg_database d"
            " where d.datname = current_database()",
            own.topic,
            divisor,
            remainder,
            xid,
        )
    async with standing(own, Share("events", own.topic, *share)) as standby:
        lead = await standby.try_lead(Depth(), nothing)
    assert lead is not None
    assert lead.cursor == Cursor(*begins)


async def test_a_share_is_shown_its_own_events_only(own: Engine) -> None:
    streams = [new_stream() for _ in range(12)]
    await write(own, streams, 1)
    found = []
    for remainder in range(3):
        async with standing(own, Share("events", own.topic, 3, remainder)) as standby:
            lead = await standby.try_lead(Depth(), nothing)
            assert lead is not None
            events = await shown(lead, START)
        assert {one.shard % 3 for one in events} == {remainder}
        found += events
    assert len(found) == 24
