"""Reading within one tenant: the only way in which views and other tenant-bound rows are read."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from psycopg.rows import class_row

from helpdesk.postgres.gathered import gathered
from helpdesk.postgres.pool import Pool

SET_TENANT = "select set_config('app.tenant', %s, true)"
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Statement(Generic[R]):
    """A query with its named parameters, and the dataclass that each of its rows becomes."""

    sql: str
    row: type[R]
    params: dict[str, Any]


async def read(pool: Pool, tenant_id: UUID, statement: Statement[R]) -> list[R]:
    """The rows of one query under row-level security for `tenant_id`, in one round trip.

    Setting and query share the implicit transaction of one pipeline, so the setting ends with it: no connection ever
    goes back to the pool, or through a transaction pooler, with a tenant on it.
    """
    async with pool.connection() as connection:
        async with gathered(connection):
            await connection.execute(SET_TENANT, (str(tenant_id),))
            cursor = connection.cursor(row_factory=class_row(statement.row))
            await cursor.execute(statement.sql, statement.params)
        return await cursor.fetchall()


async def read_all(pool: Pool, tenant_id: UUID, *statements: Statement[Any]) -> list[list[Any]]:
    """Several queries under row-level security for `tenant_id`, in one round trip and one transaction."""
    async with pool.connection() as connection:
        cursors = []
        async with gathered(connection):
            await connection.execute(SET_TENANT, (str(tenant_id),))
            for statement in statements:
                cursor = connection.cursor(row_factory=class_row(statement.row))
                await cursor.execute(statement.sql, statement.params)
                cursors.append(cursor)
        return [await cursor.fetchall() for cursor in cursors]
