"""I1: what is acknowledged stands once, in order, whole, and as it was written."""

from collections import deque
from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

import orjson
from psycopg import sql

from helpdesk import digests, wire
from helpdesk.events import Event
from helpdesk.events.personal import personal_fields, personal_fields_of
from helpdesk.recorded import Stream, event_id_of, former_event_id_of
from tickets.verify.report import EXAMPLES, Outcome
from tickets.verify.snapshot import SCHEMAS, Snapshot, named

RESTORED_XID: Final = 2
"""What was restored from a dump has this id: its commands lie among each other there."""
_OPEN_COMMANDS: Final = 100

# One pass along the streams, in the order of the primary key.
_STREAMS: Final = """
select count(*) over (), stream_type, stream_id, tenant_id, version,
       case when version <> coalesce(before, 0) + 1 then 'follows ' || coalesce(before, 0)
            when (before_xid, before_position) >= (xid, position) then 'is before its predecessor in the feed'
            when before_remaining > 0 and (remaining <> before_remaining - 1 or ordinal <> before_ordinal + 1)
                then 'does not go on with the command before it'
            else 'leaves a command without its end' end
from (
    select tenant_id, stream_type, stream_id, version, xid, position, ordinal, remaining,
           lag(version) over w as before, lag(xid) over w as before_xid, lag(position) over w as before_position,
           lag(remaining) over w as before_remaining, lag(ordinal) over w as before_ordinal,
           lead(version) over w as after
    from {table}
    window w as (partition by tenant_id, stream_type, stream_id order by version)
) e
where version <> coalesce(before, 0) + 1
   or (before_xid, before_position) >= (xid, position)
   or (before_remaining > 0 and (remaining <> before_remaining - 1 or ordinal <> before_ordinal + 1))
   or (remaining > 0 and after is null)
limit %s"""

_TWICE: Final = "select event_id, count(*) from {table} group by event_id having count(*) > 1 limit %s"
_COUNT: Final = "select count(*), count(distinct (tenant_id, stream_type, stream_id)) from {table}"
_FEED: Final = """
select tenant_id, stream_type, stream_id, shard, xid::text::bigint, event_id, command_id, ordinal
from {table} order by xid, position"""
_PERSONAL: Final = """
select stream_type, stream_id, version, event_id, type, schema_version, data::text, metadata::text
from {table} where type = any(%s) order by xid, position"""
_REDACTED: Final = """
select (data ->> 'event_id')::uuid, f.name from {table}, json_array_elements_text(data -> 'fields') as f(name)
where type in ('ticket.redacted', 'user.redacted')"""


def check(snapshot: Snapshot) -> Outcome:
    """Along streams, along the feed, and the digests beside personal text."""
    outcome = Outcome("I1", "events stand once, contiguous from 1, in commit order, in their shard, whole, as written")
    for schema in SCHEMAS:
        if not snapshot.exists(f"{schema}.event"):
            continue
        table = named(schema, "event")
        ((events, streams),) = snapshot.rows(sql.SQL(_COUNT).format(table=table))
        outcome.looked_at["events"] += events
        outcome.looked_at["streams"] += streams
        found = snapshot.rows(sql.SQL(_STREAMS).format(table=table), (EXAMPLES,))
        for n, (_, type_, id_, tenant, version, what) in enumerate(found):
            outcome.found(f"{schema}: {type_}/{id_}@{tenant}: version {version} {what}", found[0][0] if n == 0 else 0)
        for event_id, times in snapshot.rows(sql.SQL(_TWICE).format(table=table), (EXAMPLES,)):
            outcome.found(f"{schema}: event {event_id} stands {times} times")
        _along_the_feed(snapshot, schema, table, outcome)
        _texts(snapshot, schema, table, outcome)
    return outcome


def _along_the_feed(snapshot: Snapshot, schema: str, table: sql.Composable, outcome: Outcome) -> None:
    """Shards follow from streams, ids from command and ordinal; a command's events follow each other, for they are one
    insert."""
    last: tuple[UUID, int, UUID, int] | None = None
    restored: dict[tuple[UUID, int], deque[UUID]] = {}
    for tenant, type_, id_, shard, xid, event_id, command_id, ordinal in snapshot.stream(
        sql.SQL(_FEED).format(table=table)
    ):
        if shard != (stream := Stream(tenant, type_, id_)).shard:
            outcome.found(f"{schema}: event {event_id} is in shard {shard}, {stream} in {stream.shard}")
        if (command_id is not None) != (ordinal == 1):
            outcome.found(f"{schema}: event {event_id} is its command's {ordinal}., its command id is {command_id}")
            continue
        command = command_id
        if command is None and last and (last[0], last[1], last[3]) == (tenant, xid, ordinal - 1):
            command = last[2]
        if command is None or not _is_made_of(event_id, command, ordinal):
            command = (
                _among(restored.get((tenant, ordinal - 1), ()), event_id, ordinal) if xid == RESTORED_XID else None
            )
        if command is None:
            outcome.found(f"{schema}: event {event_id} is not made from its command and {ordinal}")
            last = None
            continue
        last = (tenant, xid, command, ordinal)
        if xid == RESTORED_XID:
            restored.setdefault((tenant, ordinal), deque(maxlen=_OPEN_COMMANDS)).append(command)


def _among(commands: Iterable[UUID], event_id: UUID, ordinal: int) -> UUID | None:
    return next((command for command in commands if _is_made_of(event_id, command, ordinal)), None)


def _is_made_of(event_id: UUID, command: UUID, ordinal: int) -> bool:
    return event_id in (event_id_of(command, ordinal), former_event_id_of(command, ordinal))


def _texts(snapshot: Snapshot, schema: str, table: sql.Composable, outcome: Outcome) -> None:
    """Personal text is what was committed to when it was appended, or a redaction has told that it is gone."""
    redacted: dict[UUID, set[str]] = {}
    for event_id, field in snapshot.stream(sql.SQL(_REDACTED).format(table=table)):
        redacted.setdefault(event_id, set()).add(field)
    # Histories may begin with events from before there were digests. Whatever follows the first digest has its own.
    committed = False
    types = sorted({name for (name, _), cls in wire.WIRE.items() if personal_fields_of(cls)})
    for type_, id_, version, event_id, name, schema_version, data, stored in snapshot.stream(
        sql.SQL(_PERSONAL).format(table=table), (types,)
    ):
        place = f"{schema}: {type_}/{id_} version {version}"
        try:
            event = wire.decode(name, schema_version, orjson.loads(data))
        except wire.Undecodable as error:
            outcome.found(f"{place}: {error}")
            continue
        if event is None:
            continue
        metadata = orjson.loads(stored)
        committed = committed or digests.DIGESTS in metadata
        if found := _changed(event, metadata, redacted.get(event_id), committed):
            outcome.found(f"{place}: {found}")


def _changed(event: Event, metadata: dict[str, Any], emptied: set[str] | None, committed: bool) -> str | None:
    """What is wrong with the text of an event; `emptied` are the fields that redactions have named, None: none has."""
    if changed := digests.broken(event, metadata):
        return f"{', '.join(changed)} was changed after it was written"
    holding = [name for name in personal_fields(event) if getattr(event, name)]
    if emptied is not None:
        still = [name for name in holding if name in emptied]
        return f"{', '.join(still)} was redacted and holds something" if still else None
    if digests.SALT in metadata or not (digests.DIGESTS in metadata or (holding and committed)):
        return None
    return "has lost the salt or the digests of its text without a redaction"
