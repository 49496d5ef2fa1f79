"""An event as it stands in the store and on the bus: what happened, and where and why it was written down."""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from hashlib import sha1
from typing import Any, Final, NamedTuple, Self
from uuid import UUID

from helpdesk.events import Event
from helpdesk.events.ticket import TicketRedacted
from helpdesk.events.user import UserRedacted
from helpdesk.ids import derived_id, milliseconds_of, of_digest

SHARDS: Final = 1024
"""Streams are spread over this many shards; a shard never changes, so order survives any number of partitions."""


class Stream(NamedTuple):
    """The name of one aggregate's history."""

    tenant_id: UUID
    type: str
    id: UUID

    def __hash__(self) -> int:
        """Of its id alone, which hardly any other stream has: whoever sorts a batch asks many times."""
        return hash(self.id.int)

    @property
    def shard(self) -> int:
        """0 … 1023, the same for ever: it decides the partition."""
        return zlib.crc32(self.tenant_id.bytes + self.id.bytes) % SHARDS

    def __str__(self) -> str:
        return f"{self.type}/{self.id}@{self.tenant_id}"


class Metadata(NamedTuple):
    """Who acted, and what led to what. Ids only: no names, no secrets."""

    actor: UUID | None
    causation_id: UUID | None
    correlation_id: UUID | None
    traceparent: str | None = None

    @classmethod
    def of(cls, stored: Mapping[str, Any], id_of: Callable[[str], UUID] = UUID) -> Self:
        """Metadata from its stored JSON; what is missing is None. Raises ValueError for an id that is none."""
        actor, causation, correlation = map(stored.get, ("actor", "causation_id", "correlation_id"))
        return cls(
            id_of(actor) if actor else None,
            id_of(causation) if causation else None,
            id_of(correlation) if correlation else None,
            stored.get("traceparent"),
        )


class Cursor(NamedTuple):
    """A place in the feed: commit order is the order of (xid, position)."""

    xid: int
    position: int


START: Final = Cursor(0, 0)


class RecordedEvent(NamedTuple):
    """One row of an event table. `event` is None for a type that this version does not know (ignored and counted).

    `ordinal` counts within the command over all its streams from 1; `remaining` is the number of events of this
    command still to follow on this stream, so 0 closes the command there.
    """

    stream: Stream
    version: int
    cursor: Cursor
    event_id: UUID
    command_id: UUID | None
    ordinal: int
    remaining: int
    type: str
    schema_version: int
    event: Event | None
    metadata: Metadata
    recorded_at: datetime

    def effect_id(self, *names: UUID | str) -> UUID:
        """The id of something that this event brings about, the same whenever the same history is read again."""
        return derived_id(self.recorded_at, self.event_id, *names)

    @property
    def has_former_id(self) -> bool:
        """Whether it was stored when derived ids were of version 5: so are its effects, which stand under those ids."""
        return self.event_id.version == 5

    @property
    def redacts(self) -> bool:
        """Whether an earlier event of the stream reads differently now: what was made from it must be made anew."""
        return isinstance(self.event, TicketRedacted | UserRedacted)


def whole_commands(events: Iterable[RecordedEvent]) -> Iterator[list[RecordedEvent]]:
    """One stream's events, command by command; what belongs to a command whose rest has not come is left out."""
    command: list[RecordedEvent] = []
    for one in events:
        command.append(one)
        if one.remaining == 0:
            yield command
            command = []


def event_id_of(command_id: UUID, ordinal: int) -> UUID:
    """The id of a command's nth event: the same whenever the same command is sent again.

    It has the command's time and is of version 7, as the command's id is; of an id that tells no time UUIDv5 is made.
    """
    milliseconds = milliseconds_of(command_id)
    if milliseconds is None:
        return former_event_id_of(command_id, ordinal)
    return of_digest(milliseconds, _digest(command_id, ordinal))


def former_event_id_of(command_id: UUID, ordinal: int) -> UUID:
    """The same as it once was for every command, of version 5: histories of then keep their ids."""
    return UUID(bytes=_digest(command_id, ordinal)[:16], version=5)


def _digest(command_id: UUID, ordinal: int) -> bytes:
    return sha1(command_id.bytes + b"%d" % ordinal, usedforsecurity=False).digest()
