"""Append and read: the two verbs of the event store."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson
import psycopg
from psycopg import errors
from psycopg.rows import class_row

from helpdesk import wire
from helpdesk.events import Event
from helpdesk.eventstore.rows import COLUMNS, EventRow
from helpdesk.postgres.pool import Connection, Pool
from helpdesk.recorded import Metadata, RecordedEvent, Stream, event_id_of

NOT_FIRST_WRITE: Final = "HD001"
DUPLICATE_COMMAND: Final = "HD002"
WRONG_VERSION: Final = "HD003"


class WrongVersion(Exception):
    """A stream is not at the expected version: somebody was faster, or the expectation was never true."""


class DuplicateCommand(Exception):
    """The command was appended before; its outcome stands in the store."""


class EventTooLarge(Exception):
    """An event's data exceeds 256 KB."""


@dataclass(frozen=True, slots=True)
class StreamAppend:
    """Events for one stream that is at `expected_version` (0: it does not exist yet)."""

    stream: Stream
    expected_version: int
    events: Sequence[Event]


class EventStore:
    """The events of one owner, in its schema. All methods raise `postgres.pool.UNAVAILABLE` when it cannot be asked."""

    def __init__(self, pool: Pool, schema: str) -> None:
        self._pool = pool
        self._append: str = f"select {schema}.append(%s, %s, %s)"
        self._read: str = f"select {COLUMNS} from {schema}.read_stream(%s, %s, %s, %s)"

    async def read_stream(self, stream: Stream, after: int = 0) -> list[RecordedEvent]:
        """The history of `stream` after a version, oldest first; `[]` for one that does not exist."""
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(EventRow))
            await cursor.execute(self._read, (stream.tenant_id, stream.type, stream.id, after))
            return [row.recorded() for row in await cursor.fetchall()]

    async def append(self, command_id: UUID, appends: Sequence[StreamAppend], metadata: Metadata) -> None:
        """Append one command's events, all of one tenant, all or none, in one round trip.

        Raises WrongVersion, DuplicateCommand, EventTooLarge.
        """
        async with self._pool.connection() as connection, translated():
            await connection.execute(self._append, _arguments(command_id, appends, metadata))

    async def append_in(
        self, connection: Connection, command_id: UUID, appends: Sequence[StreamAppend], metadata: Metadata
    ) -> None:
        """`append` inside the caller's transaction, of which it must be the first write; private rows follow it."""
        async with translated():
            await connection.execute(self._append, _arguments(command_id, appends, metadata))


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Turn what the database says of an append into the store's own errors, told apart by constraint name."""
    try:
        yield
    except errors.UniqueViolation as error:
        match error.diag.constraint_name:
            case "event_pkey":
                raise WrongVersion from error
            case "event_command_id_key":
                raise DuplicateCommand from error
            case _:
                raise
    except errors.CheckViolation as error:
        if error.diag.constraint_name == "event_data_check":
            raise EventTooLarge from error
        raise
    except psycopg.Error as error:
        match error.sqlstate:
            case "HD002":
                raise DuplicateCommand from error
            case "HD003":
                raise WrongVersion from error
            case _:
                raise


def _arguments(command_id: UUID, appends: Sequence[StreamAppend], metadata: Metadata) -> tuple[Any, ...]:
    (tenant_id,) = {append.stream.tenant_id for append in appends}
    return (tenant_id, command_id, _streams(command_id, appends, metadata))


def _metadata(metadata: Metadata, event: Event) -> Mapping[str, Any]:
    """What stands beside one event of a command."""
    return {
        "actor": metadata.actor,
        "causation_id": metadata.causation_id,
        "correlation_id": metadata.correlation_id,
        "traceparent": metadata.traceparent,
    }


def _streams(command_id: UUID, appends: Sequence[StreamAppend], metadata: Metadata) -> str:
    """The argument of the SQL function. Streams are sorted, so that two appenders never wait for each other."""
    ordinal = 0
    streams = []
    for append in sorted(appends, key=lambda a: a.stream):
        events = []
        for event in append.events:
            ordinal += 1
            encoded = wire.encode(event)
            events.append(
                {
                    "id": event_id_of(command_id, ordinal),
                    "type": encoded.type,
                    "schema_version": encoded.schema_version,
                    "data": orjson.Fragment(encoded.data),
                    "metadata": _metadata(metadata, event),
                }
            )
        stream = append.stream
        streams.append(
            {
                "type": stream.type,
                "id": stream.id,
                "expected": append.expected_version,
                "shard": stream.shard,
                "events": events,
            }
        )
    return _json(streams)


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
