"""The answer to an append is lost after its commit: the group finds out that it stands, and appends nothing twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import psycopg
from psycopg.conninfo import make_conninfo

from helpdesk.eventstore.grouping import Group
from helpdesk.eventstore.store import StreamAppend
from helpdesk.postgres.pool import open_pool
from helpdesk.recorded import Stream
from integration.engine.cutter import Cutter
from integration.engine.rig import NOBODY, Engine, events, eventually_true, new_stream


@asynccontextmanager
async def withholding(store: Engine, stream: Stream) -> AsyncIterator[Group]:
    """A group that hears nothing from the append to this stream on, and is cut off when that stands in the store."""
    parts = psycopg.conninfo.conninfo_to_dict(store.dsn("command_api"))

    async def lose() -> None:
        await eventually_true(lambda: commands(store, stream))
        cutter.cut_off()

    async with Cutter(str(parts["host"]), int(parts["port"] or 5432)) as cutter:
        dsn = make_conninfo(store.dsn("command_api"), host="127.0.0.1", port=cutter.port, sslmode="disable")
        async with open_pool(dsn, name="withheld", max_size=3) as pool:
            group = Group(pool, "events")
            cutter.withhold_answers_to(str(stream.id).encode())
            losing = asyncio.create_task(lose())
            yield group
            await losing
            assert cutter.cuts == 1
            await group.close()


async def commands(store: Engine, stream: Stream) -> list[UUID | None]:
    found = await store.sql("select command_id from events.event where stream_id = %s order by version", stream.id)
    return [command_id for (command_id,) in found]


async def test_whoever_lost_the_answer_is_told_that_the_command_is_done(store: Engine) -> None:
    streams = [new_stream() for _ in range(6)]
    wanted = {stream: uuid4() for stream in streams}
    async with withholding(store, streams[0]) as group:
        await asyncio.gather(
            *(group.append(id_, [StreamAppend(stream, 0, events(2))], NOBODY) for stream, id_ in wanted.items())
        )
    for stream, id_ in wanted.items():
        assert await commands(store, stream) == [id_, None]


async def test_a_command_of_several_streams_is_told_to_be_done(store: Engine) -> None:
    first, second = sorted(new_stream(UUID(int=6)) for _ in range(2))
    id_ = uuid4()
    async with withholding(store, second) as group:
        await group.append(id_, [StreamAppend(first, 0, events()), StreamAppend(second, 0, events())], NOBODY)
    assert await commands(store, first) + await commands(store, second) == [id_, None]
