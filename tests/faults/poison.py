"""Records that no consumer can apply: the stream waits, its partition goes on, and the store has the cure."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final
from uuid import UUID

import orjson
from psycopg.rows import dict_row

from faults.bus import forget, producer
from faults.transactions import appender, system_stream
from faults.world import CONSUMERS, World
from helpdesk.bus.envelope import key_of
from helpdesk.recorded import Stream
from support.invariants import assert_all_hold

OWNERS: Final = ("projector", "webhook_dispatcher", "notifier")
EVENT: Final = """
select e.*, xid::text as xid, s.epoch as store_epoch from events.event e, events.store s
where stream_id = %s and version = %s"""
WAITING: Final = "select count(*) from {schema}.parked where stream_id = %s"
UNREADABLE: Final = "select count(*) >= %s from {schema}.unreadable_record"


async def _null_header(world: World) -> None:
    """A header without a value on a record that came before: nothing of ours reads it."""
    stream = system_stream()
    async with appender(world) as one, producer(world) as writing:
        await one.append(stream)
        await world.until(lambda: world.applied(stream.type, stream.id, 1))
        value = await _envelope(world, stream, 1, {})
        partition = stream.shard % world.partitions
        await writing.send_and_wait(world.topic, value, key_of(stream), partition, headers=[("traceparent", None)])
        await one.append(stream, 1)
    await world.until(lambda: world.applied(stream.type, stream.id, 2))


async def every_kind(world: World) -> None:
    """No JSON, no value, a header without one, a version that only a newer release can read, a text that no database
    stores: what it befalls waits, everything else goes on."""
    await _null_header(world)
    async with _cured(world) as parked:
        # First the records that park: the replay for those that are no envelopes would heal what is garbled meanwhile.
        parked += [await _unknown(world), await _raising(world)]
        await _unreadable(world, b'{"this is": no json', None)


async def _unknown(world: World) -> Stream:
    stream = system_stream()
    async with appender(world) as one:
        await one.append(stream)
        await world.until(lambda: world.applied(stream.type, stream.id, 1))
        async with _garbled(world, stream, {"schema_version": 99}, CONSUMERS):
            await one.append(stream, 1)
    return stream


async def _raising(world: World) -> Stream:
    (who, *_) = world.load.staff
    ticket = await who.opens_ticket()
    stream = Stream(UUID(who.tenant_id), "ticket", UUID(ticket["id"]))
    for schema in CONSUMERS:
        await world.until(partial(world.applied, "ticket", stream.id, 1, schema))
    async with _garbled(world, stream, {"data": {"title": "\0"}}, ("views",)):
        await who.edits(ticket, title="No poison")
    return stream


async def _unreadable(world: World, *values: bytes | None) -> None:
    async with producer(world) as writing:
        for value in values:
            await writing.send_and_wait(world.topic, value, b"?", world.random.randrange(world.partitions))
    for schema in CONSUMERS:
        await world.until(partial(world.value, UNREADABLE.format(schema=schema), len(values)))


@asynccontextmanager
async def _garbled(
    world: World, stream: Stream, changes: Mapping[str, Any], schemas: tuple[str, ...]
) -> AsyncIterator[None]:
    """The block appends version 2, which reaches Kafka garbled first and as it is afterwards."""
    world.stack.pause("command-api-relay")
    try:
        yield
        async with producer(world) as writing:
            value = await _envelope(world, stream, 2, changes)
            await writing.send_and_wait(world.topic, value, key_of(stream), stream.shard % world.partitions)
        for schema in schemas:
            await world.until(partial(world.value, WAITING.format(schema=schema), stream.id))
    finally:
        world.stack.resume("command-api-relay")


@asynccontextmanager
async def _cured(world: World) -> AsyncIterator[list[Stream]]:
    """Others go on beside the poison; then an operator lets the parked streams go on (which the block names, parked at
    version 2), and throws the poison away when everybody has passed it."""
    parked: list[Stream] = []
    yield parked
    await world.load.progresses(10)
    for code, said in await asyncio.gather(*(world.tool(module, "unpark", "--all") for module in OWNERS)):
        if code:
            raise AssertionError(f"unpark: {said}")
    for stream in parked:
        for schema in CONSUMERS:
            await world.until(partial(world.applied, stream.type, stream.id, 2, schema))
    async with world.load.paused():
        await world.in_thread(assert_all_hold, world.stack.admin_dsn)
        await forget(world)


async def _envelope(world: World, stream: Stream, version: int, changes: Mapping[str, Any]) -> bytes:
    """The record of an event as the relay writes it, with changes."""
    async with world.connection() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(EVENT, (stream.id, version))
        (row,) = await cursor.fetchall()
    fields = {name: row[name] for name in row if name != "shard"}
    fields["data"] = {**row["data"], **changes.get("data", {})}
    return orjson.dumps({**fields, **{name: value for name, value in changes.items() if name != "data"}})
