"""The ticket as far as notices ask: what it is called and whom it concerns.

Not the shared fold: that one keeps texts and metadata, which have no use here and would have to be erased here again.
"""

from dataclasses import dataclass, replace
from uuid import UUID

from helpdesk.events.ticket import TicketAssigned, TicketCreated, TicketEvent, TicketRetitled, TicketUnassigned


@dataclass(frozen=True, slots=True)
class Ticket:
    """The notifier's own snapshot of one ticket stream."""

    id: UUID
    number: int
    title: str
    creator_id: UUID
    assignee_id: UUID | None


def evolve(ticket: Ticket | None, id_: UUID, event: TicketEvent) -> Ticket:
    """The snapshot after `event`. Raises ValueError for a history that does not begin with its creation."""
    if isinstance(event, TicketCreated):
        return Ticket(id_, event.number, event.title, creator_id=event.by, assignee_id=None)
    if ticket is None:
        raise ValueError(f"the history of ticket {id_} begins with {type(event).__name__}")
    match event:
        case TicketRetitled():
            return replace(ticket, title=event.title)
        case TicketAssigned():
            return replace(ticket, assignee_id=event.assignee_id)
        case TicketUnassigned():
            return replace(ticket, assignee_id=None)
        case _:
            return ticket
