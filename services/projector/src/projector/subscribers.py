"""What the projector does with a batch: fold each stream in memory, then write every view at once."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar, get_args

from helpdesk.consumer.batch import StreamBatch
from helpdesk.consumer.purged import Forgetting
from helpdesk.events import Event
from helpdesk.events.tenant import TenantEvent
from helpdesk.events.ticket import AttachmentAdded, AttachmentRemoved, TicketEvent
from helpdesk.events.user import UserEvent
from helpdesk.folds import activities
from helpdesk.postgres.pool import Connection
from helpdesk.recorded import Stream
from projector import store
from projector.domain import attachments, comments, people, tenants, tickets

E = TypeVar("E", bound=Event)
TOGETHER: Final = 100
"""Tickets that are written by one statement: the server writes them while the next ones are folded."""
_TICKET, _USER, _TENANT = get_args(TicketEvent), get_args(UserEvent), get_args(TenantEvent)


async def _project(connection: Connection, batches: Sequence[StreamBatch]) -> None:
    """Bring the views to the end of `batches`, inside the transaction that moves their guard.

    Streams and events that no view knows change nothing; the guard moves over them all the same.
    """
    await _tickets(connection, [batch for batch in batches if batch.stream.type == "ticket"])
    await _people(connection, [batch for batch in batches if batch.stream.type == "user"])
    await _tenants(connection, [batch for batch in batches if batch.stream.type == "tenant"])


project = Forgetting(_project, "views", store.forget)


async def refold(connection: Connection, history: StreamBatch) -> None:
    """Replace all rows of one stream by what its whole `history` gives: it reads differently now, or a row is wrong."""
    await store.forget_stream(connection, history.stream)
    await project(connection, [history])


async def _tickets(connection: Connection, batches: Sequence[StreamBatch]) -> None:
    if not batches:
        return
    histories = {batch.stream: _events(batch, _TICKET) for batch in batches}
    rows, standing = await store.tickets(
        connection,
        [batch.stream for batch in batches if batch.from_version > 0],
        [(stream, id_) for stream, events in histories.items() for id_ in comments.touched(events)],
    )
    for first in range(0, len(batches), TOGETHER):
        some = batches[first : first + TOGETHER]
        await store.write_tickets(
            connection,
            {
                batch.stream: tickets.after(
                    rows.get(batch.stream), histories[batch.stream], batch.to_version, batch.stream
                )
                for batch in some
            },
            [
                (batch.stream, row)
                for batch in some
                for row in comments.after(standing.get(batch.stream, {}), histories[batch.stream]).values()
            ],
            [
                (batch.stream, activities.of(one.event, one.version, one.event_id))
                for batch in some
                for one in batch.events
                if isinstance(one.event, _TICKET)
            ],
        )
    await _attachments(connection, {s: events for s, events in histories.items() if any(map(_of_a_file, events))})


async def _attachments(connection: Connection, histories: Mapping[Stream, Sequence[TicketEvent]]) -> None:
    wanted = [(stream, id_) for stream, events in histories.items() for id_ in attachments.touched(events)]
    standing = await store.attachments(connection, wanted)
    rows = [
        (stream, row)
        for stream, events in histories.items()
        for row in attachments.after(standing.get(stream, {}), events).values()
    ]
    await store.write_attachments(connection, rows)


async def _people(connection: Connection, batches: Sequence[StreamBatch]) -> None:
    if not batches:
        return
    rows = await store.people(connection, [batch.stream for batch in batches if batch.from_version > 0])
    await store.write_people(
        connection,
        {
            batch.stream: people.after(rows.get(batch.stream), _events(batch, _USER), batch.to_version, batch.stream)
            for batch in batches
        },
    )


async def _tenants(connection: Connection, batches: Sequence[StreamBatch]) -> None:
    if not batches:
        return
    rows = await store.tenants(connection, [batch.stream for batch in batches if batch.from_version > 0])
    await store.write_tenants(
        connection,
        {
            batch.stream: tenants.after(rows.get(batch.stream), _events(batch, _TENANT), batch.to_version, batch.stream)
            for batch in batches
        },
    )


def _of_a_file(event: TicketEvent) -> bool:
    return isinstance(event, AttachmentAdded | AttachmentRemoved)


def _events(batch: StreamBatch, known: tuple[type[E], ...]) -> list[E]:
    return [one.event for one in batch.events if isinstance(one.event, known)]
