"""The database itself keeps tenants apart, whatever a query forgets (invariant I5)."""

import pytest
from psycopg.errors import InsufficientPrivilege

from helpdesk.postgres.pool import connect
from integration.query_api.views import Views

TABLES = ("tenants", "people", "tickets", "comments", "attachments", "activities")


async def test_without_a_tenant_the_query_apis_login_sees_no_row(views: Views) -> None:
    agent = await views.person("AGENT")
    ticket = await views.ticket(agent)
    await views.comment(ticket, agent)
    await views.activity(ticket, agent, "CREATED", 1)
    async with await connect(views.settings.query_api_database_url, name="test") as connection:
        for table in TABLES:
            cursor = await connection.execute(f"select from views.{table}")
            assert await cursor.fetchall() == [], table


async def test_with_a_tenant_it_sees_that_tenants_rows(views: Views) -> None:
    agent, _ = await views.person("AGENT"), await views.person("AGENT")
    async with await connect(views.settings.query_api_database_url, name="test") as connection:
        await connection.execute("select set_config('app.tenant', %s, false)", (str(agent.tenant_id),))
        cursor = await connection.execute("select id from views.people")
        assert await cursor.fetchall() == [(agent.id,)]


@pytest.mark.parametrize("table", TABLES)
async def test_it_can_change_nothing(views: Views, table: str) -> None:
    async with await connect(views.settings.query_api_database_url, name="test") as connection:
        with pytest.raises(InsufficientPrivilege):
            await connection.execute(f"delete from views.{table}")
