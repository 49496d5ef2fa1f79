"""The audit of an owner without events: bound to tenants, bounded, and gone with its tenant."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import psycopg
import pytest
import pytest_asyncio

import projector.app
import query_api.app
from helpdesk.eventstore import audit
from helpdesk.eventstore.audit import Audit, Entry
from helpdesk.postgres.migrate import migrate
from helpdesk.postgres.pool import Pool, open_pool
from helpdesk.postgres.tenant import Statement, read
from localstack.environment import dsn_of
from localstack.stack import Servers


@dataclass(frozen=True)
class Database:
    """The query API's, with a pool of its login and one of the projector's."""

    pool: Pool
    projector: Pool

    async def targets(self, tenant_id: UUID) -> list[str]:
        """What stands in the audit of a tenant, as its own connection sees it."""
        found = await read(
            self.pool, tenant_id, Statement("select target from access.audit order by target", Target, {})
        )
        return [one.target for one in found]


@dataclass(frozen=True)
class Target:
    """Part of a row."""

    target: str


@pytest_asyncio.fixture(scope="module")
async def database(servers: Servers) -> AsyncIterator[Database]:
    """Migrated."""
    admin = servers.new_database()
    reader, writer = (dsn_of(login, admin, servers.secrets) for login in ("query_api", "projector"))
    await migrate(admin, (*projector.app.MIGRATIONS, *query_api.app.MIGRATIONS), [reader, writer])
    async with open_pool(reader, name="test") as pool, open_pool(writer, name="test") as projecting:
        yield Database(pool, projecting)


def denied(tenant_id: UUID, target: str, actor_id: UUID | None = None) -> Entry:
    return Entry(tenant_id, actor_id or uuid4(), "GET", target, "denied", 403, "not_allowed")


async def test_rows_of_several_tenants_are_written_at_once_and_each_sees_its_own(database: Database) -> None:
    ours, theirs = uuid4(), uuid4()
    log = Audit(database.pool, "access")
    for entry in (denied(ours, "a"), denied(theirs, "b"), denied(ours, "c")):
        log.note(entry)
    await log.write()
    assert await database.targets(ours) == ["a", "c"]
    assert await database.targets(theirs) == ["b"]
    async with database.pool.connection() as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):  # without having said of which tenants
            await connection.execute(
                "insert into access.audit (tenant_id, id, at, action, target, outcome, status)"
                " values (%s, %s, now(), 'GET', 'x', 'denied', 403)",
                (ours, uuid4()),
            )


async def test_many_callers_of_a_tenant_cannot_fill_it_nor_can_many_tenants(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "OF_ONE_TENANT", 5)
    monkeypatch.setattr(audit, "OF_ALL", 8)
    crowded, quiet, late = uuid4(), uuid4(), uuid4()
    log = Audit(database.pool, "access")
    for n in range(20):
        log.note(denied(crowded, f"{n:02}"))
    for tenant_id in (quiet, quiet, quiet, late):
        log.note(denied(tenant_id, "x"))
    await log.write()
    assert await database.targets(crowded) == [f"{n:02}" for n in range(5)]
    assert await database.targets(quiet) == ["x", "x", "x"]
    assert await database.targets(late) == []


async def test_a_purge_of_the_views_takes_a_tenants_rows_along_and_no_others(database: Database) -> None:
    gone, stays = uuid4(), uuid4()
    log = Audit(database.pool, "access")
    log.note(denied(gone, "x"))
    log.note(denied(stays, "x"))
    await log.write()
    async with database.projector.connection() as connection, connection.transaction():
        await projector.store.forget(connection, gone)
    assert await database.targets(gone) == []
    assert await database.targets(stays) == ["x"]
