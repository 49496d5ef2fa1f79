"""Demo data (contract §4): twice is as good as once, whichever release made it the first time."""

from uuid import uuid5

from command_api import seed
from command_api.app import service
from command_api.settings import CommandSettings
from helpdesk.postgres.pool import connect
from integration.engine.rig import Engine

AS_IT_STANDS = "select tenant_id, stream_type, stream_id, version from events.event order by 1, 2, 3, 4"
DEMO_TICKETS = """
select tenant_id, stream_id from events.event where type = 'ticket.created' order by tenant_id, (data ->> 'at')"""


async def planted(engine: Engine) -> list[tuple[object, ...]]:
    """What stands in the store after seeding."""
    values = {name.lower(): value for name, value in engine.variables.items()}
    async with service(CommandSettings.model_validate(values)) as parts:
        await seed.seed(parts.commands, parts.accounts, lambda _: None)
    return await engine.sql(AS_IT_STANDS)


async def test_demo_data_is_made_once(own: Engine) -> None:
    once = await planted(own)
    assert await planted(own) == once
    tickets = await own.sql(DEMO_TICKETS)
    assert len(tickets) == seed.TICKETS_PER_TENANT * len(seed.TENANTS)


async def test_demo_data_of_a_release_whose_ids_were_of_version_5_is_not_made_again(own: Engine) -> None:
    await planted(own)
    places = dict.fromkeys((tenant for tenant, _, _ in seed.TENANTS), 0)
    async with await connect(own.admin_dsn, name="test") as connection:
        await connection.execute("set session_replication_role = replica")
        for tenant, ticket in await own.sql(DEMO_TICKETS):
            former = uuid5(tenant, f"demo ticket {places[tenant]}")
            places[tenant] += 1
            await connection.execute("update events.event set stream_id = %s where stream_id = %s", (former, ticket))
    as_it_was = await own.sql(AS_IT_STANDS)
    assert await planted(own) == as_it_was
