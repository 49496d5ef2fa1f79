"""A history to catch up with: tickets that live, in the order in which a busy day would have made them."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from helpdesk.events.ticket import CommentAdded, TicketAssigned, TicketCreated, TicketEvent, TicketResolved
from helpdesk.eventstore.store import EventStore, StreamAppend
from helpdesk.ids import new_id
from helpdesk.recorded import Metadata, Stream

OPEN_AT_ONCE: Final = 1000
"""A ticket's events lie this many events apart. A consumer that is behind reads one partition after the other, so its
batches still hold several events of a stream; one that keeps up does not."""
PER_COMMAND: Final = 200
BEGUN: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _lives(number: int, by: UUID) -> tuple[TicketEvent, ...]:
    """One ticket from its creation to its end: five events."""
    at = BEGUN + timedelta(seconds=number)
    return (
        TicketCreated(
            number=number,
            title=f"The export of last month stops after ten thousand rows ({number})",
            description="It began on Monday; a colleague sees the same. The file ends in the middle of a line.",
            priority=random.choice(("low", "medium", "high")),
            metadata={"channel": "web"},
            tags=("export", "billing"),
            by=by,
            at=at,
        ),
        TicketAssigned(assignee_id=by, previous=None, by=by, at=at),
        CommentAdded(comment_id=new_id(), content="We are looking into it.", is_internal=False, by=by, at=at),
        CommentAdded(comment_id=new_id(), content="It is the nightly job.", is_internal=True, by=by, at=at),
        TicketResolved(previous="open", resolution="fixed", by=by, at=at),
    )


EVENTS: Final = len(_lives(0, UUID(int=0)))


async def lived(store: EventStore, tenant: UUID, count: int) -> int:
    """Append about `count` events of one tenant; return how many. Raises what the store raises."""
    written = 0
    by = uuid4()
    for first in range(0, count // EVENTS, OPEN_AT_ONCE):
        size = min(OPEN_AT_ONCE, count // EVENTS - first)
        tickets = [(Stream(tenant, "ticket", new_id()), _lives(first + place + 1, by)) for place in range(size)]
        for version in range(EVENTS):
            for block in _blocks([StreamAppend(stream, version, [life[version]]) for stream, life in tickets]):
                command = uuid4()
                await store.append(command, block, Metadata(by, command, None))
                written += len(block)
    return written


def _blocks(appends: Sequence[StreamAppend]) -> Iterator[Sequence[StreamAppend]]:
    for first in range(0, len(appends), PER_COMMAND):
        yield appends[first : first + PER_COMMAND]
