"""All schemas as they stood at one moment: one read-only transaction, read in streams."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, Final, LiteralString, TypeAlias

import psycopg
from psycopg import sql

from projector.rebuild.fold import VIEWS

Query: TypeAlias = LiteralString | sql.SQL | sql.Composed
SCHEMAS: Final = ("events", "views", "webhooks", "notices")
# It reads for as long as it takes, and folds between two fetches.
_OPTIONS: Final = (
    "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0 -c jit=off -c work_mem=64MB"
    " -c default_transaction_read_only=on"
)
_HIDDEN: Final = """
select c.oid::regclass::text from pg_class c
where c.relnamespace in (select oid from pg_namespace where nspname = any(%s)) and c.relkind = 'r'
  and case when has_table_privilege(c.oid, 'select') then row_security_active(c.oid) else true end
order by 1 limit 1"""
# A rebuild that switches would put tables in the place of the views whose rows this snapshot does not see. It takes no
# snapshot to lock, so that what is seen is what is locked. A switch tries again until we are done.
_HOLD: Final = "lock table {} in access share mode"
_AT_ONCE: Final = 5_000


class NotAllowed(Exception):
    """The role does not see every row, so that what it finds would prove nothing."""


class Snapshot:
    """The transaction. Values are psycopg's; a query's rows come one by one, in bounded memory."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._names = count()

    def stream(self, query: Query, parameters: Mapping[str, Any] | Sequence[Any] | None = None) -> Iterator[Any]:
        """The rows of a query that may have millions."""
        with self._connection.cursor(f"c{next(self._names)}") as cursor:
            cursor.itersize = _AT_ONCE
            yield from cursor.execute(query, parameters, binary=True)

    def rows(self, query: Query, parameters: Mapping[str, Any] | Sequence[Any] | None = None) -> list[Any]:
        """The rows of a query that has few."""
        return self._connection.execute(query, parameters).fetchall()

    def exists(self, table: str) -> bool:
        """Whether there is such a table."""
        return bool(self.rows("select to_regclass(%s) is not null", (table,))[0][0])


@contextmanager
def snapshot(dsn: str) -> Iterator[Snapshot]:
    """Raises NotAllowed for a role that row-level security binds."""
    with psycopg.connect(dsn, autocommit=True, options=_OPTIONS, application_name="tickets-verify") as connection:
        hidden = connection.execute(_HIDDEN, (list(SCHEMAS),)).fetchone()
        if hidden:
            raise NotAllowed(
                f"{connection.info.user} does not see every row of {hidden[0]}: "
                "VERIFY_DATABASE_URL needs a role with BYPASSRLS and pg_read_all_data"
            )
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with connection.transaction():
            views = [*(view.name for view in VIEWS), "stream_guard"]
            connection.execute(sql.SQL(_HOLD).format(sql.SQL(", ").join(named("views", name) for name in views)))
            yield Snapshot(connection)


def named(*names: str) -> sql.Identifier:
    """A schema's table."""
    return sql.Identifier(*names)
