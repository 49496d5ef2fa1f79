"""The tables beside the live ones: made like them, and dressed (indexes, rights, policies) as the catalogue says.

`views.tickets__next` is being built; `views.tickets__former` is kept for going back. Neither has rights or policies, so
nobody but the owner reads or writes them; the owner may, because row-level security is on there but not forced.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import class_row

NEXT: Final = "__next"
FORMER: Final = "__former"
GUARD: Final = "stream_guard"
_ENTERED_BY: Final = ("tenants", "people")
_LEAVING: Final = "__leaving"
_SCHEMA: Final = "views"

_COLUMNS: Final = """
select a.attname, format_type(a.atttypid, null)
from pg_attribute a where a.attrelid = %s::regclass and a.attnum > 0 and not a.attisdropped order by a.attnum"""

_INDEXES: Final = """
select i.relname as name, pg_get_indexdef(i.oid) as definition, x.indisunique as is_unique,
       c.conname is not null as is_constraint, coalesce(c.contype = 'p', false) as is_primary
from pg_index x join pg_class i on i.oid = x.indexrelid
left join pg_constraint c on c.conindid = i.oid and c.conrelid = x.indrelid and c.contype in ('p', 'u')
where x.indrelid = %s::regclass order by i.relname"""

_POLICIES: Final = """
select policyname as name, permissive, roles::text[] as roles, cmd as command, qual as condition, with_check as check
from pg_policies where schemaname = 'views' and tablename = %s order by policyname"""

_RIGHTS: Final = """
select a.privilege_type as right, null as column,
       case a.grantee when 0 then 'public' else pg_get_userbyid(a.grantee) end as role
from pg_class c, aclexplode(c.relacl) a where c.oid = %(table)s::regclass and a.grantee <> c.relowner
union all
select a.privilege_type, t.attname, case a.grantee when 0 then 'public' else pg_get_userbyid(a.grantee) end
from pg_class c join pg_attribute t on t.attrelid = c.oid, aclexplode(t.attacl) a
where c.oid = %(table)s::regclass and a.grantee <> c.relowner
order by 1, 2, 3"""

# What `create table like` and the dressing do not copy: better to refuse than to lose it in a switch.
_OTHERWISE: Final = """
select 'trigger ' || tgname from pg_trigger where tgrelid = %(table)s::regclass and not tgisinternal
union all select 'foreign key ' || conname from pg_constraint
  where (conrelid = %(table)s::regclass or confrelid = %(table)s::regclass) and contype = 'f'
union all select 'rule ' || rulename from pg_rewrite where ev_class = %(table)s::regclass
union all select 'view ' || r.ev_class::regclass from pg_depend d join pg_rewrite r on r.oid = d.objid
  where d.classid = 'pg_rewrite'::regclass and d.refobjid = %(table)s::regclass and r.ev_class <> %(table)s::regclass
union all select 'function ' || d.objid::regprocedure from pg_depend d
  where d.classid = 'pg_proc'::regclass and d.refobjid = %(table)s::regclass
union all select 'statistics ' || stxname from pg_statistic_ext where stxrelid = %(table)s::regclass
union all select 'option ' || o from pg_class, unnest(reloptions) o where oid = %(table)s::regclass
union all select 'inheritance' from pg_inherits
  where inhrelid = %(table)s::regclass or inhparent = %(table)s::regclass"""


class Unsuitable(Exception):
    """A live table has something that a rebuild cannot bring along, or another shape than the one beside it."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index as the catalogue describes it."""

    name: str
    definition: str
    is_unique: bool
    is_constraint: bool
    is_primary: bool


@dataclass(frozen=True, slots=True)
class Policy:
    """A row-level security policy; `roles` may hold `public`."""

    name: str
    permissive: str
    roles: list[str]
    command: str
    condition: str | None
    check: str | None


@dataclass(frozen=True, slots=True)
class Right:
    """What a role may do with a table, or with one column of it."""

    right: str
    column: str | None
    role: str


def named(table: str, suffix: str = "") -> sql.Identifier:
    """A table of the views, live or beside it."""
    return sql.Identifier(_SCHEMA, table + suffix)


def columns(connection: psycopg.Connection, table: str, suffix: str = "") -> dict[str, str]:
    """The columns of a table, in order, with their types."""
    return dict(connection.execute(_COLUMNS, (_text(table, suffix),)).fetchall())


def demand_suitable(connection: psycopg.Connection, table: str) -> None:
    """Raises Unsuitable, naming what a switch would lose."""
    found = connection.execute(_OTHERWISE, {"table": _text(table)}).fetchall()
    if found:
        raise Unsuitable(f"views.{table} has what a rebuild would not bring along: {', '.join(w for (w,) in found)}")


def demand_same_shape(connection: psycopg.Connection, table: str, suffix: str) -> None:
    """Raises Unsuitable when a migration has changed the live table meanwhile."""
    if columns(connection, table) != columns(connection, table, suffix):
        raise Unsuitable(f"views.{table} has other columns than {table}{suffix}: discard that and begin again")


def create(connection: psycopg.Connection, table: str) -> None:
    """The next table: columns, defaults and checks of the live one; indexes come when it is full."""
    connection.execute(
        sql.SQL("create table {} (like {} including all excluding indexes excluding statistics)").format(
            named(table, NEXT), named(table)
        )
    )
    _each(connection, "alter table {} enable row level security", table, NEXT)


def index(connection: psycopg.Connection, table: str) -> None:
    """The live table's indexes and keys for the next table, under the names that a switch renames; and analyse."""
    for one in _indexes(connection, table):
        name = sql.Identifier(one.name + NEXT)
        _, _, method = one.definition.partition(" USING ")
        kind = sql.SQL("unique index" if one.is_unique else "index")
        # The rest of the definition is PostgreSQL's own text.
        body = (
            sql.SQL("create {} {} on {} using ").format(kind, name, named(table, NEXT)).as_string(connection) + method
        )
        connection.execute(body.encode())
        if one.is_constraint:
            what = sql.SQL("primary key" if one.is_primary else "unique")
            connection.execute(
                sql.SQL("alter table {} add constraint {} {} using index {}").format(
                    named(table, NEXT), name, what, name
                )
            )
    connection.execute(sql.SQL("analyze {}").format(named(table, NEXT)))


def drop(connection: psycopg.Connection, table: str, suffix: str) -> None:
    """Remove a table beside the live one, if it is there."""
    connection.execute(sql.SQL("drop table if exists {}").format(named(table, suffix)))


def hold(connection: psycopg.Connection, names: Sequence[str], suffix: str) -> None:
    """Have live tables, and those beside them, to ourselves. Raises LockNotAvailable.

    In the order in which a read takes them: it enters by tenants and people (`views.enter`) and then asks for the rest.
    In another order we would hold what it asks for while it holds what we ask for, at every try.
    """
    in_order = sorted(names, key=lambda name: (*_ENTERED_BY, name).index(name))
    both = [named(name, which) for which in ("", suffix) for name in in_order]
    connection.execute(sql.SQL("lock table {} in access exclusive mode").format(sql.SQL(", ").join(both)))


def exchange(connection: psycopg.Connection, table: str, suffix: str) -> None:
    """The table beside becomes the live one with its rights, policies and names; the live one becomes the former.
    Whoever calls holds both.
    """
    _dress(connection, table, suffix)
    _undress(connection, table)
    rename(connection, table, "", _LEAVING)
    rename(connection, table, suffix, "")
    rename(connection, table, _LEAVING, FORMER)


def rename(connection: psycopg.Connection, table: str, before: str, after: str) -> None:
    """Another suffix for a table that stands beside, and for its indexes."""
    found = _indexes(connection, table, before)
    _rename(connection, "table", table, before, after)
    for one in found:
        _rename(connection, "index", one.name.removesuffix(before), before, after)


def _dress(connection: psycopg.Connection, table: str, suffix: str) -> None:
    beside = named(table, suffix)
    for one in connection.cursor(row_factory=class_row(Policy)).execute(_POLICIES, (table,)).fetchall():
        # Names are quoted; conditions and commands are PostgreSQL's own text of the live table's policy.
        text = (
            sql.SQL("create policy {} on {} as ").format(sql.Identifier(one.name), beside).as_string(connection)
            + f"{one.permissive} for {one.command} to "
            + sql.SQL(", ").join(map(_role, one.roles)).as_string(connection)
            + (f" using ({one.condition})" if one.condition else "")
            + (f" with check ({one.check})" if one.check else "")
        )
        connection.execute(text.encode())
    for right in _rights(connection, table):
        connection.execute(_grant("grant {} on {} to {}", right, beside))
    _each(connection, "alter table {} force row level security", table, suffix)


def _undress(connection: psycopg.Connection, table: str) -> None:
    live = named(table)
    for one in connection.cursor(row_factory=class_row(Policy)).execute(_POLICIES, (table,)).fetchall():
        connection.execute(sql.SQL("drop policy {} on {}").format(sql.Identifier(one.name), live))
    for right in _rights(connection, table):
        connection.execute(_grant("revoke {} on {} from {}", right, live))
    _each(connection, "alter table {} no force row level security", table, "")


def _grant(statement: LiteralString, right: Right, table: sql.Composable) -> sql.Composed:
    what: sql.Composable = sql.SQL(_RIGHT_WORDS[right.right])
    if right.column is not None:
        what = sql.SQL("{} ({})").format(what, sql.Identifier(right.column))
    return sql.SQL(statement).format(what, table, _role(right.role))


_RIGHT_WORDS: Final[dict[str, LiteralString]] = {
    "SELECT": "select",
    "INSERT": "insert",
    "UPDATE": "update",
    "DELETE": "delete",
    "TRUNCATE": "truncate",
    "REFERENCES": "references",
    "TRIGGER": "trigger",
    "MAINTAIN": "maintain",
}


def _role(name: str) -> sql.Composable:
    return sql.SQL("public") if name == "public" else sql.Identifier(name)


def _indexes(connection: psycopg.Connection, table: str, suffix: str = "") -> list[Index]:
    return connection.cursor(row_factory=class_row(Index)).execute(_INDEXES, (_text(table, suffix),)).fetchall()


def _rights(connection: psycopg.Connection, table: str) -> list[Right]:
    return connection.cursor(row_factory=class_row(Right)).execute(_RIGHTS, {"table": _text(table)}).fetchall()


def _rename(connection: psycopg.Connection, kind: LiteralString, name: str, before: str, after: str) -> None:
    connection.execute(
        sql.SQL("alter {} {} rename to {}").format(sql.SQL(kind), named(name, before), sql.Identifier(name + after))
    )


def _each(connection: psycopg.Connection, statement: LiteralString, table: str, suffix: str) -> None:
    connection.execute(sql.SQL(statement).format(named(table, suffix)))


def _text(table: str, suffix: str = "") -> str:
    return f'views."{table}{suffix}"'
