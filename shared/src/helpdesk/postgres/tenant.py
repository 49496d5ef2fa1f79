"""Reading within one tenant: the only way in which views and other tenant-bound rows are read."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Generic, TypeAlias, TypeVar
from uuid import UUID

from psycopg import AsyncCursor
from psycopg.rows import TupleRow, class_row

from helpdesk.postgres.gathered import gathered
from helpdesk.postgres.pool import Connection, Pool

SET_TENANT: Final = "select set_config('app.tenant', %s, true)"
_ENTER: Final = "select {schema}.enter(%s, %s, %s, %s, %s)"
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Statement(Generic[R]):
    """A query with its named parameters, and the dataclass that each of its rows becomes."""

    sql: str
    row: type[R]
    params: dict[str, Any]


@dataclass(slots=True)
class Entry:
    """One caller's way into their tenant, for one request: what is read first by it also asks, in the same round trip,
    whether the owner of `schema` knows of anything because of which the caller is not who they are believed to be: by a
    token of `issued_at` that says `signed`, with `role` (ADR 28). `passed`: it was asked, and all is as believed.
    """

    schema: str
    tenant_id: UUID
    user_id: UUID
    issued_at: datetime
    role: str
    signed: str
    passed: bool = field(default=False)

    @property
    def sql(self) -> str:
        """The statement that binds the transaction to the tenant and answers whether all is as believed."""
        return _ENTER.format(schema=self.schema)

    @property
    def params(self) -> tuple[str, str, datetime, str, str]:
        """As `sql` takes them."""
        return str(self.tenant_id), str(self.user_id), self.issued_at, self.role, self.signed


class Mistaken(Exception):
    """The caller of an Entry is not who they were believed to be; what was read is for nobody."""


Within: TypeAlias = UUID | Entry
"""The tenant within which something is read; an Entry where it is read for a caller."""


def tenant_of(within: Within) -> UUID:
    """Its id."""
    return within.tenant_id if isinstance(within, Entry) else within


async def read(pool: Pool, within: Within, statement: Statement[R]) -> list[R]:
    """The rows of one query under row-level security, in one round trip. Raises Mistaken.

    Setting and query share the implicit transaction of one pipeline, so the setting ends with it: no connection ever
    goes back to the pool, or through a transaction pooler, with a tenant on it.
    """
    async with pool.connection() as connection:
        async with gathered(connection):
            entered = await _enter(connection, within)
            cursor = connection.cursor(row_factory=class_row(statement.row))
            await cursor.execute(statement.sql, statement.params)
        await _look(within, entered)
        rows = await cursor.fetchall()
    _demand(within)
    return rows


async def read_all(pool: Pool, within: Within, *statements: Statement[Any]) -> list[list[Any]]:
    """Several queries under row-level security, in one round trip and one transaction. Raises Mistaken."""
    async with pool.connection() as connection:
        cursors = []
        async with gathered(connection):
            entered = await _enter(connection, within)
            for statement in statements:
                cursor = connection.cursor(row_factory=class_row(statement.row))
                await cursor.execute(statement.sql, statement.params)
                cursors.append(cursor)
        await _look(within, entered)
        rows = [await cursor.fetchall() for cursor in cursors]
    _demand(within)
    return rows


async def enters(pool: Pool, entry: Entry) -> bool:
    """Whether the caller is who they are believed to be: where nothing is read with the question."""
    if not entry.passed:
        async with pool.connection() as connection:
            await _look(entry, await _enter(connection, entry))
    return entry.passed


async def _enter(connection: Connection, within: Within) -> AsyncCursor[TupleRow]:
    """Bind the transaction to the tenant; the cursor has the answer to an Entry's question."""
    if isinstance(within, Entry) and not within.passed:
        return await connection.execute(within.sql, within.params)
    return await connection.execute(SET_TENANT, (str(tenant_of(within)),))


async def _look(within: Within, entered: AsyncCursor[TupleRow]) -> None:
    if isinstance(within, Entry) and not within.passed:
        row = await entered.fetchone()
        within.passed = row is not None and row[0] is True


def _demand(within: Within) -> None:
    if isinstance(within, Entry) and not within.passed:
        raise Mistaken
