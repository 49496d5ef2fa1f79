"""A stream as it stood: by version, and by a moment of the database's clock."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio

from helpdesk.events.ticket import TicketRetitled
from helpdesk.eventstore.history import Past
from helpdesk.eventstore.store import StreamAppend
from helpdesk.postgres.pool import connect
from helpdesk.recorded import Stream
from integration.engine.rig import NOBODY, NOON, Engine, events, new_stream
from integration.engine.test_store import created

MINUTE = timedelta(minutes=1)


@pytest_asyncio.fixture
async def past(store: Engine) -> Past:
    """By the appender's login; readers may as well."""
    return Past(store.pool, "events")


async def clocked(store: Engine, stream: Stream, *minutes: int) -> None:
    """One event for each, recorded so many minutes after noon: no clock of the tests is the database's."""
    async with await connect(store.admin_dsn, name="test") as connection, connection.transaction():
        await connection.execute("alter table events.event disable trigger event_is_immutable")
        for version, minute in enumerate(minutes, 1):
            await connection.execute(
                "update events.event set recorded_at = %s where stream_id = %s and version = %s",
                (NOON + minute * MINUTE, stream.id, version),
            )
        await connection.execute("alter table events.event enable trigger event_is_immutable")


async def versions(past: Past, stream: Stream, as_of: int | datetime) -> list[int]:
    return [one.version for one in await past.read_stream(stream, as_of=as_of)]


async def test_by_version(store: Engine, past: Past) -> None:
    stream = new_stream()
    await store.append(stream, 3)
    for last in range(5):
        assert await versions(past, stream, last) == [1, 2, 3][:last]
    assert await past.read_stream(stream, as_of=2) == (await store.store.read_stream(stream))[:2]
    assert await versions(past, new_stream(), 9) == []


async def test_by_moment_what_was_recorded_at_it_or_before(store: Engine, past: Past) -> None:
    stream = new_stream()
    for _ in range(3):
        await store.append(stream)
    await clocked(store, stream, 1, 2, 3)
    second = timedelta(microseconds=1)
    assert await versions(past, stream, NOON) == []
    assert await versions(past, stream, NOON + MINUTE - second) == []
    assert await versions(past, stream, NOON + MINUTE) == [1]
    assert await versions(past, stream, NOON + 3 * MINUTE - second) == [1, 2]
    assert await versions(past, stream, NOON + 3 * MINUTE) == [1, 2, 3]
    assert await versions(past, stream, datetime.now(UTC) + timedelta(days=1)) == [1, 2, 3]


async def test_by_moment_no_command_is_cut_in_two(store: Engine, past: Past) -> None:
    stream = new_stream()
    await store.append(stream, 1)
    await store.append(stream, 3)
    await clocked(store, stream, 1, 2, 3, 4)
    assert await versions(past, stream, NOON + 3 * MINUTE) == [1]
    assert await versions(past, stream, NOON + 4 * MINUTE) == [1, 2, 3, 4]


async def test_a_clock_that_was_set_back_leaves_no_hole(store: Engine, past: Past) -> None:
    stream = new_stream()
    for _ in range(4):
        await store.append(stream)
    await clocked(store, stream, 1, 5, 3, 6)
    assert await versions(past, stream, NOON + 4 * MINUTE) == [1]
    assert await versions(past, stream, NOON + 5 * MINUTE) == [1, 2, 3]


async def test_the_events_own_times_do_not_matter(store: Engine, past: Past) -> None:
    """They are what a process with another clock believed, or what an import brought along."""
    stream = new_stream()
    await store.append(stream, 2)
    assert [one.event for one in await past.read_stream(stream, as_of=datetime.now(UTC) + MINUTE)] == events(2)
    assert await versions(past, stream, NOON + MINUTE) == []


async def test_a_moment_needs_its_time_zone(past: Past) -> None:
    with pytest.raises(ValueError, match="time zone"):
        await past.read_stream(new_stream(), as_of=NOON.replace(tzinfo=None))


async def test_a_ticket_as_it_stood(store: Engine, past: Past) -> None:
    stream = new_stream(type_="ticket")
    renamed = TicketRetitled(title="The fax burns", previous="The printer burns", by=uuid4(), at=NOON)
    await store.store.append(uuid4(), [StreamAppend(stream, 0, [created(1)])], NOBODY)
    await store.store.append(uuid4(), [StreamAppend(stream, 1, [renamed])], NOBODY)
    await clocked(store, stream, 1, 2)
    before = await past.ticket(stream.tenant_id, stream.id, as_of=NOON + MINUTE)
    after = await past.ticket(stream.tenant_id, stream.id, as_of=2)
    assert before is not None
    assert after is not None
    assert (before.title, after.title) == ("The printer burns", "The fax burns")
    assert await past.ticket(stream.tenant_id, stream.id, as_of=NOON) is None


async def test_the_past_is_read_by_those_who_may_read_events_and_nobody_else(store: Engine) -> None:
    call = "select events.read_stream_as_of(gen_random_uuid(), 'ticket', gen_random_uuid(), 1)"
    async with await connect(store.dsn("command_api"), name="test") as connection:
        await connection.execute(call)
    for login in ("command_relay", "views_progress", "projector", "query_api"):
        async with await connect(store.dsn(login), name="test") as connection:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await connection.execute(call)
