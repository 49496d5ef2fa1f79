"""What can befall a relay: no wake-up, a pause, a connection that swallows what is said."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from helpdesk.bus.clients import connected
from helpdesk.bus.topics import ensure_topic
from helpdesk.events.ticket import TicketRetitled
from helpdesk.eventstore.checkpoint import Fenced, Share
from helpdesk.eventstore.feed import Depth
from helpdesk.eventstore.outbox import outbox
from helpdesk.eventstore.relay import Poke
from helpdesk.eventstore.relay_state import PAGE
from helpdesk.eventstore.store import StreamAppend
from helpdesk.recorded import START
from integration.engine.relays import appended, nothing, published, relayed, relays, shown, standing
from integration.engine.rig import (
    NOBODY,
    NOON,
    PARTITIONS,
    Engine,
    eventually,
    eventually_true,
    new_stream,
    records_of,
)

HOST = "127.0.0.1"


@dataclass
class Line:
    """A connection's way to the server, which may go dead: both ends stay open, and nothing arrives any more. Or it is
    slow: seconds per byte."""

    port: int
    dead: bool = False
    slow: float = 0.0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(HOST, self.port)
        there = asyncio.create_task(self._carry(reader, to_server))
        back = asyncio.create_task(self._carry(from_server, writer))
        self.tasks |= {there, back}

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while some := await reader.read(65_536):
                await asyncio.sleep(self.slow * len(some))
                if not self.dead:
                    writer.write(some)
                    await writer.drain()
        while self.dead:  # noqa: ASYNC110 - not even the end arrives
            await asyncio.sleep(0.1)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def line(dsn: str) -> AsyncIterator[tuple[Line, str]]:
    """Between the relay and the server of `dsn`; gives the DSN that leads through it."""
    parts = urlsplit(dsn)
    one = Line(parts.port or 5432)
    server = await asyncio.start_server(one.serve, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    through = urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@{HOST}:{port}"))
    try:
        yield one, through
    finally:
        server.close()
        one.dead = False
        await asyncio.wait(one.tasks, timeout=10)


async def test_events_too_large_to_be_sent_in_time_together_are_sent_in_smaller_pages(own: Engine) -> None:
    """The next try for the same page would fail like the first: the relay stood still for ever."""
    stream = new_stream(type_="ticket")
    large = [TicketRetitled(title="x" * 50_000, previous="", by=uuid4(), at=NOON)] * 40
    for version in range(0, 400, len(large)):
        await own.store.append(uuid4(), [StreamAppend(stream, version, large)], NOBODY)
    async with line(own.dsn("command_relay")) as (between, dsn):
        between.slow = 1 / 8_000_000
        async with relays(own, timeout_s=1.0, dsn=dsn) as state:
            await relayed(own)
            (share,) = state.shares.values()
            assert share.page < PAGE
    assert (await published(own))[stream] == list(range(1, 401))


async def test_a_relay_notices_that_its_topic_has_more_partitions_than_when_it_began_to_lead(own: Engine) -> None:
    """Until it led anew, it sent events where no reader looks for their shards. Kafka's client asks every 10 s."""
    many = 2 * PARTITIONS
    async with relays(own):
        await own.append(new_stream())
        await relayed(own)
        admin = AIOKafkaAdminClient(bootstrap_servers=own.bootstrap)
        async with connected(admin):
            await admin.delete_topics([own.topic])
            await eventually_true(lambda: _is_gone(admin, own.topic))
        await ensure_topic(own.bootstrap, own.topic, many)

        async def lies_right() -> bool:
            stream = next(one for one in iter(new_stream, None) if one.shard % many != one.shard % PARTITIONS)
            await own.append(stream)
            await relayed(own)
            found = await records_of(own.bootstrap, own.topic, many)
            return stream in {one.stream for one in found[stream.shard % many]}

        await eventually_true(lies_right)


async def _is_gone(admin: AIOKafkaAdminClient, topic: str) -> bool:
    return topic not in await admin.list_topics()


async def test_a_line_that_goes_dead_costs_the_lead_and_loses_nothing(own: Engine) -> None:
    """The server hears no end of the connection and the leader gets no answer: time alone tells both."""
    streams = [new_stream() for _ in range(5)]
    async with line(own.dsn("command_relay")) as (between, dsn), relays(own, timeout_s=1.5, dsn=dsn) as cut_off:
        await eventually(lambda: cut_off.leading)
        async with relays(own, timeout_s=1.5) as other:
            for stream in streams:
                await own.append(stream)
            await relayed(own)
            assert (cut_off.leading, other.leading) == (True, False)
            between.dead = True
            began = monotonic()
            for stream in streams:
                await own.append(stream, 2)
            await eventually(lambda: other.leading)
            assert monotonic() - began < 6
            await relayed(own)
            await eventually(lambda: not cut_off.leading)
            assert cut_off.error is not None
    assert await published(own) == appended(own, streams)


async def test_a_leader_that_wakes_from_a_pause_sends_doubles_at_most(own: Engine) -> None:
    """It had read a page and was stopped; its lock was taken away; another one sent that page and more; it wakes."""
    stream, share = new_stream(), Share("events", own.topic, 1, 0)
    await own.append(stream, 3)
    async with (
        standing(own, share) as paused,
        outbox(own.bootstrap, own.topic, 10.0) as out,
    ):
        lead = await paused.try_lead(Depth(), nothing)
        assert lead is not None
        read = await shown(lead, START)
        await paused.release()  # what PostgreSQL does when it has not heard of it for long
        async with relays(own) as successor:
            await own.append(stream, 2)
            await relayed(own)
            assert successor.sent == 5
            await out.send(read)
            with pytest.raises(Fenced):
                await lead.move(read[-1])
            await own.append(stream)
            await relayed(own)
    assert await published(own) == appended(own, [stream])


async def test_without_any_wake_up_the_net_beneath_catches_every_event(own: Engine) -> None:
    async with relays(own) as state:
        await eventually(lambda: state.caught_up)
        late = []
        for _ in range(20):
            stream, sent, began = new_stream(), state.sent, monotonic()
            await own.append(stream)
            await eventually(lambda: state.sent > sent)  # noqa: B023 - awaited in the same turn
            late.append(monotonic() - began)
    assert sorted(late)[10] < 0.15


async def test_a_wake_up_is_heard_long_before_the_net(own: Engine) -> None:
    poke = Poke(own.dsn("command_api"), "events")
    poking = asyncio.create_task(poke.run())
    try:
        async with relays(own, poll_s=5.0) as state:
            await eventually(lambda: state.caught_up)
            for _ in range(5):
                sent = state.sent
                await own.append(new_stream())
                poke()
                await eventually(lambda: state.sent > sent, timeout_s=3)  # noqa: B023 - awaited in the same turn
    finally:
        poking.cancel()
        with suppress(asyncio.CancelledError):
            await poking
