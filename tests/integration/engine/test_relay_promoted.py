"""A stand-by that was promoted, and did not have all that its primary had sent."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from os import chown

import psycopg
import pytest

import command_api.app
from command_api.settings import CommandMigrateSettings
from helpdesk.postgres.pool import connect
from localstack.child import Spec
from localstack.ports import Ports
from localstack.servers.postgres import Postgres
from localstack.stack import Servers

LEADS = "select from events.relay_lead('topic', 1, 0)"
SENT = "update events.relay_checkpoint set xid = '900', position = 1, event_id = gen_random_uuid()"
MUCH = "create table public.much as select g, repeat('x', 200) as t from generate_series(1, 100000) g"


@contextmanager
def cluster(servers: Servers) -> Iterator[tuple[Postgres, str]]:
    """Another PostgreSQL, and its name among the children."""
    port = Ports.free().postgres
    name = f"postgres-{port}"
    postgres = Postgres(servers.folder / name, port, servers.secrets.superuser_password, durable=False)
    spec = postgres.prepare(servers.supervisor)
    child = servers.supervisor.start(Spec(name, spec.command, spec.ready, spec.port))
    try:
        child.wait_ready()
        yield postgres, name
    finally:
        child.stop()


async def test_a_relay_looks_at_the_timeline_on_which_the_server_writes_and_not_at_that_of_its_last_checkpoint(
    servers: Servers,
) -> None:
    """After a promotion PostgreSQL takes minutes for the first checkpoint, when it has much to write; a relay that led
    meanwhile did not ask whether what was sent last still stands."""
    with cluster(servers) as (postgres, name):
        dsn = postgres.create_database("promoted")
        values = {key.lower(): value for key, value in servers.environment(dsn).items()} | {"topic_prefix": name}
        await command_api.app.migrate(CommandMigrateSettings.model_validate(values))
        async with await connect(dsn, name="test") as before:
            await before.execute(LEADS)
            await before.execute(SENT)
            await before.execute("checkpoint")
            await before.execute(MUCH)
        standby = postgres.folder / "data" / "standby.signal"
        standby.touch()
        owner = standby.parent.stat()
        chown(standby, owner.st_uid, owner.st_gid)
        await asyncio.to_thread(servers.kill, name)
        await asyncio.to_thread(servers.wait_ready, name)
        async with await connect(dsn, name="test") as after:
            await after.execute("select pg_promote()")
            with pytest.raises(psycopg.Error, match="not in this store any more"):
                await after.execute(LEADS)
