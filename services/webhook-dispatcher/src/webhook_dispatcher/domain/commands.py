"""A stream's events, command by command, with the ticket before and after each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args
from uuid import UUID

from helpdesk.events.ticket import TicketEvent
from helpdesk.folds.ticket import Ticket, fold
from helpdesk.recorded import RecordedEvent, whole_commands

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
    for one in whole_commands(events):
        stream = one[0].stream
        after = fold(ticket, [done.event for done in one if isinstance(done.event, _TICKET)], stream)
        found.append(Command(stream.tenant_id, stream.id, ticket, after, one))
        ticket = after
    return found
