"""The limit of row 4: COPY of the very rows that the projector wrote, into equal tables with equal indexes."""

import time
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import psycopg
from psycopg import sql

VIEWS: Final = ("tickets", "comments", "activities", "stream_guard")
"""Everything that the projector writes for a ticket."""


class Copies:
    """`bench.<view>`: as large as the views themselves, since every round is copied into what the others left."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("create schema if not exists bench")
            for view in VIEWS:
                make = (
                    "create table bench.{} (like views.{} including defaults including constraints including indexes)"
                )
                name = sql.Identifier(view)
                connection.execute(sql.SQL("drop table if exists bench.{}").format(name))
                connection.execute(sql.SQL(make).format(name, name))

    def rows_of(self, tenant: UUID | None) -> dict[str, Sequence[bytes]]:
        """What the views hold of one tenant (or of all), as COPY's own bytes."""
        with psycopg.connect(self._dsn) as connection, connection.cursor() as cursor:
            found: dict[str, Sequence[bytes]] = {}
            for view in VIEWS:
                where = sql.SQL("true") if tenant is None else sql.SQL("tenant_id = {}").format(tenant)
                query = sql.SQL("copy (select * from views.{} where {}) to stdout (format binary)")
                with cursor.copy(query.format(sql.Identifier(view), where)) as copy:
                    found[view] = [bytes(block) for block in copy]
            return found

    def write(self, rows: dict[str, Sequence[bytes]]) -> float:
        """Seconds that COPY takes for them, its commit included."""
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            started = time.perf_counter()
            with connection.transaction(), connection.cursor() as cursor:
                for view, blocks in rows.items():
                    query = sql.SQL("copy bench.{} from stdin (format binary)").format(sql.Identifier(view))
                    with cursor.copy(query) as copy:
                        for block in blocks:
                            copy.write(block)
            return time.perf_counter() - started
