"""A turn is taken over streams that all stand where they are expected, or over none of them."""

from collections.abc import Sequence
from uuid import uuid4

import psycopg
import pytest

from helpdesk.consumer.batch import Park, StreamBatch
from helpdesk.consumer.store import SUPERSEDED, ConsumerStore
from helpdesk.postgres.pool import Connection
from helpdesk.recorded import RecordedEvent, Stream
from integration.engine.rig import Views, new_stream
from support.records import received

CONSUMER = ConsumerStore("views")


def batch(stream: Stream, since: int, count: int = 1) -> StreamBatch:
    events = [received(stream, since + n, offset=n).recorded for n in range(1, count + 1)]
    return StreamBatch(stream, since, [one for one in events if isinstance(one, RecordedEvent)])


async def turn(connection: Connection, *batches: StreamBatch) -> None:
    async with connection.transaction():
        await CONSUMER.take_turn(connection, None, batches)


async def versions(views: Views, streams: Sequence[Stream]) -> list[int]:
    found = dict(
        await views.engine.sql(
            "select stream_id, version from views.stream_guard where stream_id = any(%s)", [s.id for s in streams]
        )
    )
    return [found.get(stream.id, 0) for stream in streams]


async def test_guards_move_from_where_they_are_expected(views: Views) -> None:
    new, old = new_stream(), new_stream()
    async with views.pool.connection() as connection:
        await turn(connection, batch(old, 0, 3))
        await turn(connection, batch(new, 0), batch(old, 3, 2))
    assert await versions(views, [new, old]) == [1, 5]


@pytest.mark.parametrize(("stands", "since"), [(0, 1), (2, 0), (2, 1), (2, 3)])
async def test_one_stream_that_stands_elsewhere_refuses_the_turn_to_all(views: Views, stands: int, since: int) -> None:
    """Also one that is expected somewhere and has no guard: what is missing before its event would be lost."""
    other, stream = new_stream(), new_stream()
    async with views.pool.connection() as connection:
        if stands:
            await turn(connection, batch(stream, 0, stands))
        with pytest.raises(psycopg.Error) as refused:
            await turn(connection, batch(other, 0), batch(stream, since))
    assert refused.value.sqlstate == SUPERSEDED
    assert await versions(views, [other, stream]) == [0, stands]


async def test_a_stream_that_waits_refuses_the_turn(views: Views) -> None:
    stream = new_stream()
    async with views.pool.connection() as connection:
        await CONSUMER.park(connection, [Park(stream, 1, "poison")])
        with pytest.raises(psycopg.Error) as refused:
            await turn(connection, batch(stream, 0))
        await CONSUMER.release(connection, stream)
        await turn(connection, batch(stream, 0))
    assert refused.value.sqlstate == SUPERSEDED


async def test_a_stream_that_waits_hinders_no_other(views: Views) -> None:
    waiting, stream = new_stream(), new_stream()
    async with views.pool.connection() as connection:
        await CONSUMER.park(connection, [Park(waiting, 1, "poison")])
        await turn(connection, batch(stream, 0))
    assert await versions(views, [waiting, stream]) == [0, 1]


async def test_a_purged_tenant_refuses_the_turn(views: Views) -> None:
    stream = new_stream(uuid4())
    await views.engine.sql("insert into views.purged_tenant (tenant_id) values (%s)", stream.tenant_id)
    async with views.pool.connection() as connection:
        with pytest.raises(psycopg.Error) as refused:
            await turn(connection, batch(stream, 0))
    assert refused.value.sqlstate == SUPERSEDED
    assert await versions(views, [stream]) == [0]
