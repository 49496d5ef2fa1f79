"""The databases' own word on who may act says the same as the rule (`helpdesk.auth.standing`), in every schema."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import pytest_asyncio

import notifier.app
import projector.app
import webhook_dispatcher.app
from helpdesk.auth.standing import judged
from helpdesk.auth.tokens import Principal
from helpdesk.folds.user import Standing
from helpdesk.postgres.migrate import migrate
from helpdesk.postgres.pool import Pool, open_pool
from helpdesk.postgres.tenant import Entry, Mistaken, Statement, enters, read, read_all
from localstack.environment import dsn_of
from localstack.stack import Servers

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MS = timedelta(milliseconds=1)
MOMENTS = (None, NOON - MS, NOON, NOON + MS, NOON + 2 * MS)
LOGINS = {"views": "query_api", "notices": "notifier", "webhooks": "webhook_dispatcher"}
PEOPLE = {"views": "views.people", "notices": "notices.person", "webhooks": "webhooks.person"}


@dataclass(frozen=True)
class Database:
    """All schemas that have people, and a pool of each service's login."""

    admin: str
    pools: dict[str, Pool]

    async def add(self, schema: str, tenant_id: UUID, people: dict[UUID, Standing]) -> None:
        """People as their service has them."""
        named: dict[str, Any] = {}
        if schema != "webhooks":
            named = {"email": "ada@example.com", "name": "Ada"}
        if schema == "views":
            named |= {"created_at": NOON, "updated_at": NOON, "version": 1}
        columns = ["tenant_id", "id", "role", "enabled", "valid_from", "sessions_from", *named]
        places = ", ".join(["%s"] * len(columns))
        statement = f"insert into {PEOPLE[schema]} ({', '.join(columns)}) values ({places})"
        async with await psycopg.AsyncConnection.connect(self.admin) as connection, connection.cursor() as cursor:
            rows = [
                (tenant_id, id_, one.role, one.enabled, one.valid_from, one.sessions_from, *named.values())
                for id_, one in people.items()
            ]
            await cursor.executemany(statement.encode(), rows)

    async def close(self, schema: str, tenant_id: UUID) -> None:
        """The tenant's end, as their service has it."""
        statement = f"insert into {schema}.closed_tenant values (%s)"
        if schema == "views":
            statement = """
                insert into views.tenants
                    (tenant_id, name, slug, settings, created_at, updated_at, version, closed_at)
                values (%s, 'Closed', 'closed', '{}', now(), now(), 1, now())"""
        async with await psycopg.AsyncConnection.connect(self.admin) as connection:
            await connection.execute(statement.encode(), (tenant_id,))


@pytest_asyncio.fixture(scope="module")
async def database(servers: Servers) -> AsyncIterator[Database]:
    """Migrated."""
    admin = servers.new_database()
    dsns = {schema: dsn_of(login, admin, servers.secrets) for schema, login in LOGINS.items()}
    migrations = (*projector.app.MIGRATIONS, *webhook_dispatcher.app.MIGRATIONS, *notifier.app.MIGRATIONS)
    await migrate(admin, migrations, list(dsns.values()))
    async with (
        open_pool(dsns["views"], name="test") as views,
        open_pool(dsns["notices"], name="test") as notices,
        open_pool(dsns["webhooks"], name="test") as webhooks,
    ):
        yield Database(admin, {"views": views, "notices": notices, "webhooks": webhooks})


def entry(schema: str, caller: Principal, signed: str | None = None) -> Entry:
    """Of who is believed to be `caller`, by a token that says `signed`, or just that."""
    return Entry(schema, caller.tenant_id, caller.user_id, caller.issued_at, caller.role, signed or caller.role)


@pytest.mark.parametrize("schema", LOGINS)
async def test_the_database_says_what_the_rule_says(database: Database, schema: str) -> None:
    """Of a token of noon that an agent has: believed by its role, and by another one, which only a later row gives."""
    tenant_id = uuid4()
    people = {
        uuid4(): Standing(role, enabled, valid_from, sessions_from)
        for role, enabled, valid_from, sessions_from in product(("AGENT", "USER"), (True, False), MOMENTS, MOMENTS)
    }
    await database.add(schema, tenant_id, people)
    for id_, standing in people.items():
        token = Principal(tenant_id, id_, "AGENT", NOON)
        found = judged(token, standing)
        assert await enters(database.pools[schema], entry(schema, token)) is (found == token), standing
        as_user = Principal(tenant_id, id_, "USER", NOON)
        assert await enters(database.pools[schema], entry(schema, as_user, "AGENT")) is (found == as_user), standing


@pytest.mark.parametrize("schema", LOGINS)
async def test_of_whom_nothing_is_known_the_token_holds_until_their_tenant_is_closed(
    database: Database, schema: str
) -> None:
    stranger = Principal(uuid4(), uuid4(), "USER", NOON)
    assert await enters(database.pools[schema], entry(schema, stranger))
    assert not await enters(database.pools[schema], entry(schema, stranger, "ADMIN"))
    await database.close(schema, stranger.tenant_id)
    assert not await enters(database.pools[schema], entry(schema, stranger))


@dataclass(frozen=True)
class Seen:
    """How much a login sees."""

    people: int


@pytest.mark.parametrize("schema", LOGINS)
async def test_who_enters_reads_within_their_tenant_and_who_is_mistaken_reads_nothing(
    database: Database, schema: str
) -> None:
    tenant_id, ada, eve = uuid4(), uuid4(), uuid4()
    await database.add(schema, tenant_id, {ada: Standing("USER"), eve: Standing("USER", False, NOON + MS, NOON + MS)})
    await database.add(schema, uuid4(), {uuid4(): Standing("USER")})
    pool, count = database.pools[schema], Statement(f"select count(*) as people from {PEOPLE[schema]}", Seen, {})
    hers = entry(schema, Principal(tenant_id, ada, "USER", NOON))
    assert await read(pool, hers, count) == [Seen(2)]
    assert hers.passed
    assert await read_all(pool, hers, count, count) == [[Seen(2)], [Seen(2)]]
    for one in (read(pool, ended := entry(schema, Principal(tenant_id, eve, "USER", NOON)), count),
                read_all(pool, ended, count)):  # fmt: skip
        with pytest.raises(Mistaken):
            await one
    assert not ended.passed
    async with pool.connection() as connection:  # nothing of a tenant stays on it
        cursor = await connection.execute(b"select count(*) from %s" % PEOPLE[schema].encode())
        assert await cursor.fetchone() == (0,)
