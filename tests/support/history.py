"""Very many events at once: COPY into the event table by the superuser, by the rules that an append keeps."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson
import psycopg

from helpdesk import wire
from helpdesk.events import Event
from helpdesk.events.ticket import CommentAdded, TicketAssigned, TicketCreated, TicketResolved, TicketStarted
from helpdesk.ids import new_id
from helpdesk.recorded import Stream, event_id_of

AT_ONCE: Final = 1_000
"""Tickets whose events are mixed: neighbours in the feed are of different streams, as on a busy day."""
PER_TICKET: Final = 5
_BEGUN: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
_COPY: Final = """
copy events.event (tenant_id, stream_type, stream_id, version, shard, event_id, command_id, ordinal, remaining, type,
                   schema_version, data, metadata) from stdin (format binary)"""
_TYPES: Final = ["uuid", "text", "uuid", "int4", "int2", "uuid", "uuid", "int4", "int4", "text", "int2", "text", "text"]
# What the triggers of the append would have written, in one statement each.
_NUMBERS: Final = """
insert into events.ticket_number (tenant_id, number, ticket_id)
select tenant_id, (data ->> 'number')::integer, stream_id from events.event
where tenant_id = %s and type = 'ticket.created' on conflict do nothing"""
_PLACES: Final = """
insert into events.comment_place (tenant_id, comment_id, ticket_id)
select tenant_id, (data ->> 'comment_id')::uuid, stream_id from events.event
where tenant_id = %s and type = 'comment.added' on conflict do nothing"""


@dataclass(frozen=True, slots=True)
class _Ticket:
    stream: Stream
    number: int
    by: UUID

    def event(self, version: int) -> Event:
        at = _BEGUN + timedelta(seconds=self.number, milliseconds=version)
        match version:
            case 1:
                return TicketCreated(
                    number=self.number,
                    title=f"The export of last month stops after ten thousand rows ({self.number})",
                    description="It began on Monday; a colleague sees the same.\nThe file ends “in the middle”.",
                    priority="high",
                    metadata={"channel": "web", "n": 1.5},
                    tags=("export", "billing"),
                    by=self.by,
                    at=at,
                )
            case 2:
                return TicketAssigned(assignee_id=self.by, previous=None, by=self.by, at=at)
            case 3:
                return TicketStarted(previous="open", by=self.by, at=at)
            case 4:
                return CommentAdded(new_id(), "We are looking into it.\tSoon: C:\\temp", False, self.by, at)
            case _:
                return TicketResolved(resolution="fixed", previous="in_progress", by=self.by, at=at)


def copied(admin_dsn: str, tenant_id: UUID, events: int, by: UUID | None = None, first_number: int = 1) -> int:
    """Copy `events` (about: whole tickets) of one tenant into the store; return how many. No relay is told."""
    tickets = events // PER_TICKET
    actor = by or new_id()
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")  # no triggers: two statements do their work
        for first in range(0, tickets, AT_ONCE):
            numbers = range(first_number + first, first_number + min(first + AT_ONCE, tickets))
            block = [_Ticket(Stream(tenant_id, "ticket", new_id()), number, actor) for number in numbers]
            with connection.cursor() as cursor, cursor.copy(_COPY) as writer:
                writer.set_types(_TYPES)
                for row in _rows(block):
                    writer.write_row(row)
        connection.execute(_NUMBERS, (tenant_id,))
        connection.execute(_PLACES, (tenant_id,))
        connection.execute("analyze events.event")
    return tickets * PER_TICKET


def _rows(block: list[_Ticket]) -> Iterator[tuple[Any, ...]]:
    for version in range(1, PER_TICKET + 1):
        for ticket in block:
            command = new_id()
            encoded = wire.encode(ticket.event(version))
            metadata = {"actor": ticket.by, "causation_id": None, "correlation_id": command}
            yield (
                ticket.stream.tenant_id, "ticket", ticket.stream.id, version, ticket.stream.shard,
                event_id_of(command, 1), command, 1, 0, encoded.type, encoded.schema_version, encoded.data.decode(),
                orjson.dumps(metadata).decode(),
            )  # fmt: skip
