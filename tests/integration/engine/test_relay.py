"""The relay (design §5): whatever happens, each key's events reach Kafka in order and none is missing."""

import asyncio
from uuid import UUID, uuid4

import pytest

from helpdesk.events.ticket import TicketRetitled
from helpdesk.eventstore import relay
from helpdesk.eventstore.checkpoint import Fenced, ForeignStore, Share
from helpdesk.eventstore.feed import Depth
from helpdesk.eventstore.store import StreamAppend
from helpdesk.recorded import START, Metadata, Stream
from integration.engine.relays import nothing, published, relayed, relays, shown, standing
from integration.engine.rig import (
    NOON,
    Engine,
    eventually,
    eventually_true,
    new_stream,
    records_of,
)

RELAYS = "select pid from pg_stat_activity where application_name = 'events-relay' and datname = current_database()"
LEADER = """
select pid from pg_locks where locktype = 'advisory' and granted and mode = 'ExclusiveLock'
   and database = (select oid from pg_database where datname = current_database())"""


async def test_everything_is_published_in_order_in_the_partition_of_its_shard(own: Engine) -> None:
    streams = [new_stream() for _ in range(30)]
    async with relays(own) as state:
        for _ in range(5):
            await asyncio.gather(*(own.append(one, 3) for one in streams))
        await relayed(own)
    assert await published(own) == {one: list(range(1, 16)) for one in streams}
    records = await records_of(own.bootstrap, own.topic)
    assert sum(map(len, records.values())) == 450 == state.sent  # no fault, no duplicate
    for record in records.values():
        cursors = [one.cursor for one in record]
        assert cursors == sorted(cursors)


async def test_what_the_store_holds_is_what_kafka_holds(own: Engine) -> None:
    """Also an event of nearly 256 KB, which exceeds a producer's batch when it is not counted in."""
    stream = new_stream(type_="ticket")
    title = 'ü"\\' + "x" * 250_000
    event = TicketRetitled(title=title, previous="🔥\n", by=UUID(int=1), at=NOON)
    async with relays(own):
        metadata = Metadata(UUID(int=1), uuid4(), uuid4(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        await own.store.append(uuid4(), [StreamAppend(stream, 0, [event])], metadata)
        await own.append(stream, version=1)
        await relayed(own)
    ((first, second),) = [found for found in (await records_of(own.bootstrap, own.topic)).values() if found]
    assert [first, second] == await own.store.read_stream(stream)
    assert (first.event, first.metadata) == (event, metadata)


async def test_one_relay_leads_and_the_other_takes_over_when_the_leader_loses_its_connection(own: Engine) -> None:
    stream = new_stream()
    async with relays(own) as leader:
        await eventually(lambda: leader.leading)
        async with relays(own) as standby:
            await own.append(stream, 3)
            await relayed(own)
            await eventually_true(lambda: _both_there(own))
            assert (leader.leading, standby.leading) == (True, False)
            epoch = await own.value("select epoch from events.relay_checkpoint")

            async def cut_off() -> object:
                """The former leader comes back, too: it is cut off until the other one has the lead."""
                if not standby.leading:
                    await own.sql(f"select pg_terminate_backend(pid) from ({LEADER}) l")
                await own.append(stream)
                return standby.sent

            await eventually_true(cut_off, timeout_s=60)
            await relayed(own)
            assert await own.value("select epoch from events.relay_checkpoint") > epoch
    assert await published(own) == {stream: list(range(1, own.versions[stream] + 1))}


async def test_the_standby_leads_when_the_leader_ends(own: Engine) -> None:
    stream = new_stream()
    async with relays(own) as leader:
        await eventually(lambda: leader.leading)
        standing_by = relays(own)
        standby = await standing_by.__aenter__()
        await eventually_true(lambda: _both_there(own))
    try:
        await own.append(stream)
        await eventually(lambda: standby.leading)
        await relayed(own)
    finally:
        await standing_by.__aexit__(None, None, None)
    assert await published(own) == {stream: [1]}


async def _both_there(engine: Engine) -> bool:
    return len(await engine.sql(RELAYS)) == 2


async def test_a_former_leader_can_neither_look_nor_move_the_checkpoint(own: Engine) -> None:
    """It is still connected and believes that it leads, as after a pause; only its lock is gone."""
    stream, share = new_stream(), Share("events", own.topic, 1, 0)
    await own.append(stream, 2)
    async with standing(own, share) as first, standing(own, share) as second:
        former = await first.try_lead(Depth(), nothing)
        assert former is not None
        first_page = await shown(former, START)
        assert await second.try_lead(Depth(), nothing) is None
        await first.release()
        successor = await second.try_lead(Depth(), nothing)
        assert successor is not None
        assert (successor.epoch, successor.cursor) == (former.epoch + 1, START)
        with pytest.raises(Fenced):
            await former.page(START, 10)
        with pytest.raises(Fenced):
            await former.move(first_page[-1])
        await successor.move(first_page[0])
    assert await own.value("select position from events.relay_checkpoint") == first_page[0].position


async def test_a_leader_that_is_fenced_begins_again_and_loses_nothing(own: Engine) -> None:
    stream = new_stream()
    async with relays(own) as state:
        await own.append(stream)
        await relayed(own)
        await own.sql("update events.relay_checkpoint set epoch = epoch + 5")
        await own.append(stream, 2)
        await relayed(own)
        assert state.leading
    assert await published(own) == {stream: [1, 2, 3]}


async def refused(engine: Engine) -> str:
    """What the relay says when it refuses to begin."""
    settings = relay.RelaySettings(engine.dsn("command_relay"), "events", engine.bootstrap, engine.topic)
    async with asyncio.timeout(10):
        try:
            await relay.run(settings)
        except ForeignStore as refusal:
            return str(refusal)
    raise AssertionError("it relayed")


@pytest.mark.parametrize(
    "change",
    [
        "update events.relay_checkpoint set system_identifier = system_identifier + 1",
        "update events.store set epoch = gen_random_uuid()",
        "update events.relay_checkpoint set timeline = timeline + 1, event_id = gen_random_uuid()",
    ],
    ids=["another cluster", "another epoch", "another timeline, on which the last event is missing"],
)
async def test_a_checkpoint_of_another_store_is_refused(own: Engine, change: str) -> None:
    async with relays(own):
        await own.append(new_stream())
        await relayed(own)
    await own.sql(change)
    assert own.topic in await refused(own)


async def test_another_timeline_that_still_holds_the_last_event_goes_on(own: Engine) -> None:
    """A fail-over that lost nothing."""
    stream = new_stream()
    async with relays(own):
        await own.append(stream)
        await relayed(own)
    await own.sql("update events.relay_checkpoint set timeline = timeline + 1")
    async with relays(own) as state:
        await own.append(stream)
        await relayed(own)
        assert state.sent == 1
    assert await published(own) == {stream: [1, 2]}


async def test_kafka_stops_under_appends_and_everything_arrives(own: Engine) -> None:
    streams = [new_stream() for _ in range(10)]
    going = True

    async def write(stream: Stream) -> None:
        while going:
            await own.append(stream)
            await asyncio.sleep(0.02)

    async with relays(own, timeout_s=2.0) as state:
        writing = [asyncio.create_task(write(one)) for one in streams]
        await eventually(lambda: state.sent > 50)
        await asyncio.to_thread(own.servers.stop, "kafka")
        sent = sum(own.versions.values())
        await eventually(lambda: sum(own.versions.values()) > sent + 50)  # appends do not care
        await eventually(lambda: state.error is not None)  # what was under way has failed: it is sent again
        await asyncio.to_thread(own.servers.start, "kafka")
        arrived = state.sent
        await eventually(lambda: state.sent > arrived + 20, timeout_s=60)
        going = False
        await asyncio.gather(*writing)
        await relayed(own)
    assert await published(own) == {one: list(range(1, own.versions[one] + 1)) for one in streams}
