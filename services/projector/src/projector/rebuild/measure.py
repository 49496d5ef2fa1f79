"""The limit to compare with: PostgreSQL's own COPY of the same rows into the same tables with their indexes."""

import tempfile
import time
from collections.abc import Sequence
from typing import Final

import psycopg
from psycopg import sql

from projector.rebuild.tables import GUARD, named

_MEASURE: Final = "__measure"
_BLOCK: Final = 1 << 20


def copy_seconds(connection: psycopg.Connection, tables: Sequence[str], suffix: str) -> float:
    """How long COPY takes for the rows of these tables, read from a file; nothing of it stays."""
    total = 0.0
    for table in (*tables, GUARD):
        source, target = named(table, suffix), named(table, _MEASURE)
        with tempfile.TemporaryFile() as file:
            with (
                connection.cursor() as cursor,
                cursor.copy(sql.SQL("copy {} to stdout (format binary)").format(source)) as reader,
            ):
                for block in reader:
                    file.write(block)
            file.seek(0)
            connection.execute(sql.SQL("drop table if exists {}").format(target))
            connection.execute(sql.SQL("create table {} (like {} including all)").format(target, source))
            try:
                begun = time.monotonic()
                with (
                    connection.cursor() as cursor,
                    cursor.copy(sql.SQL("copy {} from stdin (format binary)").format(target)) as writer,
                ):
                    while block := file.read(_BLOCK):
                        writer.write(block)
                total += time.monotonic() - begun
            finally:
                connection.execute(sql.SQL("drop table {}").format(target))
    return total
