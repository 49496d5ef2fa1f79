"""The projector's rows are the fold of their streams, as they were written, also when they are made anew."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from helpdesk.consumer.batch import StreamBatch
from helpdesk.consumer.history import History
from helpdesk.events import Event
from helpdesk.events.ticket import AttachmentAdded, AttachmentRemoved, CommentAdded, TicketCreated, TicketRetitled
from helpdesk.eventstore.store import StreamAppend
from helpdesk.postgres.pool import open_pool
from helpdesk.recorded import RecordedEvent, Stream
from integration.engine.rig import NOBODY, Engine, new_stream
from projector.subscribers import project, refold

METADATA = {"zebra": 1, "a": [1e-300, 2**62, None, {"ü": "\u2028"}], "empty": {}}
AT = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
BY = UUID(int=3)


def created(**changes: Any) -> TicketCreated:
    plain: dict[str, Any] = {
        "number": 7,
        "title": 'Quotes " and \\ and\nlines',
        "description": "",
        "priority": "high",
        "metadata": METADATA,
        "tags": ("a,b", "{c}", 'd"'),
        "by": BY,
        "at": AT,
    }
    return TicketCreated(**plain | changes)


def attached() -> AttachmentAdded:
    return AttachmentAdded(
        attachment_id=uuid4(),
        object_id=uuid4(),
        filename='a "b".pdf',
        file_size=3_000_000_000,
        mime_type="application/pdf",
        sha256="0" * 64,
        by=BY,
        at=AT,
    )


async def history_of(store: Engine, stream: Stream, *events: Event) -> list[RecordedEvent]:
    await store.store.append(uuid4(), [StreamAppend(stream, 0, events)], NOBODY)
    async with open_pool(store.dsn("projector_events"), name="test-history", max_size=1) as pool:
        return [one for one in await History(pool).stream(stream) if isinstance(one, RecordedEvent)]


async def rows(store: Engine, stream: Stream) -> dict[str, list[tuple[Any, ...]]]:
    return {
        table: await store.sql(f"select * from views.{table} where tenant_id = %s order by 1, 2, 3", stream.tenant_id)
        for table in ("tickets", "comments", "attachments", "activities")
    }


async def test_what_is_written_in_bulk_reads_as_it_was_written(store: Engine) -> None:
    stream = new_stream(type_="ticket")
    comment = CommentAdded(comment_id=uuid4(), content="text", is_internal=False, by=BY, at=AT)
    kept, gone = attached(), attached()
    removed = AttachmentRemoved(attachment_id=gone.attachment_id, by=BY, at=AT)
    retitled = TicketRetitled(previous="x", title="y", by=BY, at=AT)
    history = await history_of(store, stream, created(), comment, kept, gone, retitled, removed)
    async with open_pool(store.dsn("projector"), name="test-projector", max_size=1) as pool:
        async with pool.connection() as connection, connection.transaction():
            await project(connection, [StreamBatch(stream, 0, history[:4])])
        assert await store.sql(
            "select title, metadata::text, tags, created_at, assignee_id, number from views.tickets where id = %s",
            stream.id,
        ) == [
            (
                'Quotes " and \\ and\nlines',
                '{"zebra":1,"a":[1e-300,4611686018427387904,null,{"ü":"\u2028"}],"empty":{}}',
                ["a,b", "{c}", 'd"'],
                AT,
                None,
                7,
            )
        ]
        async with pool.connection() as connection, connection.transaction():
            await project(connection, [StreamBatch(stream, 4, history[4:])])
        projected = await rows(store, stream)
        assert [len(found) for found in projected.values()] == [1, 1, 2, 6]
        files = "select filename, file_size, deleted from views.attachments where ticket_id = %s order by deleted"
        assert await store.sql(files, stream.id) == [('a "b".pdf', 3_000_000_000, False), ("", 3_000_000_000, True)]
        await store.sql("update views.attachments set filename = 'wrong' where ticket_id = %s", stream.id)
        await store.sql("update views.tickets set title = 'wrong' where id = %s", stream.id)
        await store.sql("delete from views.activities where ticket_id = %s and version = 2", stream.id)
        async with pool.connection() as connection, connection.transaction():
            await refold(connection, StreamBatch(stream, 0, history))
        assert await rows(store, stream) == projected
