"""A consumer that is behind when a tenant is purged: what it still reads of that tenant holds nobody up."""

from uuid import UUID, uuid4

from helpdesk.consumer.purged import Forgetting
from helpdesk.events.operations import PLATFORM, TenantPurged
from helpdesk.eventstore.store import StreamAppend
from helpdesk.postgres.pool import Connection
from helpdesk.recorded import Stream
from integration.engine.rig import (
    NOBODY,
    NOON,
    Topic,
    Views,
    eventually,
    eventually_true,
    ledger,
    new_stream,
    record,
    subscribed,
    written,
)

REDACTED = {"event_id": uuid4(), "fields": ["title"], "reason": "mistake", "by": UUID(int=9), "at": NOON}
PARKED = "select count(*) from views.parked where tenant_id = %s"


async def nothing_else(connection: Connection, tenant_id: UUID) -> None:
    """The ledger keeps what was written."""


async def purged(views: Views) -> tuple[Stream, bytes]:
    """A stream of a tenant of which the store has nothing but that it was purged, and the record that says so."""
    stream = new_stream()
    purge = Stream(PLATFORM, "platform", stream.tenant_id)
    event = TenantPurged(tenant_id=stream.tenant_id, reason="contract_ended", by=UUID(int=9), at=NOON)
    await views.engine.store.append(uuid4(), [StreamAppend(purge, 0, [event])], NOBODY)
    (recorded,) = await views.engine.store.read_stream(purge)
    data = {"tenant_id": stream.tenant_id, "reason": event.reason, "by": event.by, "at": NOON}
    return stream, record(purge, 1, event_id=recorded.event_id, type="tenant.purged", data=data)


async def goes_on(views: Views, bus: Topic, stream: Stream, told: bytes) -> None:
    """Others are applied, and the stream waits for its tenant's purge alone."""
    other = new_stream()
    await bus.send(record(other, 1))
    await eventually_true(lambda: written(views.engine, other))

    async def waits() -> bool:
        return bool(await views.engine.value(PARKED, stream.tenant_id) == 1)

    async def is_gone() -> bool:
        return bool(await views.engine.value(PARKED, stream.tenant_id) == 0)

    await eventually_true(waits)
    await bus.send(told)
    await eventually_true(is_gone)


async def test_a_gap_in_what_was_purged_is_no_gap_to_wait_for(views: Views, bus: Topic) -> None:
    async with subscribed(views, bus, Forgetting(ledger(), "views", nothing_else)) as consumer:
        await eventually(lambda: consumer.state.placed)
        stream, told = await purged(views)
        await bus.send(record(stream, 1), record(stream, 3))
        await goes_on(views, bus, stream, told)


async def test_a_late_redaction_of_what_was_purged_has_no_history_to_wait_for(views: Views, bus: Topic) -> None:
    async with subscribed(views, bus, Forgetting(ledger(), "views", nothing_else)) as consumer:
        await eventually(lambda: consumer.state.placed)
        stream, told = await purged(views)
        await bus.send(record(stream, 1), record(stream, 2, type="ticket.redacted", data=REDACTED))
        await goes_on(views, bus, stream, told)
