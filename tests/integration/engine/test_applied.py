"""Read-your-writes (design §7): who waits is told when the views are there, and never waits in vain for long."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from uuid import uuid4

import pytest_asyncio

from helpdesk import told
from helpdesk.consistency import Applied, Position
from helpdesk.postgres.listening import Listener
from helpdesk.postgres.pool import Connection, connect
from helpdesk.recorded import Stream
from integration.engine.rig import Engine, eventually, eventually_true, new_stream

MOVE = """
insert into views.stream_guard values (%s, %s, %s, %s)
on conflict (tenant_id, stream_type, stream_id) do update set version = excluded.version"""
BACKENDS = """
select pid from pg_stat_activity
where application_name in ('views-applied', 'views-listen') and datname = current_database()"""


@dataclass
class Views:
    """The projector's hand on the guard, and somebody who waits for it."""

    engine: Engine
    projector: Connection
    applied: Applied

    async def reach(self, stream: Stream, version: int, note: str = "") -> None:
        async with self.projector.transaction():
            await self.projector.execute(MOVE, (stream.tenant_id, stream.type, stream.id, version))
            await self.tell(note)

    async def tell(self, note: str) -> None:
        await self.projector.execute("select pg_notify('views_applied', %s)", (note,))


@pytest_asyncio.fixture
async def views(store: Engine) -> AsyncIterator[Views]:
    async with await connect(store.dsn("projector"), name="test") as projector, waiting(store) as applied:
        yield Views(store, projector, applied)


@asynccontextmanager
async def waiting(engine: Engine) -> AsyncIterator[Applied]:
    dsn = engine.dsn("views_progress")
    listener = Listener(dsn, "views-listen")
    applied = Applied(listener, dsn, "views")
    tasks = [asyncio.create_task(listener.run()), asyncio.create_task(applied.run())]
    try:
        assert await applied.connected_wait([], 10)
        yield applied
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def test_what_is_there_is_seen_at_once(views: Views) -> None:
    stream = new_stream()
    await views.reach(stream, 3)
    for version in (1, 2, 3):
        assert await views.applied.wait([Position(stream, version)])
    assert await views.applied.wait([])


async def test_who_waits_is_told_when_the_views_are_there(views: Views) -> None:
    first, second = new_stream(), new_stream()
    both = asyncio.create_task(views.applied.wait([Position(first, 1), Position(second, 2)], 10))
    one = asyncio.create_task(views.applied.wait([Position(first, 1)], 10))
    await views.reach(first, 1)
    assert await one
    await views.reach(second, 1)
    assert not both.done()
    await views.reach(second, 2)
    assert await both


async def test_what_is_told_need_not_be_asked(views: Views) -> None:
    """Nothing stands in the guard, so whoever asked would wait in vain."""
    first, second = new_stream(), new_stream()
    both = asyncio.create_task(views.applied.wait([Position(first, 2), Position(second, 1)], 10))
    await views.tell(told.note([(first, 2)]))
    await views.tell(told.note([(second, 1)]))
    assert await both
    assert await views.applied.wait([Position(first, 2)], 0.05), "what was told a moment ago is remembered"
    assert not await views.applied.wait([Position(first, 3)], 0.05)


async def test_a_note_of_another_tenants_stream_of_the_same_id_does_not_count(views: Views) -> None:
    stream = new_stream()
    wait = asyncio.create_task(views.applied.wait([Position(stream, 1)], 0.3))
    await views.tell(told.note([(Stream(uuid4(), stream.type, stream.id), 5)]))
    assert not await wait


async def test_a_note_that_would_be_too_long_says_nothing_and_whoever_waits_asks(views: Views) -> None:
    stream, others = new_stream(), [(new_stream(), 1) for _ in range(200)]
    assert told.note(others) == ""
    wait = asyncio.create_task(views.applied.wait([Position(stream, 1)], 10))
    await views.reach(stream, 1, told.note(others))
    assert await wait


async def test_after_a_lost_connection_nothing_is_known_that_was_told_before(views: Views) -> None:
    """The server may have crashed, and taken the last commits back."""
    stream = new_stream()
    await views.tell(told.note([(stream, 1)]))
    await eventually_true(lambda: views.applied.wait([Position(stream, 1)], 0.05))
    await views.engine.sql(f"select pg_terminate_backend(pid) from ({BACKENDS}) b")
    await eventually(lambda: not views.applied._connected.is_set())
    assert not await views.applied.connected_wait([Position(stream, 1)], 1)


async def test_what_happened_while_nobody_listened_is_asked_for_those_who_wait(views: Views) -> None:
    stream = new_stream()
    wait = asyncio.create_task(views.applied.wait([Position(stream, 1)], 10))
    await views.engine.sql(f"select pg_terminate_backend(pid) from ({BACKENDS}) b")
    await eventually(lambda: not views.applied._connected.is_set())
    await views.reach(stream, 1, told.note([(stream, 1)]))
    assert await wait


async def test_there_is_a_connection_for_asking_when_somebody_was_not_told(
    store: Engine,
) -> None:
    async with await connect(store.dsn("projector"), name="test") as projector, waiting(store) as applied:
        for _ in range(30):
            stream = new_stream()
            wait = asyncio.create_task(applied.wait([Position(stream, 1)], 10))
            await asyncio.sleep(0)
            await projector.execute("select pg_notify('views_applied', %s)", (told.note([(stream, 1)]),))
            assert await wait
        assert await store.value(f"select count(*) from ({BACKENDS}) b") == 1
        assert not await applied.wait([Position(new_stream(), 1)], 0.3)
        assert await store.value(f"select count(*) from ({BACKENDS}) b") == 2


async def test_many_wait_at_once_and_each_is_told_of_its_own(views: Views) -> None:
    streams = [new_stream() for _ in range(40)]
    waits = [asyncio.create_task(views.applied.wait([Position(one, 1)], 10)) for one in streams]
    for stream in streams:
        await views.reach(stream, 1)
    assert await asyncio.gather(*waits) == [True] * 40


async def test_another_tenants_stream_of_the_same_id_does_not_count(views: Views) -> None:
    stream = new_stream()
    await views.reach(stream, 5)
    assert not await views.applied.wait([Position(Stream(uuid4(), stream.type, stream.id), 1)], 0.05)


async def test_a_wait_is_bounded_and_the_next_do_not_wait_until_progress_is_reported(views: Views) -> None:
    late, other = new_stream(), new_stream()
    begun = time.monotonic()
    assert not await views.applied.wait([Position(late, 1)], 0.3)
    assert 0.25 < time.monotonic() - begun < 2

    begun = time.monotonic()
    for _ in range(20):
        assert not await views.applied.wait([Position(late, 1)], 5)
    assert time.monotonic() - begun < 1

    await views.reach(other, 1)
    await eventually_true(lambda: views.applied.wait([Position(other, 1)], 1))
    again = asyncio.create_task(views.applied.wait([Position(late, 1)], 10))
    await views.reach(late, 1)
    assert await again


async def test_a_token_that_names_what_never_was_keeps_nobody_else_from_waiting(views: Views) -> None:
    never, soon = new_stream(), new_stream()
    assert not await views.applied.wait([Position(never, 2**31 - 1)], 0.05, ours=False)
    wait = asyncio.create_task(views.applied.wait([Position(soon, 1)], 10))
    await asyncio.sleep(0)
    assert not wait.done()
    await views.reach(soon, 1)
    assert await wait


async def test_it_survives_the_loss_of_its_connections(views: Views) -> None:
    stream = new_stream()
    await views.reach(stream, 1)
    await views.engine.sql(f"select pg_terminate_backend(pid) from ({BACKENDS}) b")
    await eventually(lambda: not views.applied._connected.is_set())
    begun = time.monotonic()
    assert not await views.applied.wait([Position(stream, 1)], 5)
    assert time.monotonic() - begun < 1
    assert await views.applied.connected_wait([Position(stream, 1)], 10)


async def test_before_the_database_was_reached_nobody_waits(store: Engine) -> None:
    dsn = store.dsn("views_progress")
    applied = Applied(Listener(dsn, "views-listen"), dsn, "views")
    assert not await applied.wait([Position(new_stream(), 1)], 5)
    assert not await applied.connected_wait([Position(new_stream(), 1)], 0.05)
