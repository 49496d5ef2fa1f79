"""Read model `tickets`: one row, the fold of one ticket's stream."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Final

from helpdesk.events.ticket import TicketEvent
from helpdesk.folds import ticket as fold
from helpdesk.recorded import Stream


@dataclass(frozen=True, slots=True)
class TicketRow(fold.Ticket):
    """The ticket at `version` of its stream."""

    version: int = 0


_VALUES: Final[Callable[[fold.Ticket], tuple[Any, ...]]] = attrgetter(*(one.name for one in fields(fold.Ticket)))


def after(row: TicketRow | None, events: Iterable[TicketEvent], version: int, stream: Stream) -> TicketRow:
    """The row after `events`, the last of which made `version`. Raises ValueError for a history without beginning."""
    state = fold.fold(row, events, stream)
    return TicketRow(*(*_VALUES(state), version))
