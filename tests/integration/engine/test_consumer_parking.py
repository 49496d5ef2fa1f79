"""What cannot be applied parks its stream (design §6): others go on, nothing is skipped, and it can be let go on."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from helpdesk.bus.envelope import Unreadable
from helpdesk.consumer.apply import Applier
from helpdesk.consumer.batch import StreamBatch
from helpdesk.consumer.errors import Halt
from helpdesk.consumer.history import History
from helpdesk.consumer.settings import ConsumerSettings, Limits
from helpdesk.consumer.state import ConsumerState
from helpdesk.consumer.unpark import unparking
from helpdesk.postgres.pool import Connection
from helpdesk.recorded import RecordedEvent, Stream
from integration.engine.rig import (
    Topic,
    Views,
    eventually,
    eventually_true,
    halted,
    ledger,
    new_stream,
    partition_of,
    record,
    refold_ledger,
    stored,
    subscribed,
    written,
)


async def happened(views: Views, count: int) -> tuple[Stream, list[bytes]]:
    stream = new_stream()
    for _ in range(count):
        await views.engine.append(stream)
    return stream, await stored(views.engine, stream)


async def has(views: Views, stream: Stream, last: int) -> bool:
    return await written(views.engine, stream) == list(range(1, last + 1))


async def until(views: Views, stream: Stream, last: int) -> None:
    await eventually_true(partial(has, views, stream, last))


async def parked(views: Views, stream: Stream) -> tuple[int, str] | None:
    """(version, error)."""
    found = await views.engine.sql("select version, error from views.parked where stream_id = %s", stream.id)
    return found[0] if found else None


async def until_parked(views: Views, stream: Stream) -> tuple[int, str]:
    await eventually_true(partial(parked, views, stream))
    found = await parked(views, stream)
    assert found is not None
    return found


class Picky:
    """A handler that fails at some streams' versions, until it is told better."""

    def __init__(self, *refused: tuple[Stream, int]) -> None:
        self.refused = set(refused)

    async def __call__(self, connection: Connection, batches: Sequence[StreamBatch]) -> None:
        await ledger()(connection, batches)
        for batch in batches:
            for one in batch.events:
                if (batch.stream, one.version) in self.refused:
                    raise LookupError("Ada's secret")


@pytest.fixture(autouse=True)
async def nothing_is_parked(views: Views) -> None:
    await views.engine.sql("delete from views.parked")
    await views.engine.sql("delete from views.unreadable_record")


# --- poison of each kind ----------------------------------------------------------------------------------------------

KINDS: dict[str, dict[str, Any]] = {
    "unknown version": {"schema_version": 99},
    "data that does not fit": {"data": {"at": "Ada's secret"}},
    "data that is no object": {"data": 7},
}


@pytest.mark.parametrize("kind", KINDS)
async def test_an_event_that_cannot_be_read_parks_its_stream_and_the_others_go_on(
    views: Views, bus: Topic, kind: str
) -> None:
    stream, other = new_stream(), new_stream()
    async with subscribed(views, bus, ledger()) as consumer:
        await bus.send(
            record(stream, 1), record(stream, 2, **KINDS[kind]), record(other, 1), record(stream, 3), record(other, 2)
        )
        await until(views, other, 2)
        version, error = await until_parked(views, stream)
        assert version == 2
        assert "Ada" not in error
        assert await written(views.engine, stream) == [1]
        assert consumer.state.reason is None
        await eventually(lambda: consumer.state.parked == 1)
        await bus.send(record(stream, 4), record(other, 3))
        await until(views, other, 3)
        assert await written(views.engine, stream) == [1]


@pytest.mark.parametrize("versions", [(2,), (1,), (2, 3)])
async def test_an_event_that_the_handler_cannot_apply_parks_its_stream_alone(
    views: Views, bus: Topic, versions: tuple[int, ...]
) -> None:
    healthy = [new_stream() for _ in range(6)]
    (stream, records) = await happened(views, 4)
    handler = Picky(*((stream, version) for version in versions))
    async with subscribed(views, bus, handler) as consumer:
        await eventually(lambda: consumer.state.placed)
        for n, record_ in enumerate(records, 1):
            await bus.send(*(record(one, n) for one in healthy), record_)
        for one in healthy:
            await until(views, one, 4)
        version, error = await until_parked(views, stream)
        assert version == versions[0]
        assert error.startswith("LookupError at test_consumer_parking.py:")
        assert await written(views.engine, stream) == list(range(1, versions[0]))
        handler.refused.clear()
        assert await consumer.applier.unpark(stream) is None
        assert await written(views.engine, stream) == [1, 2, 3, 4]
        assert await parked(views, stream) is None
        await views.engine.append(stream)
        await bus.send(*await stored(views.engine, stream, 4))
        await until(views, stream, 5)


@pytest.mark.parametrize("value", [b"\xff not json", None, b"{}", b"[]", b""])
async def test_a_record_that_is_no_envelope_is_kept_and_what_should_have_stood_there_comes_from_the_store(
    views: Views, bus: Topic, value: bytes | None
) -> None:
    """Also of a stream that never goes on."""
    async with subscribed(views, bus, ledger()) as consumer:
        await eventually(lambda: len(consumer.state.placed) == 3)
        stream, records = await happened(views, 2)
        await bus.send(records[0], value, partition=partition_of(stream))
        await until(views, stream, 2)
        await eventually(lambda: consumer.state.reason is None and consumer.state.parked == 1)
        ((head, length),) = await views.engine.sql("select head, length from views.unreadable_record")
        assert (bytes(head), length) == (value or b"", len(value or b""))
        await views.engine.append(stream)
        await bus.send(*await stored(views.engine, stream, 2), partition=partition_of(stream))
        await until(views, stream, 3)
        await unparking(consumer.applier, ["--all"])
        assert consumer.state.parked == 0


async def test_a_kill_between_the_garbage_and_its_replay_loses_nothing(views: Views, bus: Topic) -> None:
    group = uuid4().hex
    async with subscribed(views, bus, ledger(), group) as consumer:
        await eventually(lambda: len(consumer.state.placed) == 3)
        stream, _ = await happened(views, 1)
        await views.engine.sql("revoke select on events.store from events_reader")
        await bus.send(b"garbage", partition=partition_of(stream))
        await halted(consumer)  # its batch is done, its replay has not even begun
        assert consumer.state.why is Halt.FAULT
    assert await written(views.engine, stream) == []
    await views.engine.sql("grant select on events.store to events_reader")
    async with subscribed(views, bus, ledger(), group):
        await until(views, stream, 1)


async def test_keys_and_headers_do_not_matter(views: Views, bus: Topic) -> None:
    stream = new_stream()
    async with subscribed(views, bus, ledger()):
        headers = [("content-type", b"\xff\xfe"), ("reply_to", b"\xff"), ("correlation_id", None)]
        await bus.producer.send_and_wait(bus.name, record(stream, 1), key=None, headers=headers, partition=0)
        await bus.producer.send_and_wait(bus.name, record(stream, 2), key=b"\xff\xff", partition=0)
        await until(views, stream, 2)


# --- letting go on ----------------------------------------------------------------------------------------------------


async def test_a_restart_tries_again_for_the_code_may_be_newer(views: Views, bus: Topic) -> None:
    stream, records = await happened(views, 3)
    group = uuid4().hex
    async with subscribed(views, bus, Picky((stream, 2)), group):
        await bus.send(*records, partition=partition_of(stream))
        await until_parked(views, stream)
    async with subscribed(views, bus, ledger(), group) as consumer:
        await until(views, stream, 3)
        assert await parked(views, stream) is None
        await eventually(lambda: consumer.state.placed)


async def test_what_fails_again_waits_on_and_the_command_says_why(
    views: Views, bus: Topic, capsys: pytest.CaptureFixture[str]
) -> None:
    stream, records = await happened(views, 3)
    handler = Picky((stream, 2))
    async with subscribed(views, bus, handler) as consumer:
        await bus.send(*records, partition=partition_of(stream))
        await until_parked(views, stream)
        with pytest.raises(SystemExit):
            await unparking(consumer.applier, [str(stream)])
        assert f"{stream}: LookupError" in capsys.readouterr().out
        assert await views.engine.value("select tries from views.parked where stream_id = %s", stream.id) >= 2
        await unparking(consumer.applier, [])
        assert "version 2: LookupError" in capsys.readouterr().out
        with pytest.raises(SystemExit, match="is not parked"):
            await unparking(consumer.applier, [str(new_stream())])
        handler.refused.clear()
        await unparking(consumer.applier, [str(stream)])
        assert await written(views.engine, stream) == [1, 2, 3]


async def test_unparking_can_make_anew_what_was_made_before(views: Views, bus: Topic) -> None:
    stream, records = await happened(views, 3)
    handler = Picky((stream, 3))
    async with subscribed(views, bus, handler) as consumer:
        await bus.send(*records, partition=partition_of(stream))
        await until_parked(views, stream)
        handler.refused.clear()
        await unparking(consumer.applier, ["--all", "--refold"])
    who = await views.engine.sql("select who from views.ledger where stream_id = %s order by version", stream.id)
    assert [one for (one,) in who] == ["again", "again", ""]


class Slow(History):
    """Answers when it is told to, with what was true before."""

    def __init__(self, of: History) -> None:
        self.of, self.asked, self.answer = of, asyncio.Event(), asyncio.Event()

    async def stream(self, stream: Stream, after: int = 0) -> list[RecordedEvent | Unreadable]:
        found = await self.of.stream(stream, after)
        self.asked.set()
        await self.answer.wait()
        return found


async def test_nothing_is_lost_between_a_batch_that_passes_over_a_parked_stream_and_its_unparking(
    views: Views, bus: Topic
) -> None:
    """An event that comes after the store was read must not be passed over: nobody would ever miss it."""
    stream, records = await happened(views, 2)
    handler = Picky((stream, 2))
    async with subscribed(views, bus, handler) as consumer:
        await bus.send(*records)
        await until_parked(views, stream)
        handler.refused.clear()
        slow = Slow(views.history)
        settings = ConsumerSettings("views", bus.bootstrap, bus.name, "unpark")
        unparker = Applier(settings, views.pool, handler, slow, refold_ledger, ConsumerState())
        unparking_ = asyncio.create_task(unparker.unpark(stream))
        await slow.asked.wait()
        await views.engine.append(stream)
        await bus.send(*await stored(views.engine, stream, 2))
        await eventually_true(partial(waits_or_has_passed, views, bus, 3))
        slow.answer.set()
        assert await unparking_ is None
        await until(views, stream, 3)
        assert consumer.state.healed == 0


async def waits_or_has_passed(views: Views, bus: Topic, offset: int) -> bool:
    return bool(
        await views.engine.value(
            "select exists (select from pg_locks where not granted)"
            " or (select sum(next_offset) from views.progress where topic = %s) >= %s",
            bus.name,
            offset,
        )
    )


# --- no poison but a fault --------------------------------------------------------------------------------------------


async def test_when_many_streams_park_the_consumer_halts_and_parks_no_more(views: Views, bus: Topic) -> None:
    async def broken(connection: Connection, batches: Sequence[StreamBatch]) -> None:
        await connection.execute("select * from views.no_such_table")

    streams = [new_stream() for _ in range(6)]
    async with subscribed(views, bus, broken, limits=Limits(parked_at_once=3)) as consumer:
        await bus.send(*(record(stream, 1) for stream in streams))
        assert "were parked within" in await halted(consumer)
        assert consumer.state.why is Halt.TOO_MANY_PARKED
    assert await views.engine.value("select count(*) from views.parked") == 3
    assert await views.engine.value("select max(error) from views.parked") == (
        "UndefinedTable 42P01 at test_consumer_parking.py:" + str(broken.__code__.co_firstlineno + 1)
    )
    async with subscribed(views, bus, ledger()):
        for stream in streams[3:]:
            await until(views, stream, 1)


async def test_a_database_that_fails_for_a_moment_parks_nothing(views: Views, bus: Topic) -> None:
    failures = [psycopg.errors.DeadlockDetected(), psycopg.errors.SerializationFailure(), psycopg.OperationalError()]

    async def flaky(connection: Connection, batches: Sequence[StreamBatch]) -> None:
        if failures:
            raise failures.pop()
        await ledger()(connection, batches)

    stream = new_stream()
    async with subscribed(views, bus, flaky) as consumer:
        await bus.send(record(stream, 1))
        await until(views, stream, 1)
        assert consumer.state.parked == 0
