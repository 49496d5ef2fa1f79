"""Whether two tables say the same: checksums first, and only where they differ the rows by their keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

import psycopg
from psycopg import sql

from helpdesk.recorded import Stream
from projector.rebuild.fold import View
from projector.rebuild.tables import named

EXAMPLES: Final = 5

_OF_STREAMS: Final = """
(select from unnest(%(tenants)s::uuid[], %(ids)s::uuid[]) as w(tenant_id, id)
 where w.tenant_id = t.tenant_id and w.id = t.{key})"""

_SUM: Final = """
select count(*), coalesce(sum(hashtextextended(t::text, 0)), 0) from {table} t where {mode} {streams}"""

_DIFFERENCES: Final = """
select count(*) over (), concat_ws('/', {keys}),
       case when l.whole is null then 'missing' when n.whole is null then 'without events' else 'different' end
from (select t.*, t::text as whole from {live} t where {mode} {streams}) l
full join (select t.*, t::text as whole from {beside} t where {mode} {streams}) n using ({keys})
where l.whole is distinct from n.whole
limit %(limit)s"""

_KEYS: Final = """
select a.attname from pg_index x join pg_attribute a on a.attrelid = x.indrelid and a.attnum = any(x.indkey)
where x.indrelid = %s::regclass and x.indisprimary order by array_position(x.indkey::int2[], a.attnum)"""


@dataclass(frozen=True, slots=True)
class Differences:
    """How many rows of a live table are not what the events say, and some of them: (key, what is wrong)."""

    table: str
    count: int
    examples: Sequence[tuple[str, str]]

    def __str__(self) -> str:
        shown = ", ".join(f"{key} ({what})" for key, what in self.examples)
        return f"views.{self.table}: {self.count} rows differ from the events: {shown}"


def all_but(connection: psycopg.Connection, view: View, suffix: str, left_out: Sequence[Stream]) -> Differences | None:
    """Compare a view with the table beside it, without some streams; inside the caller's one snapshot."""
    live, beside = (_sum(connection, view, table, left_out) for table in (named(view.name), named(view.name, suffix)))
    return None if live == beside else _differences(connection, view, suffix, "not exists", left_out)


def only(connection: psycopg.Connection, view: View, suffix: str, streams: Sequence[Stream]) -> Differences | None:
    """Compare the rows of some streams."""
    return _differences(connection, view, suffix, "exists", streams)


def _sum(
    connection: psycopg.Connection, view: View, table: sql.Composable, left_out: Sequence[Stream]
) -> tuple[object, ...] | None:
    query = sql.SQL(_SUM).format(table=table, mode=sql.SQL("not exists"), streams=_streams(view))
    return connection.execute(query, _arguments(view, left_out)).fetchone()


def _differences(
    connection: psycopg.Connection, view: View, suffix: str, mode: LiteralString, streams: Sequence[Stream]
) -> Differences | None:
    names = connection.execute(_KEYS, (f"views.{view.name}",)).fetchall()
    query = sql.SQL(_DIFFERENCES).format(
        keys=sql.SQL(", ").join(sql.Identifier(name) for (name,) in names),
        live=named(view.name),
        beside=named(view.name, suffix),
        mode=sql.SQL(mode),
        streams=_streams(view),
    )
    rows = connection.execute(query, {**_arguments(view, streams), "limit": EXAMPLES}).fetchall()
    return Differences(view.name, rows[0][0], [(key, what) for _, key, what in rows]) if rows else None


def _streams(view: View) -> sql.Composed:
    return sql.SQL(_OF_STREAMS).format(key=sql.Identifier(view.key))


def _arguments(view: View, streams: Sequence[Stream]) -> dict[str, object]:
    of_view = [stream for stream in streams if stream.type == view.stream_type]
    return {"tenants": [s.tenant_id for s in of_view], "ids": [s.id for s in of_view]}
