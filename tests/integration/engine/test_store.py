"""The append on a real PostgreSQL: design §3."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import pytest_asyncio

from command_api import store as private
from helpdesk.events.ticket import CommentAdded, TicketCreated, TicketRetitled
from helpdesk.eventstore.store import NOT_FIRST_WRITE, DuplicateCommand, EventTooLarge, StreamAppend, WrongVersion
from helpdesk.postgres.pool import Connection, connect
from helpdesk.recorded import Stream, event_id_of
from integration.engine.rig import NOBODY, NOON, Engine, events, new_stream


@pytest_asyncio.fixture
async def appender(store: Engine) -> AsyncIterator[Connection]:
    """A connection of the command API's login."""
    async with await connect(store.dsn("command_api"), name="test") as connection:
        yield connection


def created(number: int, title: str = "The printer burns") -> TicketCreated:
    return TicketCreated(
        number=number, title=title, description="", priority="low", metadata=None, tags=(), by=uuid4(), at=NOON
    )


def rejections(results: list[Any], error: type[Exception]) -> int:
    assert all(result is None or isinstance(result, error) for result in results), results
    return sum(isinstance(result, error) for result in results)


# --- the optimistic lock ----------------------------------------------------------------------------------------------


async def test_what_is_appended_is_read(store: Engine) -> None:
    stream, command = new_stream(), uuid4()
    await store.store.append(command, [StreamAppend(stream, 0, events(3))], NOBODY)
    found = await store.store.read_stream(stream)
    assert [(one.version, one.ordinal, one.remaining) for one in found] == [(1, 1, 2), (2, 2, 1), (3, 3, 0)]
    assert [one.event_id for one in found] == [event_id_of(command, n) for n in (1, 2, 3)]
    assert [one.command_id for one in found] == [command, None, None]
    assert [one.event for one in found] == events(3)
    assert [one.version for one in await store.store.read_stream(stream, after=2)] == [3]
    assert await store.store.read_stream(new_stream()) == []


async def test_exactly_one_of_many_appenders_wins_each_version(store: Engine) -> None:
    stream = new_stream()
    for version in range(5):
        results = await asyncio.gather(
            *(store.store.append(uuid4(), [StreamAppend(stream, version, events())], NOBODY) for _ in range(12)),
            return_exceptions=True,
        )
        assert rejections(results, WrongVersion) == 11
    assert [one.version for one in await store.store.read_stream(stream)] == [1, 2, 3, 4, 5]


async def test_appenders_that_try_again_leave_no_hole_and_lose_nothing(store: Engine) -> None:
    stream = new_stream()

    async def insist() -> None:
        while True:
            version = len(await store.store.read_stream(stream))
            try:
                return await store.store.append(uuid4(), [StreamAppend(stream, version, events(2))], NOBODY)
            except WrongVersion:
                continue

    await asyncio.gather(*(insist() for _ in range(10)))
    assert [one.version for one in await store.store.read_stream(stream)] == list(range(1, 21))


@pytest.mark.parametrize("too_high", [1, 2, 100])
async def test_an_expectation_that_is_too_high_leaves_no_hole(store: Engine, too_high: int) -> None:
    stream = new_stream()
    with pytest.raises(WrongVersion):
        await store.append(stream, version=too_high)
    await store.append(stream)
    with pytest.raises(WrongVersion):
        await store.append(stream, version=1 + too_high)
    assert len(await store.store.read_stream(stream)) == 1


async def test_an_expectation_that_is_too_low_is_wrong_too(store: Engine) -> None:
    stream = new_stream()
    await store.append(stream, 2)
    for version in (0, 1):
        with pytest.raises(WrongVersion):
            await store.append(stream, version=version)


async def test_the_same_id_in_another_tenant_or_of_another_type_is_another_stream(store: Engine) -> None:
    stream = new_stream()
    await store.append(stream)
    for other in (Stream(uuid4(), stream.type, stream.id), Stream(stream.tenant_id, "ticket", stream.id)):
        await store.append(other)
        assert len(await store.store.read_stream(other)) == 1


# --- first write ------------------------------------------------------------------------------------------------------

BEFORE = {
    "after nextval": "select nextval('events.event_position') from generate_series(1, 33)",
    "after a row": "insert into events.ticket_counter values (%(tenant)s, 1)",
    "after an update": "update events.ticket_counter set next = 2 where tenant_id = %(tenant)s",
    "after FOR UPDATE": "select from events.ticket_counter where tenant_id = %(tenant)s for update",
}


@pytest.mark.parametrize("before", BEFORE)
async def test_an_append_is_the_first_write_of_its_transaction(
    store: Engine, appender: Connection, before: str
) -> None:
    stream = new_stream()
    tenant = stream.tenant_id
    if before in ("after an update", "after FOR UPDATE"):
        await private.take_numbers(store.pool, tenant, 1)
    with pytest.raises(psycopg.Error) as refused:
        async with appender.transaction():
            await private.enter_tenant(appender, tenant)
            await appender.execute(BEFORE[before], {"tenant": tenant})
            await store.store.append_in(appender, uuid4(), [StreamAppend(stream, 0, events())], NOBODY)
    assert refused.value.sqlstate == "HD001"
    assert await store.store.read_stream(stream) == []


async def test_so_is_the_append_of_all_or_nothing(appender: Connection) -> None:
    async with appender.transaction():
        await appender.execute("select events.append_all('{}', '[]', 0)")
    with pytest.raises(psycopg.Error) as refused:
        async with appender.transaction():
            await appender.execute("select nextval('events.event_position') from generate_series(1, 33)")
            await appender.execute("select events.append_all('{}', '[]', 0)")
    assert refused.value.sqlstate == NOT_FIRST_WRITE


async def test_reads_and_advisory_locks_come_before_an_append_and_private_rows_after_it(
    store: Engine, appender: Connection
) -> None:
    stream = new_stream()
    async with appender.transaction():
        await private.enter_tenant(appender, stream.tenant_id)
        await appender.execute("select * from events.person")
        await appender.execute("select pg_try_advisory_xact_lock(7)")
        await store.store.append_in(appender, uuid4(), [StreamAppend(stream, 0, events())], NOBODY)
        await appender.execute("insert into events.ticket_counter values (%s, 5)", (stream.tenant_id,))
    assert await private.take_numbers(store.pool, stream.tenant_id, 1) == 5


async def test_a_second_append_in_one_transaction_is_refused(store: Engine, appender: Connection) -> None:
    first, second = new_stream(), new_stream()
    with pytest.raises(psycopg.Error) as refused:
        async with appender.transaction():
            await store.store.append_in(appender, uuid4(), [StreamAppend(first, 0, events())], NOBODY)
            await store.store.append_in(appender, uuid4(), [StreamAppend(second, 0, events())], NOBODY)
    assert refused.value.sqlstate == "HD001"
    assert await store.store.read_stream(first) == []


# --- commands ---------------------------------------------------------------------------------------------------------


async def test_a_command_is_appended_once(store: Engine) -> None:
    stream, command = new_stream(), uuid4()
    await store.store.append(command, [StreamAppend(stream, 0, events())], NOBODY)
    for expected in (0, 1, 7):
        with pytest.raises(DuplicateCommand):
            await store.store.append(command, [StreamAppend(stream, expected, events())], NOBODY)
    with pytest.raises(DuplicateCommand):
        await store.store.append(command, [StreamAppend(new_stream(stream.tenant_id), 0, events())], NOBODY)
    assert len(await store.store.read_stream(stream)) == 1


async def test_a_command_that_is_sent_many_times_at_once_is_appended_once(store: Engine) -> None:
    command, tenant = uuid4(), uuid4()
    streams = [new_stream(tenant) for _ in range(8)]
    results = await asyncio.gather(
        *(store.store.append(command, [StreamAppend(one, 0, events(2))], NOBODY) for one in streams),
        return_exceptions=True,
    )
    assert rejections(list(results), DuplicateCommand) == 7
    assert sorted([len(await store.store.read_stream(one)) for one in streams]) == [0] * 7 + [2]


async def test_one_command_over_many_streams_is_one_whole(store: Engine) -> None:
    tenant, command = uuid4(), uuid4()
    streams = sorted(new_stream(tenant) for _ in range(3))
    await store.append(streams[1])
    wanted = [StreamAppend(streams[2], 0, events()), StreamAppend(streams[0], 0, events(2)),
              StreamAppend(streams[1], 1, events(3))]  # fmt: skip
    await store.store.append(command, wanted, NOBODY)
    places = [
        (one.version, one.ordinal, one.remaining)
        for stream in streams
        for one in await store.store.read_stream(stream, after=1 if stream == streams[1] else 0)
    ]
    assert places == [(1, 1, 1), (2, 2, 0), (2, 3, 2), (3, 4, 1), (4, 5, 0), (1, 6, 0)]
    count = """select count(*), count(distinct xid), count(command_id)
               from events.event where tenant_id = %s and event_id = any(%s)"""
    ids = [event_id_of(command, n) for n in range(1, 7)]
    assert await store.sql(count, tenant, ids) == [(6, 1, 1)]


async def test_one_stream_that_is_elsewhere_undoes_the_whole_command(store: Engine) -> None:
    tenant = uuid4()
    good, bad = new_stream(tenant), new_stream(tenant)
    await store.append(bad, 2)
    for expected in (0, 1, 3):
        with pytest.raises(WrongVersion):
            wanted = [StreamAppend(good, 0, events()), StreamAppend(bad, expected, events())]
            await store.store.append(uuid4(), wanted, NOBODY)
    assert await store.store.read_stream(good) == []
    assert len(await store.store.read_stream(bad)) == 2


async def test_a_stream_to_which_a_command_adds_nothing_must_be_where_it_expects_it_nevertheless(store: Engine) -> None:
    tenant = uuid4()
    good, looked_at = new_stream(tenant), new_stream(tenant)
    await store.append(looked_at, 2)
    for wanted in ([StreamAppend(looked_at, 1, [])], [StreamAppend(good, 0, events()), StreamAppend(looked_at, 1, [])]):
        with pytest.raises(WrongVersion):
            await store.store.append(uuid4(), wanted, NOBODY)
    assert await store.store.read_stream(good) == []
    await store.store.append(uuid4(), [StreamAppend(good, 0, events()), StreamAppend(looked_at, 2, [])], NOBODY)


async def test_commands_over_the_same_streams_do_not_deadlock(store: Engine) -> None:
    tenant = uuid4()
    streams = [new_stream(tenant) for _ in range(4)]

    async def both_ways(n: int) -> None:
        order = streams if n % 2 else streams[::-1]
        await store.store.append(uuid4(), [StreamAppend(one, 0, events()) for one in order], NOBODY)

    results = await asyncio.gather(*(both_ways(n) for n in range(12)), return_exceptions=True)
    assert rejections(list(results), WrongVersion) == 11


async def test_a_command_never_spans_tenants(store: Engine) -> None:
    with pytest.raises(ValueError, match="never spans tenants"):
        await store.store.append(
            uuid4(), [StreamAppend(new_stream(), 0, events()), StreamAppend(new_stream(), 0, events())], NOBODY
        )


# --- what cannot be stored --------------------------------------------------------------------------------------------


def retitled(length: int) -> TicketRetitled:
    return TicketRetitled(title="x" * length, previous="", by=UUID(int=1), at=NOON)


async def test_an_event_of_more_than_256_kb_is_refused_with_its_whole_command(store: Engine) -> None:
    stream = new_stream()
    with pytest.raises(EventTooLarge):
        await store.store.append(uuid4(), [StreamAppend(stream, 0, [*events(), retitled(262_144)])], NOBODY)
    assert await store.store.read_stream(stream) == []
    await store.store.append(uuid4(), [StreamAppend(stream, 0, [retitled(261_000)])], NOBODY)


@pytest.mark.parametrize(
    "statement",
    [
        "update events.event set type = type",
        "update events.event set data = '{}' where version = 1",
        "delete from events.event",
        "truncate events.event",
        "truncate events.event cascade",
    ],
)
async def test_history_is_not_changed_not_even_by_its_owner(store: Engine, statement: str) -> None:
    await store.append(new_stream())
    with pytest.raises(psycopg.Error) as refused:
        await store.sql(statement)
    assert refused.value.sqlstate == "HD004"
    async with await connect(store.dsn("command_api"), name="test") as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute(statement)


# --- numbers and places -----------------------------------------------------------------------------------------------


async def test_numbers_are_unique_and_count_up_for_each_tenant(store: Engine) -> None:
    tenant = uuid4()
    numbers = await asyncio.gather(*(private.take_numbers(store.pool, tenant, 1) for _ in range(30)))
    assert sorted(numbers) == list(range(1, 31))
    assert await private.take_numbers(store.pool, uuid4(), 1) == 1


async def test_a_number_that_was_given_away_is_refused_with_the_whole_append(store: Engine) -> None:
    one, other = new_stream(type_="ticket"), new_stream(type_="ticket")
    other = Stream(one.tenant_id, other.type, other.id)
    await store.store.append(uuid4(), [StreamAppend(one, 0, [created(7)])], NOBODY)
    with pytest.raises(psycopg.errors.UniqueViolation) as clash:
        await store.store.append(uuid4(), [StreamAppend(other, 0, [created(7)])], NOBODY)
    assert clash.value.diag.constraint_name == "ticket_number_pkey"
    assert await store.store.read_stream(other) == []


async def test_a_counter_that_stepped_back_is_mended(store: Engine) -> None:
    stream = new_stream(type_="ticket")
    tenant = stream.tenant_id
    await store.store.append(uuid4(), [StreamAppend(stream, 0, [created(41)])], NOBODY)
    assert await private.take_numbers(store.pool, tenant, 1) == 1
    await private.mend_numbers(store.pool, tenant)
    assert await private.take_numbers(store.pool, tenant, 1) == 42
    await private.mend_numbers(store.pool, tenant)
    assert await private.take_numbers(store.pool, tenant, 1) == 43  # never back


async def test_a_comment_is_found_by_its_id_within_its_tenant(store: Engine) -> None:
    stream, comment = new_stream(type_="ticket"), uuid4()
    added = CommentAdded(comment_id=comment, content="Help!", is_internal=False, by=uuid4(), at=NOON)
    await store.store.append(uuid4(), [StreamAppend(stream, 0, [created(1), added])], NOBODY)
    assert await private.ticket_of_comment(store.pool, stream.tenant_id, comment) == stream.id
    assert await private.ticket_of_comment(store.pool, uuid4(), comment) is None
