"""The SQL of a rebuild: what it has done so far, which streams are where, and the rows in bulk."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final, TypeAlias
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from helpdesk.postgres.pool import ENCODING, SESSION
from helpdesk.recorded import Stream
from projector.rebuild.fold import Guard, History, Row, Stored, View, history

OPEN: Final = """
select id, views, whole, step, started_at, folded_at, indexed_at, rolled_back
from views.rebuild where step not in ('done', 'discarded')"""

LAST: Final = """
select id, views, whole, step, started_at, folded_at, indexed_at, rolled_back
from views.rebuild order by id desc limit 1"""

BEGIN: Final = "insert into views.rebuild (views, whole) values (%s, %s) returning id"

STEP: Final = """
update views.rebuild set step = %(step)s,
    rolled_back = rolled_back <> (step = 'switched' and %(step)s = 'switched'),
    folded_at = case when %(step)s = 'index' then clock_timestamp() else folded_at end,
    indexed_at = case when %(step)s = 'compare' then clock_timestamp() else indexed_at end,
    ended_at = case when %(step)s in ('switched', 'done', 'discarded') then clock_timestamp() else ended_at end
where id = %(id)s"""

# Ranges of about as many events each; the last key of one is the first of the next, so that no stream falls between.
PLAN: Final = """
insert into views.rebuild_chunk (rebuild_id, number, from_tenant, from_type, from_stream, streams, events)
select %(id)s, number, tenant_id, stream_type, stream_id, streams, events
from (
    select number, tenant_id, stream_type, stream_id, count(*) over w as streams, sum(version) over w as events,
           row_number() over (w order by tenant_id, stream_type, stream_id) as place
    from (
        select tenant_id, stream_type, stream_id, version,
               (sum(version) over (order by tenant_id, stream_type, stream_id) - version) / %(size)s as number
        from views.stream_guard where stream_type = any(%(types)s)
    ) g
    window w as (partition by number)
) c where place = 1"""

# Whoever dies gives the chunk back with the transaction.
CLAIM: Final = """
select number, from_tenant, from_type, from_stream from views.rebuild_chunk
where rebuild_id = %s and done_at is null order by number for update skip locked limit 1"""

NEXT_KEY: Final = """
select from_tenant, from_type, from_stream from views.rebuild_chunk
where rebuild_id = %s and number > %s order by number limit 1"""

CHUNK_DONE: Final = """
update views.rebuild_chunk set done_at = clock_timestamp(), streams = %(streams)s, events = %(events)s
where rebuild_id = %(id)s and number = %(number)s"""

PROGRESS: Final = """
select count(*) as chunks, count(done_at) as chunks_done,
       coalesce(sum(streams), 0)::bigint as streams, coalesce(sum(events), 0)::bigint as events,
       coalesce(sum(events) filter (where done_at is not null), 0)::bigint as events_done
from views.rebuild_chunk where rebuild_id = %s"""

_RANGE: Final = """
(tenant_id, stream_type, stream_id) >= (%(tenant)s, %(type)s, %(stream)s)
  and (tenant_id, stream_type, stream_id) < (%(to_tenant)s, %(to_type)s, %(to_stream)s)
  and stream_type = any(%(types)s)"""

GUARDS_OF_RANGE: Final = f"""
select tenant_id, stream_type, stream_id, version, event_id from views.stream_guard where {_RANGE}"""

EVENTS_OF_RANGE: Final = f"""
select tenant_id, stream_type, stream_id, version, event_id, type, schema_version, data::text
from events.history where {_RANGE} order by tenant_id, stream_type, stream_id, version"""

EVENTS_OF_STREAMS: Final = """
select h.tenant_id, h.stream_type, h.stream_id, h.version, h.event_id, h.type, h.schema_version, h.data::text
from unnest(%s::uuid[], %s::text[], %s::uuid[]) as w(tenant_id, stream_type, stream_id)
join events.history h using (tenant_id, stream_type, stream_id)
order by h.tenant_id, h.stream_type, h.stream_id, h.version"""

# Streams that stand elsewhere than in the live views; null: not there. `types` null: all.
DIFFERING: Final = """
select tenant_id, stream_type, stream_id, l.version, l.event_id
from views.stream_guard l full join {guard} n using (tenant_id, stream_type, stream_id)
where l.version is distinct from n.version and (%(types)s::text[] is null or stream_type = any(%(types)s))
order by tenant_id, stream_type, stream_id limit %(limit)s"""

FORGET: Final = """
delete from {table} t using unnest(%(tenants)s::uuid[], %(ids)s::uuid[]) as w(tenant_id, id)
where t.tenant_id = w.tenant_id and t.{key} = w.id"""

FORGET_GUARDS: Final = """
delete from {guard} g
using unnest(%(tenants)s::uuid[], %(types)s::text[], %(ids)s::uuid[]) as w(tenant_id, stream_type, stream_id)
where (g.tenant_id, g.stream_type, g.stream_id) = (w.tenant_id, w.stream_type, w.stream_id)"""

PURGED: Final = """
select stream_id from events.history
where tenant_id = %s and stream_type = 'platform' and type = 'tenant.purged'"""

FORGET_TENANTS: Final = "delete from {table} where tenant_id = any(%s)"

GUARD_COLUMNS: Final = ("tenant_id", "stream_type", "stream_id", "version", "event_id")
Key: TypeAlias = tuple[UUID, str, UUID]
PLATFORM: Final = UUID(int=0)
LOWEST: Final[Key] = (UUID(int=0), "", UUID(int=0))
HIGHEST: Final[Key] = (UUID(int=2**128 - 1), "", UUID(int=0))


@dataclass(frozen=True, slots=True)
class Rebuild:
    """One rebuild as it stands in its table."""

    id: int
    views: list[str]
    whole: bool
    step: str
    started_at: datetime
    folded_at: datetime | None
    indexed_at: datetime | None
    rolled_back: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of the folding is done."""

    chunks: int
    chunks_done: int
    streams: int
    events: int
    events_done: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """Streams from a key to (excluding) another."""

    number: int
    begin: Key
    end: Key


def connect(dsn: str, name: str) -> psycopg.Connection:
    """An autocommit connection for long work: no time-outs, and no wait for the disk at each chunk's commit."""
    options = f"{SESSION} -c statement_timeout=0 -c synchronous_commit=off -c maintenance_work_mem=256MB"
    return psycopg.connect(dsn, autocommit=True, options=options, application_name=name, client_encoding=ENCODING)


def lock(connection: psycopg.Connection) -> bool:
    """Whether this connection is the only one that rebuilds, for as long as it lasts."""
    row = connection.execute("select pg_try_advisory_lock(hashtext('views.rebuild'))").fetchone()
    return bool(row and row[0])


def opened(connection: psycopg.Connection) -> Rebuild | None:
    """The rebuild that is under way, or whose former tables still stand."""
    return connection.cursor(row_factory=class_row(Rebuild)).execute(OPEN).fetchone()


def last(connection: psycopg.Connection) -> Rebuild | None:
    """The newest rebuild, whatever became of it."""
    return connection.cursor(row_factory=class_row(Rebuild)).execute(LAST).fetchone()


def begin(connection: psycopg.Connection, views: Sequence[View], whole: bool, chunk_events: int) -> int:
    """Write the rebuild and its chunks down; the caller's transaction makes the tables too."""
    row = connection.execute(BEGIN, ([view.name for view in views], whole)).fetchone()
    if row is None:
        raise RuntimeError("an insert that returns nothing")
    types = sorted({view.stream_type for view in views})
    connection.execute(PLAN, {"id": row[0], "size": chunk_events, "types": types})
    return int(row[0])


def step(connection: psycopg.Connection, id_: int, name: str) -> None:
    """The rebuild has come to this step; to `switched` again when it is rolled back, or forward."""
    connection.execute(STEP, {"id": id_, "step": name})


def progress(connection: psycopg.Connection, id_: int) -> Progress:
    """How much of the folding is done."""
    found = connection.cursor(row_factory=class_row(Progress)).execute(PROGRESS, (id_,)).fetchone()
    if found is None:
        raise RuntimeError("a count that returns nothing")
    return found


def claim(connection: psycopg.Connection, id_: int) -> Chunk | None:
    """A chunk that nobody works on, for as long as the transaction; None when there is none."""
    row = connection.execute(CLAIM, (id_,)).fetchone()
    if row is None:
        return None
    number, *first = row
    end = connection.execute(NEXT_KEY, (id_, number)).fetchone()
    # What is new in the live views since the plan may stand before its first key: the first chunk begins at the start.
    return Chunk(
        number, (first[0], first[1], first[2]) if number else LOWEST, (end[0], end[1], end[2]) if end else HIGHEST
    )


def chunk_done(connection: psycopg.Connection, id_: int, number: int, histories: Sequence[History]) -> None:
    """The chunk's rows stand in the next tables, as soon as this transaction commits."""
    events = sum(one.version for one in histories)
    connection.execute(CHUNK_DONE, {"id": id_, "number": number, "streams": len(histories), "events": events})


def guards_of(connection: psycopg.Connection, chunk: Chunk, types: Sequence[str]) -> dict[Stream, Guard]:
    """Where the live views are with the streams of a chunk."""
    rows = connection.cursor(binary=True).execute(GUARDS_OF_RANGE, _range(chunk, types)).fetchall()
    return {Stream(*key): Guard(version, event_id) for *key, version, event_id in rows}


def histories_of_chunk(
    events: psycopg.Connection, chunk: Chunk, types: Sequence[str], guards: Mapping[Stream, Guard]
) -> list[History]:
    """The histories of a chunk's streams, each exactly to its guard. Raises Broken."""
    rows = events.cursor(binary=True).execute(EVENTS_OF_RANGE, _range(chunk, types)).fetchall()
    return list(_histories(rows, guards, purged(events)))


def histories_of(events: psycopg.Connection, guards: Mapping[Stream, Guard]) -> list[History]:
    """The histories of these streams, each exactly to its guard. Raises Broken."""
    streams = list(guards)
    arguments = ([s.tenant_id for s in streams], [s.type for s in streams], [s.id for s in streams])
    rows = events.cursor(binary=True).execute(EVENTS_OF_STREAMS, arguments).fetchall()
    return list(_histories(rows, guards, purged(events)))


def _histories(rows: Iterable[Row], guards: Mapping[Stream, Guard], without: Collection[UUID]) -> Iterator[History]:
    missing = {stream: guard for stream, guard in guards.items() if stream.tenant_id not in without}
    for stream, guard in guards.items():
        if stream.tenant_id in without:
            yield History(stream, guard, None)
    for key, stored in groupby(rows, lambda row: (row[0], row[1], row[2])):
        stream = Stream(*key)
        if stream in missing:
            yield history(stream, missing.pop(stream), (Stored(*row[3:]) for row in stored))
    for stream, guard in missing.items():
        yield history(stream, guard, ())


def differing(
    connection: psycopg.Connection, guard: sql.Composable, types: Sequence[str] | None, limit: int
) -> dict[Stream, Guard | None]:
    """Streams that the tables beside have at another version than the live ones, with the live guard."""
    query = sql.SQL(DIFFERING).format(guard=guard)
    rows = connection.execute(query, {"types": list(types) if types else None, "limit": limit}).fetchall()
    return {Stream(*key): None if version is None else Guard(version, event_id) for *key, version, event_id in rows}


def purged(events: psycopg.Connection) -> set[UUID]:
    """The tenants that were purged: nothing of theirs can be folded, and nothing of it is to be seen."""
    return {tenant for (tenant,) in events.execute(PURGED, (PLATFORM,)).fetchall()}


def forget_tenants(connection: psycopg.Connection, table: sql.Composable, tenants: Sequence[UUID]) -> None:
    """Remove the rows of these tenants."""
    connection.execute(sql.SQL(FORGET_TENANTS).format(table=table), (list(tenants),))


def forget(connection: psycopg.Connection, table: sql.Composable, key: str, streams: Sequence[Stream]) -> None:
    """Remove the rows of these streams."""
    query = sql.SQL(FORGET).format(table=table, key=sql.Identifier(key))
    connection.execute(query, {"tenants": [s.tenant_id for s in streams], "ids": [s.id for s in streams]})


def forget_guards(connection: psycopg.Connection, guard: sql.Composable, streams: Sequence[Stream]) -> None:
    """Remove the guards of these streams."""
    connection.execute(
        sql.SQL(FORGET_GUARDS).format(guard=guard),
        {
            "tenants": [s.tenant_id for s in streams],
            "types": [s.type for s in streams],
            "ids": [s.id for s in streams],
        },
    )


def copy(
    connection: psycopg.Connection,
    table: sql.Composable,
    columns: Sequence[str],
    types: Mapping[str, str],
    rows: Iterable[Row],
) -> None:
    """Write rows in bulk. `types` are the table's; `json` goes as its text, which is the same in binary."""
    statement = sql.SQL("copy {} ({}) from stdin (format binary)").format(
        table, sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as writer:
        writer.set_types(["text" if types[name] == "json" else types[name] for name in columns])
        write = writer.write_row
        for row in rows:
            write(row)


def _range(chunk: Chunk, types: Sequence[str]) -> dict[str, Any]:
    names = ("tenant", "type", "stream", "to_tenant", "to_type", "to_stream")
    return {**dict(zip(names, (*chunk.begin, *chunk.end), strict=True)), "types": list(types)}
