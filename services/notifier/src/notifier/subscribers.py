"""What the intake does with a batch: bring people and tickets up to date, then write what each command tells whom."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args
from uuid import UUID

from helpdesk.consumer.batch import StreamBatch
from helpdesk.consumer.closed import remember_closed
from helpdesk.consumer.purged import Forgetting
from helpdesk.events.ticket import TicketAssigned, TicketEvent
from helpdesk.events.user import UserEvent
from helpdesk.postgres.pool import Connection
from helpdesk.recorded import RecordedEvent, Stream, whole_commands
from notifier.domain.notice import Notice
from notifier.domain.person import Person
from notifier.domain.person import evolve as evolve_person
from notifier.domain.rules import notices_for, retold
from notifier.domain.ticket import Ticket, evolve
from notifier.store import SCHEMA, intake

_TICKET = get_args(TicketEvent)


@dataclass(frozen=True, slots=True)
class _Step:
    """One command on one ticket, and the ticket after it."""

    first: RecordedEvent
    events: Sequence[TicketEvent]
    stream: Stream
    ticket: Ticket


async def _take_in(connection: Connection, batches: Sequence[StreamBatch]) -> None:
    """Everything that `batches` bring, inside the transaction that moves their guard.

    Streams that the notifier does not know change nothing; the guard moves over them all the same.
    """
    await remember_closed(connection, batches, SCHEMA)
    of_people = [batch for batch in batches if batch.stream.type == "user"]
    known_people = await intake.people(connection, [batch.stream for batch in of_people if batch.from_version > 0])
    await intake.write_people(connection, _people(of_people, known_people))
    ticket_batches = [batch for batch in batches if batch.stream.type == "ticket"]
    if not ticket_batches:
        return
    known = await intake.tickets(connection, [batch.stream for batch in ticket_batches if batch.from_version > 0])
    steps = [step for batch in ticket_batches for step in _steps(batch, known.get(batch.stream))]
    await intake.write_tickets(connection, {step.stream: step.ticket for step in steps})
    roles = await intake.roles(connection, {pair for step in steps for pair in _concerned(step)})
    await intake.write_notifications(connection, list(_notifications(steps, roles)))


take_in = Forgetting(_take_in, SCHEMA, intake.forget)


def is_awaited(batch: StreamBatch) -> bool:
    """Whether somebody waits until this is taken in: what changes who may act (ADR 28), and who assigns to themselves
    (contract §2)."""
    if batch.stream.type in {"user", "tenant"}:
        return True
    events = (one.event for one in batch.events)
    return any(isinstance(event, TicketAssigned) and event.assignee_id == event.by for event in events)


async def refold(connection: Connection, history: StreamBatch) -> None:
    """Make the words anew that were made from a stream which reads differently now (a redaction), from its `history` up
    to the version of its guard. Nobody is told anything new.
    """
    tenant_id = history.stream.tenant_id
    await intake.hold_answers(connection, tenant_id)  # first: who is being answered may wait for rows that change here
    await remember_closed(connection, [history], SCHEMA)
    await intake.write_people(connection, _people([history], {}))
    if history.stream.type == "ticket":
        steps = list(_steps(history, None))
        await intake.write_tickets(connection, {step.stream: step.ticket for step in steps})
        await intake.reword_notifications(
            connection,
            [(tenant_id, step.first, notice) for step in steps for notice in retold(step.events, step.ticket)],
        )
    await intake.empty_answers(connection, tenant_id)


def _people(batches: Sequence[StreamBatch], known: Mapping[Stream, Person]) -> dict[Stream, Person]:
    """The people of whom these events tell something, as they stand after them."""
    people = {}
    for batch in batches:
        person = known.get(batch.stream)
        for one in batch.events:
            if isinstance(one.event, UserEvent):
                person = evolve_person(person, one.event)
        if person is not None:
            people[batch.stream] = person
    return people


def _steps(batch: StreamBatch, ticket: Ticket | None) -> Iterator[_Step]:
    for command in whole_commands(batch.events):
        events = [one.event for one in command if isinstance(one.event, _TICKET)]
        for event in events:
            ticket = evolve(ticket, batch.stream.id, event)
        if ticket is not None:
            yield _Step(command[0], events, batch.stream, ticket)


def _concerned(step: _Step) -> Iterator[tuple[UUID, UUID]]:
    for person in (step.ticket.creator_id, step.ticket.assignee_id):
        if person is not None:
            yield step.stream.tenant_id, person


def _notifications(
    steps: Sequence[_Step], roles: Mapping[UUID, Mapping[UUID, str]]
) -> Iterator[tuple[UUID, RecordedEvent, Notice]]:
    for step in steps:
        tenant_id = step.stream.tenant_id
        for notice in notices_for(step.events, step.ticket, roles.get(tenant_id, {})):
            yield tenant_id, step.first, notice
