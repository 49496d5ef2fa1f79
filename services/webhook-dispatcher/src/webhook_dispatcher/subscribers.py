"""What intake does with a batch: fold the tickets, and make due whatever an endpoint asked for."""

from collections.abc import Callable, Iterable, Sequence
from typing import get_args

from helpdesk.consumer.batch import StreamBatch
from helpdesk.consumer.closed import remember_closed
from helpdesk.consumer.purged import Forgetting
from helpdesk.events.user import UserEvent
from helpdesk.folds.user import evolve_standing
from helpdesk.postgres.pool import Connection
from webhook_dispatcher.domain.catalogue import matches
from webhook_dispatcher.domain.commands import Command, commands_of
from webhook_dispatcher.domain.messages import Message, delivery_id, messages_of, retold
from webhook_dispatcher.store import SCHEMA, intake, people
from webhook_dispatcher.store.intake import Listening, NewDelivery

_USER = get_args(UserEvent)


async def _take_in(connection: Connection, batches: Sequence[StreamBatch]) -> None:
    """Move the snapshots to the end of `batches` and write the deliveries, in the transaction that moves the guard."""
    await remember_closed(connection, batches, SCHEMA)
    await _people(connection, [batch for batch in batches if batch.stream.type == "user"])
    of_tickets = [batch for batch in batches if batch.stream.type == "ticket"]
    if not of_tickets:
        return
    standing = await intake.tickets(connection, [batch.stream for batch in of_tickets if batch.from_version > 0])
    histories = {batch.stream: commands_of(standing.get(batch.stream), batch.events) for batch in of_tickets}
    await intake.write_tickets(connection, {stream: commands[-1].after for stream, commands in histories.items()})
    listening = await intake.listening(connection, (stream.tenant_id for stream in histories))
    deliveries = [
        delivery
        for stream, commands in histories.items()
        if stream.tenant_id in listening
        for command in commands
        for delivery in deliveries_of(command, listening[stream.tenant_id])
    ]
    if deliveries:
        await intake.write_deliveries(connection, deliveries)


async def _people(connection: Connection, batches: Sequence[StreamBatch]) -> None:
    known = await people.people(connection, [batch.stream for batch in batches if batch.from_version > 0])
    standings = {}
    for batch in batches:
        standing = known.get(batch.stream)
        for one in batch.events:
            if isinstance(one.event, _USER):
                standing = evolve_standing(standing, one.event)
        if standing is not None:
            standings[batch.stream] = standing
    await people.write_people(connection, standings)


take_in = Forgetting(_take_in, SCHEMA, intake.forget)


def is_awaited(batch: StreamBatch) -> bool:
    """Whether somebody waits until this is taken in: what changes who may act (ADR 28)."""
    return batch.stream.type in {"user", "tenant"}


async def refold(connection: Connection, history: StreamBatch) -> None:
    """Make anew what was made from a stream that reads differently now (a redaction), from its `history` up to the
    version of its guard: the snapshot, and the bodies of all its deliveries, sent or not. Nothing new becomes due.
    """
    await remember_closed(connection, [history], SCHEMA)
    if history.stream.type != "ticket":
        return
    tenant_id, commands = history.stream.tenant_id, commands_of(None, history.events)
    await intake.write_tickets(connection, {history.stream: commands[-1].after})
    endpoints = await intake.endpoints(connection, tenant_id)
    bodies = {
        delivery_id(endpoint, command, message.type): message.body
        for command in commands
        for message in retold(command)
        for endpoint in endpoints
    }
    await intake.rewrite_deliveries(connection, tenant_id, bodies)


def deliveries_of(
    command: Command, endpoints: Iterable[Listening], told: Callable[[Command], list[Message]] = messages_of
) -> list[NewDelivery]:
    """What becomes due to these endpoints of the command's tenant.

    An endpoint hears of what was recorded after it was made; both moments are the database's.
    """
    messages = told(command)
    return [
        _delivery(command, message, endpoint)
        for endpoint in endpoints
        if endpoint.created_at <= command.first.recorded_at
        for message in messages
        if matches(endpoint.events, message.type)
    ]


def _delivery(command: Command, message: Message, endpoint: Listening) -> NewDelivery:
    return NewDelivery(
        tenant_id=command.tenant_id,
        id=delivery_id(endpoint.id, command, message.type),
        endpoint_id=endpoint.id,
        event_id=command.first.event_id,
        ticket_id=command.ticket_id,
        type=message.type,
        body=message.body,
    )
