"""Read model `tickets`: one row, the fold of one ticket's stream."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

from helpdesk.events.ticket import TicketCreated, TicketEvent
from helpdesk.folds import ticket as fold
from helpdesk.recorded import Stream


@dataclass(frozen=True, slots=True)
class TicketRow(fold.Ticket):
    """The ticket at `version` of its stream."""

    version: int = 0


def after(row: TicketRow | None, events: Iterable[TicketEvent], version: int, stream: Stream) -> TicketRow:
    """The row after `events`, the last of which made `version`. Raises ValueError for a history without beginning."""
    state: fold.Ticket | None = row
    for event in events:
        if isinstance(event, TicketCreated):
            state = fold.created(event)
        elif state is None:
            raise ValueError(f"{stream} does not begin with its creation")
        else:
            state = fold.evolve(state, event)
    if state is None:
        raise ValueError(f"{stream} has no event that makes a ticket")
    return TicketRow(**{one.name: getattr(state, one.name) for one in fields(fold.Ticket)}, version=version)
