"""A row of an event table as the database gives it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from helpdesk import wire
from helpdesk.recorded import Cursor, Metadata, RecordedEvent, Stream

COLUMNS: Final = (
    "tenant_id, stream_type, stream_id, version, position, xid::text::bigint as xid, shard, event_id, command_id, "
    "ordinal, remaining, type, schema_version, data, metadata, recorded_at"
)


@dataclass(frozen=True, slots=True)
class EventRow:
    """`data` and `metadata` as decoded JSON objects."""

    tenant_id: UUID
    stream_type: str
    stream_id: UUID
    version: int
    position: int
    xid: int
    shard: int
    event_id: UUID
    command_id: UUID | None
    ordinal: int
    remaining: int
    type: str
    schema_version: int
    data: dict[str, Any]
    metadata: dict[str, Any]
    recorded_at: datetime

    def recorded(self) -> RecordedEvent:
        """The event decoded. Raises wire.Undecodable."""
        return RecordedEvent(
            stream=Stream(self.tenant_id, self.stream_type, self.stream_id),
            version=self.version,
            cursor=Cursor(self.xid, self.position),
            event_id=self.event_id,
            command_id=self.command_id,
            ordinal=self.ordinal,
            remaining=self.remaining,
            type=self.type,
            schema_version=self.schema_version,
            event=wire.decode(self.type, self.schema_version, self.data),
            metadata=Metadata.of(self.metadata),
            recorded_at=self.recorded_at,
        )
