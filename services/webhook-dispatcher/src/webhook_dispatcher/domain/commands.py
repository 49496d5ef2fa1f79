"""A stream's events, command by command, with the ticket before and after each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import get_args
from uuid import UUID

from helpdesk.events.ticket import TicketCreated, TicketEvent
from helpdesk.folds.ticket import Ticket, created, evolve
from helpdesk.recorded import RecordedEvent

_TICKET = get_args(TicketEvent)


@dataclass(frozen=True, slots=True)
class Command:
    """What one command did to one ticket: `events` are all of it, so they are never empty."""

    tenant_id: UUID
    ticket_id: UUID
    before: Ticket | None
    after: Ticket
    events: Sequence[RecordedEvent]

    @property
    def first(self) -> RecordedEvent:
        """The event whose id and moment stand for the command."""
        return self.events[0]

    @property
    def sequence(self) -> int:
        """The ticket's version when the command was done."""
        return self.events[-1].version


def commands_of(ticket: Ticket | None, events: Sequence[RecordedEvent]) -> list[Command]:
    """The commands behind whole commands' `events` of one ticket that stood as `ticket` before them."""
    found = []
    for one in _split(events):
        after = _fold(ticket, one)
        found.append(Command(one[0].stream.tenant_id, one[0].stream.id, ticket, after, one))
        ticket = after
    return found


def _split(events: Iterable[RecordedEvent]) -> Iterable[list[RecordedEvent]]:
    command: list[RecordedEvent] = []
    for one in events:
        command.append(one)
        if one.remaining == 0:
            yield command
            command = []


def _fold(ticket: Ticket | None, events: Iterable[RecordedEvent]) -> Ticket:
    for one in events:
        event = one.event
        if isinstance(event, TicketCreated):
            ticket = created(event)
        elif ticket is None:
            raise ValueError(f"{one.stream} does not begin with its creation but with {one.type}")
        elif isinstance(event, _TICKET):
            ticket = evolve(ticket, event)
    if ticket is None:
        raise ValueError("a command without events did nothing")
    return ticket
