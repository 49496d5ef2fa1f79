"""A record on the bus: one event as one JSON object, whose `data` is the stored bytes, never decoded on the way.

key = "tenant/stream id"; partition = shard mod partitions, so a stream's events stay in order in one partition.
docs/integrators/asyncapi.yaml describes it for readers outside.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from helpdesk import wire
from helpdesk.recorded import Cursor, Metadata, RecordedEvent, Stream


class Malformed(Exception):
    """A record that is no envelope of ours."""


def key_of(stream: Stream) -> bytes:
    """The Kafka key of a stream's records."""
    return f"{stream.tenant_id}/{stream.id}".encode()


def decode(value: bytes | None) -> tuple[RecordedEvent, UUID]:
    """The event that a record holds, and the epoch of the store that it comes from.

    Raises Malformed for what is no envelope, wire.Undecodable for an event that this version cannot read.
    """
    fields = _fields(value)
    try:
        stream = Stream(UUID(fields["tenant_id"]), fields["stream_type"], UUID(fields["stream_id"]))
        return RecordedEvent(
            stream=stream,
            version=int(fields["version"]),
            cursor=Cursor(int(fields["xid"]), int(fields["position"])),
            event_id=UUID(fields["event_id"]),
            command_id=UUID(fields["command_id"]) if fields["command_id"] else None,
            ordinal=int(fields["ordinal"]),
            remaining=int(fields["remaining"]),
            type=fields["type"],
            schema_version=int(fields["schema_version"]),
            event=wire.decode(fields["type"], int(fields["schema_version"]), fields["data"]),
            metadata=Metadata.of(fields["metadata"]),
            recorded_at=datetime.fromisoformat(fields["recorded_at"]),
        ), UUID(fields["store_epoch"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Malformed(f"the record lacks or garbles {error}") from error


def _fields(value: bytes | None) -> dict[str, Any]:
    if value is None:
        raise Malformed("the record is empty")
    try:
        fields = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise Malformed("the record is not JSON") from error
    if not isinstance(fields, dict):
        raise Malformed("the record is not a JSON object")
    return fields
