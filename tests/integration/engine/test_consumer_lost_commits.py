"""A commit that did not wait for the disk can be lost with the server: what a consumer believes is compared."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from uuid import uuid4

import psycopg
import pytest

from helpdesk.consumer.settings import Limits
from helpdesk.consumer.store import DISPLACED, ConsumerStore, Move, Progress
from helpdesk.recorded import Cursor, Stream
from integration.engine.rig import (
    EPOCH,
    Topic,
    Views,
    eventually_true,
    handled,
    ledger,
    new_stream,
    record,
    subscribed,
    written,
)


async def has(views: Views, stream: Stream, versions: Sequence[int]) -> bool:
    return await written(views.engine, stream) == list(versions)


async def lose(views: Views, stream: Stream, offset: int, partition: int) -> None:
    """All that the last batch of this partition did, as if its commit had not reached the disk."""
    await views.engine.sql(
        """with effect as (delete from views.ledger where stream_id = %s),
                guard as (delete from views.stream_guard where stream_id = %s)
           update views.progress set next_offset = %s, event_id = gen_random_uuid()
           where partition = %s""",
        stream.id,
        stream.id,
        offset,
        partition,
    )


@pytest.mark.parametrize("partition", [0, 1])
async def test_what_the_database_lost_is_applied_again_before_what_comes_next(
    views: Views, bus: Topic, partition: int
) -> None:
    """At once where the next record is of the same partition."""
    lost, other = new_stream(), new_stream()
    calm = Limits(look_s=0.2 if partition else 600.0)
    async with subscribed(views, bus, ledger(), limits=calm) as consumer:
        await bus.send(record(other, 1))
        await handled(consumer, 1)
        await bus.send(record(lost, 1))
        await handled(consumer, 2)
        await lose(views, lost, 1, 0)
        await bus.send(record(other, 2), partition=partition)
        await eventually_true(partial(has, views, lost, [1]))
        await eventually_true(partial(has, views, other, [1, 2]))
        assert consumer.state.halted is None


async def test_what_the_database_lost_comes_back_though_nothing_comes_next(views: Views, bus: Topic) -> None:
    stream = new_stream()
    async with subscribed(views, bus, ledger()) as consumer:
        await bus.send(record(stream, 1))
        await handled(consumer, 1)
        await lose(views, stream, 0, 0)
        await eventually_true(partial(has, views, stream, [1]))


async def test_a_move_whose_answer_was_lost_can_be_made_again_and_no_other(views: Views) -> None:
    consumer = ConsumerStore("views")
    stood = Progress(0, EPOCH, 7, EPOCH, Cursor(1, 1), uuid4(), 6)
    step = Move(stood, replace(stood, next_offset=9, event_id=uuid4()))
    async with views.pool.connection() as connection:
        await consumer.set(connection, "a-topic", [stood])
        await consumer.move(connection, "a-topic", [step], note=None)
        await consumer.move(connection, "a-topic", [step], note=None)
        with pytest.raises(psycopg.Error) as refused:
            await consumer.move(connection, "a-topic", [Move(stood, replace(stood, next_offset=8))], note=None)
    assert refused.value.sqlstate == DISPLACED
