"""A record on the bus: one event as one JSON object, whose `data` is the stored bytes, never decoded on the way.

key = "tenant/stream id"; partition = shard mod partitions, so a stream's events stay in order in one partition.
docs/integrators/asyncapi.yaml describes it for readers outside.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from pydantic import TypeAdapter

from helpdesk import wire
from helpdesk.recorded import Cursor, Metadata, RecordedEvent, Stream


class Malformed(Exception):
    """A record that is no envelope of ours."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An event that this version cannot decode, though its envelope says where it belongs.

    `reason` says what is wrong and where, never what stands there.
    """

    stream: Stream
    version: int
    cursor: Cursor
    event_id: UUID
    remaining: int
    recorded_at: datetime
    reason: str


_uuid: Final[Callable[[str], UUID]] = TypeAdapter(UUID).validator.validate_python
"""Five times as quick as the class itself. Raises ValueError."""
_often: Final = lru_cache(maxsize=4096)(_uuid)
"""For ids that most records share: tenant, actor, store."""

INT: Final = 2**31 - 1
BIGINT: Final = 2**63 - 1
"""What consumers' tables take. A record beyond is no envelope: refused by the database it would stop its consumer."""


@lru_cache(maxsize=8192)
def _stream(tenant_id: str, type_: str, id_: str) -> Stream:
    """One object for all events of a stream: they come close to each other."""
    return Stream(_often(tenant_id), _word(type_), _uuid(id_))


def key_of(stream: Stream) -> bytes:
    """The Kafka key of a stream's records."""
    return f"{stream.tenant_id}/{stream.id}".encode()


class Stored(NamedTuple):
    """A row of an event table as text: what it holds is already JSON, so a record is put together and not encoded.

    `type` and `stream_type` are names of ours, which need no escaping.
    """

    store_epoch: str
    xid: str
    position: int
    shard: int
    tenant_id: str
    stream_type: str
    stream_id: str
    version: int
    event_id: str
    command_id: str | None
    ordinal: int
    remaining: int
    type: str
    schema_version: int
    data: str
    metadata: str
    recorded_at: str

    def cursor(self) -> Cursor:
        """Its place in the feed."""
        return Cursor(int(self.xid), self.position)

    def key(self) -> bytes:
        """`key_of` its stream."""
        return f"{self.tenant_id}/{self.stream_id}".encode()

    def value(self) -> bytes:
        """The record."""
        command_id = f'"{self.command_id}"' if self.command_id else "null"
        return (
            f'{{"event_id":"{self.event_id}","type":"{self.type}","schema_version":{self.schema_version},'
            f'"tenant_id":"{self.tenant_id}","stream_type":"{self.stream_type}","stream_id":"{self.stream_id}",'
            f'"version":{self.version},"xid":"{self.xid}","position":{self.position},'
            f'"store_epoch":"{self.store_epoch}","command_id":{command_id},"ordinal":{self.ordinal},'
            f'"remaining":{self.remaining},"recorded_at":"{self.recorded_at}",'
            f'"metadata":{self.metadata},"data":{self.data}}}'
        ).encode()


def decode(value: bytes | None) -> tuple[RecordedEvent, UUID]:
    """The event that a record holds, and the epoch of the store that it comes from.

    Raises Malformed for what is no envelope, wire.Undecodable for an event that this version cannot read.
    """
    recorded, store_epoch = read(value)
    if isinstance(recorded, Unreadable):
        raise wire.Undecodable(recorded.reason)
    return recorded, store_epoch


def read(value: bytes | None) -> tuple[RecordedEvent | Unreadable, UUID]:
    """`decode` for whoever goes on when an event cannot be read. Raises Malformed."""
    fields = _fields(value)
    try:
        stream = _stream(fields["tenant_id"], fields["stream_type"], fields["stream_id"])
        version, remaining = int(fields["version"]), int(fields["remaining"])
        cursor = Cursor(int(fields["xid"]), int(fields["position"]))
        if not (0 < version <= INT and 0 <= remaining <= INT and 0 <= cursor.xid <= BIGINT >= cursor.position >= 0):
            raise ValueError("a number that is none of ours")
        event_id, store_epoch = _uuid(fields["event_id"]), _often(fields["store_epoch"])
        type_, schema_version = fields["type"], int(fields["schema_version"])
        recorded_at = datetime.fromisoformat(fields["recorded_at"])
        if recorded_at.tzinfo is None:
            raise ValueError("a moment without a time zone")
        metadata = Metadata.of(fields["metadata"], _often)
        command_id, data = fields["command_id"], fields["data"]
        try:
            event = wire.decode(type_, schema_version, data)
        except wire.Undecodable as error:
            return Unreadable(stream, version, cursor, event_id, remaining, recorded_at, str(error)), store_epoch
        return RecordedEvent(
            stream=stream,
            version=version,
            cursor=cursor,
            event_id=event_id,
            command_id=_often(command_id) if command_id else None,
            ordinal=int(fields["ordinal"]),
            remaining=remaining,
            type=type_,
            schema_version=schema_version,
            event=event,
            metadata=metadata,
            recorded_at=recorded_at,
        ), store_epoch
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Malformed(f"the record lacks or garbles {error}") from error


def _word(value: Any) -> str:
    if not (isinstance(value, str) and value.isidentifier()):
        raise ValueError("a word that is none of ours")
    return value


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
