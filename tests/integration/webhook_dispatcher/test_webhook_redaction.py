"""Redact and purge at the dispatcher: what is stored, signed and sent is what the history says now."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from helpdesk.consumer.batch import StreamBatch
from helpdesk.events import Event
from helpdesk.events.operations import PLATFORM, TenantPurged
from helpdesk.events.ticket import CommentAdded, TicketRetitled
from helpdesk.eventstore import erasure
from helpdesk.eventstore.store import StreamAppend
from helpdesk.postgres.pool import Pool, open_pool
from helpdesk.recorded import Metadata, Stream
from integration.webhook_dispatcher.rig import REQUESTER, Rig, created
from support.golden import AT
from webhook_dispatcher import app
from webhook_dispatcher.subscribers import refold, take_in

SECRET = "Jane's number is 0123-456"
NOBODY = Metadata(None, None, None)
BODIES = "select id, body, state, claim from webhooks.delivery where ticket_id = %s order by created_at, id"


@pytest.fixture
async def worker(rig: Rig) -> AsyncIterator[Pool]:
    """The connections of the intake's role."""
    async with app.worker_pool(rig.settings) as pool:
        yield pool


@pytest.fixture
async def endpoint(rig: Rig) -> dict[str, Any]:
    """Somebody who wants to hear of everything."""
    return await rig.endpoint("http://127.0.0.1:9/hook", "ticket.*", "comment.*")


async def told(rig: Rig, worker: Pool, *commands: tuple[Event, ...]) -> Stream:
    """A ticket whose commands the intake has taken in."""
    stream, version = Stream(rig.tenant, "ticket", uuid4()), 0
    for command in commands:
        await rig.happened(stream.id, *command, version=version)
        version += len(command)
    await taken_in(rig, worker, stream)
    return stream


async def taken_in(rig: Rig, worker: Pool, stream: Stream, after: int = 0) -> None:
    batch = StreamBatch(stream, after, await rig.store.read_stream(stream, after))
    async with worker.connection() as connection, connection.transaction():
        await take_in(connection, [batch])


async def redacted(rig: Rig, worker: Pool, stream: Stream) -> None:
    """As the operator redacts all of it, and then as the consumer does on reading of it."""
    past = await rig.store.read_stream(stream)
    recorded = erasure.redactions(past, reason="erasure_request", by=REQUESTER, at=AT)
    async with open_pool(rig.settings.migrate_database_url, name="operator", max_size=1) as pool:
        await erasure.redact(pool, "events", stream, len(past), recorded, NOBODY)
    history = await rig.store.read_stream(stream)
    async with worker.connection() as connection, connection.transaction():
        await refold(connection, StreamBatch(stream, 0, history[: len(past)]))
    await taken_in(rig, worker, stream, len(past))


def retitled() -> TicketRetitled:
    return TicketRetitled(title=SECRET, previous="Printer on fire", by=REQUESTER, at=AT)


def commented() -> CommentAdded:
    return CommentAdded(comment_id=uuid4(), content=SECRET, is_internal=False, by=REQUESTER, at=AT)


async def test_bodies_are_made_anew_under_their_ids_and_nothing_new_becomes_due(
    rig: Rig, worker: Pool, endpoint: dict[str, Any]
) -> None:
    stream = await told(rig, worker, (created(), commented()), (retitled(),))
    before = await rig.sql(BODIES, (stream.id,))
    assert sum(SECRET.encode() in body for _, body, *_ in before) == 2
    await redacted(rig, worker, stream)
    after = await rig.sql(BODIES, (stream.id,))
    assert [id_ for id_, *_ in after] == [id_ for id_, *_ in before]
    assert not any(SECRET.encode() in body or b"Printer" in body for _, body, *_ in after)
    for (_, old, *_), (_, new, *_) in zip(before, after, strict=True):
        was, is_ = orjson.loads(old), orjson.loads(new)
        assert (is_["type"], is_["eventId"], is_["sequence"]) == (was["type"], was["eventId"], was["sequence"])
        assert list(is_) == list(was)


async def test_a_message_whose_difference_is_gone_tells_of_no_change(
    rig: Rig, worker: Pool, endpoint: dict[str, Any]
) -> None:
    stream = await told(rig, worker, (created(),), (retitled(),))
    await redacted(rig, worker, stream)
    updated = orjson.loads((await rig.sql(BODIES, (stream.id,)))[1][1])
    assert updated["data"] == {"ticketId": str(stream.id), "title": "", "changes": {}, "previous": {}}


async def test_the_snapshot_and_the_answers_lose_the_text(rig: Rig, worker: Pool, endpoint: dict[str, Any]) -> None:
    stream = await told(rig, worker, (created(SECRET, description=SECRET, metadata={"a": SECRET}, tags=(SECRET,)),))
    ((id_, *_),) = await rig.sql(BODIES, (stream.id,))
    answered = """
        insert into webhooks.delivery_attempt (tenant_id, delivery_id, attempt, at, latency_ms, head)
        values (%s, %s, 1, now(), 1, %s)"""
    await rig.sql(answered, (rig.tenant, id_, f"you said {SECRET}"))
    await redacted(rig, worker, stream)
    assert await rig.sql("select head from webhooks.delivery_attempt where delivery_id = %s", (id_,)) == [("",)]
    ((row,),) = await rig.sql("select to_jsonb(t) from webhooks.ticket t where id = %s", (stream.id,))
    assert (row["title"], row["description"], row["metadata"], row["tags"]) == ("", "", {}, [])


async def test_who_sends_the_former_body_at_this_moment_cannot_record_its_answer(
    rig: Rig, worker: Pool, endpoint: dict[str, Any]
) -> None:
    stream = await told(rig, worker, (created(SECRET),))
    claimed = uuid4()
    await rig.sql(
        "update webhooks.delivery set state = 'sending', claim = %s where ticket_id = %s", (claimed, stream.id)
    )
    await redacted(rig, worker, stream)
    ((_, _, state, claim),) = await rig.sql(BODIES, (stream.id,))
    assert state == "sending"
    assert claim not in (None, claimed)


async def test_what_says_the_same_as_before_is_left_alone(rig: Rig, worker: Pool, endpoint: dict[str, Any]) -> None:
    """A refold of a stream that was not redacted changes no body, takes no claim away, empties no answer."""
    stream = await told(rig, worker, (created(), commented()), (retitled(),))
    await rig.sql(
        "update webhooks.delivery set state = 'sending', claim = gen_random_uuid() where ticket_id = %s", (stream.id,)
    )
    before = await rig.sql(BODIES, (stream.id,))
    async with worker.connection() as connection, connection.transaction():
        await refold(connection, StreamBatch(stream, 0, await rig.store.read_stream(stream)))
    assert await rig.sql(BODIES, (stream.id,)) == before


async def rows_of(rig: Rig, tenant: UUID) -> dict[str, int]:
    tables = await rig.sql(
        """select c.oid::regclass::text from pg_class c join pg_attribute a on a.attrelid = c.oid
           where c.relnamespace = 'webhooks'::regnamespace and c.relkind = 'r' and a.attname = 'tenant_id'
             and c.relname not in ('stream_guard', 'purged_tenant')"""
    )
    return {n: (await rig.sql(f"select count(*) from {n} where tenant_id = %s", (tenant,)))[0][0] for (n,) in tables}


async def test_nothing_of_a_purged_tenant_is_left_but_that_it_was_purged(
    rig: Rig, worker: Pool, endpoint: dict[str, Any]
) -> None:
    stream = await told(rig, worker, (created(SECRET),))
    late = Stream(rig.tenant, "ticket", uuid4())
    await rig.happened(late.id, created())
    other = rig.another_tenant()
    await other.endpoint("http://127.0.0.1:9/hook", "ticket.*")
    await told(other, worker, (created(),))
    beside = await rows_of(rig, other.tenant)
    assert (await rows_of(rig, rig.tenant))["webhooks.event"] == 1

    purge = Stream(PLATFORM, "platform", rig.tenant)
    record = TenantPurged(tenant_id=rig.tenant, reason="contract_ended", by=REQUESTER, at=AT)
    await rig.store.append(uuid4(), [StreamAppend(purge, 0, [record])], NOBODY)
    await taken_in(rig, worker, purge)
    await taken_in(rig, worker, late)
    await taken_in(rig, worker, stream)
    assert set((await rows_of(rig, rig.tenant)).values()) == {0}
    assert await rows_of(rig, other.tenant) == beside
