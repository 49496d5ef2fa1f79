"""A ticket's stream as it was read: what it came to, and how far it had come."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from command_api.domain.ticket.state import Ticket, fold
from helpdesk.events.ticket import TicketEvent
from helpdesk.recorded import RecordedEvent


@dataclass(frozen=True, slots=True)
class History:
    """The ticket after `version` events, of which `last` is the id of the last; as it stands, that of no stream."""

    ticket: Ticket | None = None
    version: int = 0
    last: UUID | None = None


def history_of(recorded: Sequence[RecordedEvent]) -> History:
    """What a whole stream comes to. Raises RuntimeError for an event that this version does not know: what is not known
    must not be decided upon."""
    return _after(History(), recorded)


def continued(history: History, recorded: Sequence[RecordedEvent]) -> History | None:
    """What a stream comes to that was at `history`, when `recorded` is what it holds from that version on, that version
    included. None when this cannot be told and all of it is to be read: the stream is another one (a restored store, a
    purged tenant), or something among the new redacts, so that an earlier event reads differently now.

    Raises RuntimeError as `history_of` does.
    """
    if not recorded or (recorded[0].version, recorded[0].event_id) != (history.version, history.last):
        return None
    new = recorded[1:]
    if any(one.redacts for one in new):
        return None
    return _after(history, new) if new else history


def _after(history: History, recorded: Sequence[RecordedEvent]) -> History:
    if not recorded:
        return history
    unknown = [one for one in recorded if one.event is None]
    if unknown:
        raise RuntimeError(f"{unknown[0].stream} holds {unknown[0].type}, which this version does not know")
    events = cast("list[TicketEvent]", [one.event for one in recorded])
    return History(fold(events, history.ticket), recorded[-1].version, recorded[-1].event_id)
