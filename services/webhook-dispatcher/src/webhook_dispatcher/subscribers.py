"""What intake does with a batch: fold the tickets, and make due whatever an endpoint asked for."""

from collections.abc import Iterable, Sequence

from helpdesk.consumer.batch import StreamBatch
from helpdesk.postgres.pool import Connection
from webhook_dispatcher.domain.catalogue import matches
from webhook_dispatcher.domain.commands import Command, commands_of
from webhook_dispatcher.domain.messages import Message, delivery_id, messages_of
from webhook_dispatcher.store import intake
from webhook_dispatcher.store.intake import Listening, NewDelivery


async def take_in(connection: Connection, batches: Sequence[StreamBatch]) -> None:
    """Move the snapshots to the end of `batches` and write the deliveries, in the transaction that moves the guard."""
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


def deliveries_of(command: Command, endpoints: Iterable[Listening]) -> list[NewDelivery]:
    """What becomes due to these endpoints of the command's tenant.

    An endpoint hears of what was recorded after it was made; both moments are the database's.
    """
    messages = messages_of(command)
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
