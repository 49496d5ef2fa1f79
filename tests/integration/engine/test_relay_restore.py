"""A topic filled again from the store, and a store that was restored from a dump."""

import asyncio
from dataclasses import replace
from uuid import UUID, uuid4

import psycopg
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient

from helpdesk.bus.clients import connected
from helpdesk.bus.topic_id import topic_id
from helpdesk.eventstore import relay, restore
from helpdesk.eventstore.checkpoint import ForeignStore, Share
from helpdesk.eventstore.feed import Depth, Feed
from helpdesk.eventstore.store import EventStore
from helpdesk.postgres.pool import connect, open_pool
from helpdesk.recorded import START, Stream
from integration.engine.relays import appended, nothing, published, relayed, relays, standing
from integration.engine.rig import PARTITIONS, Engine, eventually, eventually_true, new_stream, records_of

AS_FROM_A_BUSIER_CLUSTER = """
alter table events.event disable trigger user;
update events.event set xid = (xid::text::bigint + 1000000000)::text::xid8;
alter table events.event enable trigger user;
update events.relay_checkpoint
set system_identifier = system_identifier + 1, xid = (xid::text::bigint + 1000000000)::text::xid8"""


def plan(engine: Engine) -> restore.TopicPlan:
    return restore.TopicPlan(engine.dsn("command_relay"), "events", engine.bootstrap, engine.topic, PARTITIONS, 1)


async def id_of(engine: Engine) -> UUID:
    client = AIOKafkaClient(bootstrap_servers=engine.bootstrap)
    await client.bootstrap()
    try:
        return await topic_id(client, engine.topic)
    finally:
        await client.close()


async def refusal(engine: Engine) -> str:
    settings = relay.RelaySettings(engine.dsn("command_relay"), "events", engine.bootstrap, engine.topic)
    with pytest.raises(ForeignStore) as refused:
        async with asyncio.timeout(10):
            await relay.run(settings)
    return str(refused.value)


# --- topics -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shares", [1, 3])
async def test_a_topic_made_anew_under_running_relays_holds_everything_in_order(own: Engine, shares: int) -> None:
    streams, going = [new_stream() for _ in range(12)], True

    async def write(stream: Stream) -> None:
        while going:
            await own.append(stream, 2)
            await asyncio.sleep(0.02)

    async with relays(own, shares=shares) as first, relays(own, shares=shares) as second:
        writing = [asyncio.create_task(write(one)) for one in streams]
        await eventually(lambda: first.sent + second.sent > 200)
        before = await id_of(own)
        await restore.rebuild_topic(plan(own))
        sent = first.sent + second.sent
        await eventually(lambda: first.sent + second.sent > sent + 300, timeout_s=40)
        going = False
        await asyncio.gather(*writing)
        await relayed(own)
    assert await id_of(own) != before
    assert await published(own) == appended(own, streams)


async def test_a_topic_that_is_made_anew_keeps_its_partitions_and_settings(own: Engine) -> None:
    await restore.rebuild_topic(replace(plan(own), partitions=PARTITIONS + 4))
    assert set(await records_of(own.bootstrap, own.topic)) == set(range(PARTITIONS))
    admin = AIOKafkaAdminClient(bootstrap_servers=own.bootstrap)
    async with connected(admin):
        ((described,),) = (await admin.describe_topics([own.topic]),)
    assert len(described["partitions"]) == PARTITIONS


async def test_while_a_leader_does_not_give_up_its_lead_the_topic_stays(own: Engine) -> None:
    """It is stopped, say: what it has read already could come before everything else in the new topic."""
    before = await id_of(own)
    async with standing(own, Share("events", own.topic, 1, 0)) as paused:
        assert await paused.try_lead(Depth(), nothing) is not None
        with pytest.raises(restore.StillRelaying):
            await restore.rebuild_topic(plan(own), patience_s=1.0)
        assert await id_of(own) == before
        async with standing(own, Share("events", own.topic, 2, 1)) as another:
            assert await another.try_lead(Depth(), nothing) is not None  # nobody waits for the topic any more


async def test_who_was_killed_when_the_topic_was_gone_begins_again(own: Engine) -> None:
    streams = [new_stream() for _ in range(5)]
    async with relays(own) as state:
        for stream in streams:
            await own.append(stream, 3)
        await relayed(own)
        admin = AIOKafkaAdminClient(bootstrap_servers=own.bootstrap)
        async with connected(admin):
            await admin.delete_topics([own.topic])
        await own.append(streams[0])
        await eventually(lambda: state.error is not None, timeout_s=30)
        await restore.rebuild_topic(plan(own))
        await relayed(own)
    assert await published(own) == appended(own, streams)


# --- stores -----------------------------------------------------------------------------------------------------------


async def copied(engine: Engine) -> Engine:
    """The same database under another name, as a dump restored beside its original; the original is left behind."""
    name, template = f"restored_{uuid4().hex[:8]}", engine.admin_dsn.rpartition("/")[2]
    other = f"{engine.admin_dsn.rpartition('/')[0]}/{name}"
    async with await psycopg.AsyncConnection.connect(
        engine.admin_dsn.rpartition("/")[0] + "/postgres", autocommit=True
    ) as connection:
        ends = f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{template}'"
        await connection.execute(ends)
        await connection.execute(f"create database {name} template {template}")
    return replace(engine, admin_dsn=other, versions=dict(engine.versions))


async def test_a_dump_restored_beside_its_original_is_refused_until_it_has_an_epoch_of_its_own(own: Engine) -> None:
    streams = [new_stream() for _ in range(6)]
    async with relays(own):
        for stream in streams:
            await own.append(stream, 3)
        await relayed(own)
        epoch = await own.value("select epoch from events.store")
        restored = await copied(own)
    assert "another" in await refusal(restored)
    assert await restore.new_epoch(restored.admin_dsn, "events") == 0  # the same cluster: its ids go on
    assert await restored.value("select epoch from events.store") != epoch
    assert "new-epoch" in await refusal(restored)
    await restore.rebuild_topic(plan(restored))
    await goes_on(restored, streams)


async def test_a_dump_of_a_busier_cluster_takes_its_place_before_everything_that_comes(own: Engine) -> None:
    """Its ids lie beyond this cluster's: they would be hidden, and what comes would sort before them."""
    streams = [new_stream() for _ in range(6)]
    async with relays(own):
        for _ in range(3):
            for stream in streams:
                await own.append(stream)
        await relayed(own)
    await own.sql(AS_FROM_A_BUSIER_CLUSTER)
    assert "another" in await refusal(own)
    await own.append(streams[0])  # somebody was too quick
    assert await restore.new_epoch(own.admin_dsn, "events") == 19
    with pytest.raises(psycopg.Error):
        await own.sql("update events.event set xid = '3'")  # history is unchangeable again
    await restore.rebuild_topic(plan(own))
    await goes_on(own, streams)
    async with await connect(own.dsn("command_relay"), name="test") as connection:
        shown = await Feed("events").page(connection, START, 1000)
    assert [one.cursor for one in shown] == sorted(one.cursor for one in shown)
    assert len(shown) == sum(own.versions.values())


async def test_a_recovery_that_lost_what_kafka_has_is_refused(own: Engine) -> None:
    """It brought back the checkpoint of its own moment; only the topic's end can tell that there was more."""
    stream = new_stream()
    async with relays(own):
        await own.append(stream, 3)
        await relayed(own)
        checkpoint = await own.sql("select xid::text, position, event_id from events.relay_checkpoint")
        await own.append(stream, 2)
        await relayed(own)
    await own.sql(
        "alter table events.event disable trigger user; delete from events.event where version > 3;"
        " alter table events.event enable trigger user; update events.relay_checkpoint set timeline = timeline + 1"
    )
    await own.sql("update events.relay_checkpoint set (xid, position, event_id) = (%s::xid8, %s, %s)", *checkpoint[0])
    own.versions[stream] = 3
    await own.append(stream)  # its place and its version are those of a lost one, maybe
    assert "not in this store any more" in await refusal(own)
    await restore.new_epoch(own.admin_dsn, "events")
    await restore.rebuild_topic(plan(own))
    await goes_on(own, [stream])


async def test_what_is_no_restored_event_table_is_not_touched(own: Engine) -> None:
    """Were positions not in the order of versions, one id for all would turn a stream around."""
    stream = new_stream()
    await own.append(stream, 2)
    await own.sql(
        "alter table events.event disable trigger user;"
        " update events.event set position = 100 - version; alter table events.event enable trigger user"
    )
    with pytest.raises(psycopg.Error) as refused:
        await restore.new_epoch(own.admin_dsn, "events")
    assert refused.value.sqlstate == "HD007"


async def goes_on(engine: Engine, streams: list[Stream]) -> None:
    """New events follow the old ones, in the topic as in the store."""
    async with open_pool(engine.dsn("command_api"), name="restored") as pool:
        engine = replace(engine, pool=pool, store=EventStore(pool, "events"))
        async with relays(engine) as state:
            await eventually(lambda: state.leading)
            for stream in streams:
                await engine.append(stream, 2)
            await relayed(engine)
        await eventually_true(lambda: _all_there(engine, streams))


async def _all_there(engine: Engine, streams: list[Stream]) -> bool:
    return await published(engine) == appended(engine, streams)
