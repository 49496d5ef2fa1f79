"""Records as a consumer receives them: whole commands, laid out as the relay would."""

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from helpdesk.consumer.batch import Received
from helpdesk.events.operations import SystemProbed
from helpdesk.recorded import Cursor, Metadata, RecordedEvent, Stream, event_id_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TENANT = UUID(int=7)
EPOCH = UUID(int=8)


def stream(number: int) -> Stream:
    return Stream(TENANT, "system", UUID(int=1000 + number))


def recorded(of: Stream, version: int, remaining: int = 0, position: int = 1, command: int = 1) -> RecordedEvent:
    command_id = UUID(int=command)
    return RecordedEvent(
        stream=of,
        version=version,
        cursor=Cursor(1, position),
        event_id=event_id_of(command_id, version),
        command_id=command_id,
        ordinal=version,
        remaining=remaining,
        type="system.probed",
        schema_version=1,
        event=SystemProbed(at=NOON),
        metadata=Metadata(None, None, None),
        recorded_at=NOON,
    )


def received(of: Stream, version: int, remaining: int = 0, offset: int = 0, partition: int = 0) -> Received:
    return Received(partition, offset, recorded(of, version, remaining, offset + 1), EPOCH)


def log(commands: Iterable[tuple[int, int]]) -> list[RecordedEvent]:
    """One partition's history: each command is (number of the stream, count of its events)."""
    versions: dict[int, int] = {}
    events: list[RecordedEvent] = []
    for n, (number, count) in enumerate(commands):
        for left in reversed(range(count)):
            versions[number] = versions.get(number, 0) + 1
            events.append(recorded(stream(number), versions[number], left, len(events) + 1, n + 1))
    return events
