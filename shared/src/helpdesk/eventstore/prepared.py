"""A command's events as the append takes them: encoded once, before anybody waits for a connection."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson

from helpdesk import digests, wire
from helpdesk.events import Event
from helpdesk.eventstore.idempotency import Key, Keyed
from helpdesk.recorded import Metadata, Stream, event_id_of

LARGEST_EVENT: Final = 262_144


class EventTooLarge(Exception):
    """An event's data exceeds 256 KB."""


@dataclass(frozen=True, slots=True)
class StreamAppend:
    """Events for one stream that is at `expected_version` (0: it does not exist yet)."""

    stream: Stream
    expected_version: int
    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class Prepared:
    """One command, ready to be sent. `claims` are what no two commands of a batch may share."""

    id: UUID
    tenant_id: UUID
    appends: Sequence[StreamAppend]
    claims: frozenset[Stream | UUID | Key]
    rows: Sequence[tuple[bytes, bytes]]
    keyed: Keyed | None

    @property
    def plain(self) -> bool:
        """Whether its events say all that is expected: no answer is kept, no stream only has to be where it is."""
        return self.keyed is None and all(append.events for append in self.appends)


def prepare(
    command_id: UUID, tenant_id: UUID, appends: Sequence[StreamAppend], metadata: Metadata, keyed: Keyed | None = None
) -> Prepared:
    """`appends` of one command within one tenant. Raises EventTooLarge; ValueError when they span tenants."""
    if any(append.stream.tenant_id != tenant_id for append in appends):
        raise ValueError("a command never spans tenants")
    appends = sorted(appends, key=_place) if len(appends) > 1 else appends
    claims: set[Stream | UUID | Key] = {command_id, *[append.stream for append in appends]}
    if keyed:
        claims.add(keyed.key)
    rows = _rows(command_id, appends, metadata)
    return Prepared(command_id, tenant_id, appends, frozenset(claims), rows, keyed)


def tenants(commands: Sequence[Prepared]) -> str:
    """Whose a batch is, as a PostgreSQL array."""
    return f"{{{','.join(map(str, {command.tenant_id for command in commands}))}}}"


def events(commands: Sequence[Prepared]) -> tuple[str, int]:
    """The events of a batch as a JSON array, and how many they are, in the order of their streams, so that no two
    appenders ever wait for each other."""
    rows = [row for command in commands for row in command.rows]
    if len(commands) > 1:
        rows.sort()
    return f"[{b','.join([row for _, row in rows]).decode()}]", len(rows)


def checks(commands: Sequence[Prepared]) -> str:
    """What `append` looks at before it inserts, as a JSON array: a command's streams, its answer if it has one."""
    return orjson.dumps([_check(command) for command in commands]).decode()


def _check(command: Prepared) -> dict[str, Any]:
    check: dict[str, Any] = {
        "tenant": command.tenant_id,
        "id": command.id,
        "streams": [
            {"type": one.stream.type, "id": one.stream.id, "expected": one.expected_version} for one in command.appends
        ],
    }
    if command.keyed:
        check["answer"] = _answer(command.keyed)
    return check


def _rows(command_id: UUID, appends: Sequence[StreamAppend], metadata: Metadata) -> list[tuple[bytes, bytes]]:
    """Each event with the place by which a batch sorts it."""
    ordinal, rows = 0, []
    for append in appends:
        stream, version, remaining = append.stream, append.expected_version, len(append.events)
        place, shard = _place(append), stream.shard
        for event in append.events:
            ordinal, version, remaining = ordinal + 1, version + 1, remaining - 1
            encoded = wire.encode(event)
            if len(encoded.data) > LARGEST_EVENT:
                raise EventTooLarge
            row = {
                "after": append.expected_version if version == append.expected_version + 1 else None,
                "tenant": stream.tenant_id,
                "command": command_id,
                "ordinal": ordinal,
                "stream_type": stream.type,
                "stream_id": stream.id,
                "version": version,
                "shard": shard,
                "event_id": event_id_of(command_id, ordinal),
                "remaining": remaining,
                "type": encoded.type,
                "schema_version": encoded.schema_version,
                "data": orjson.Fragment(encoded.data),
                "metadata": _metadata(metadata, event),
            }
            rows.append((place + version.to_bytes(4), orjson.dumps(row)))
    return rows


def _place(append: StreamAppend) -> bytes:
    stream = append.stream
    return stream.tenant_id.bytes + stream.type.encode() + b"\0" + stream.id.bytes


def _metadata(metadata: Metadata, event: Event) -> Mapping[str, Any]:
    """What stands beside one event of a command."""
    return {
        "actor": metadata.actor,
        "causation_id": metadata.causation_id,
        "correlation_id": metadata.correlation_id,
        "traceparent": metadata.traceparent,
        **digests.commitments(event),
    }


def _answer(keyed: Keyed) -> Mapping[str, Any]:
    key, answer = keyed.key, keyed.answer
    return {
        "principal": key.principal,
        "method": key.method,
        "path": key.path,
        "key": key.key,
        "fingerprint": key.fingerprint.hex(),
        "redactions": key.redactions,
        "status": answer.status,
        "body": None if answer.body is None else answer.body.hex(),
        "etag": answer.etag,
        "token": answer.token,
        "location": answer.location,
        "seconds": keyed.kept_s,
    }
