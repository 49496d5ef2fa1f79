"""A dump restored into a new cluster: it is another store, and nobody takes it for the old one."""

import subprocess
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import psycopg

from faults.world import World
from localstack.ports import HOST, Ports
from localstack.servers.postgres import Postgres
from support.invariants import assert_all_hold

NAME: Final = "postgres-restored"


async def dump_restored_into_a_new_cluster(world: World) -> None:
    """What was dumped holds by itself; a relay that is pointed at it refuses instead of sending half a history."""
    servers = world.stack.servers
    port = Ports.free().postgres
    folder = servers.folder / f"{NAME}-{port}"
    restored = Postgres(folder, port, servers.secrets.superuser_password, durable=False)
    spec = restored.prepare(world.stack.supervisor)
    child = world.stack.supervisor.start(type(spec)(NAME, spec.command, spec.ready, spec.port))
    try:
        await world.in_thread(child.wait_ready)
        async with world.load.paused():
            await world.in_thread(assert_all_hold, world.stack.admin_dsn)
            await world.in_thread(_copy, _binaries(spec.command.arguments), world.stack.admin_dsn, restored.dsn)
        dsn = _at(world.stack.admin_dsn, port)
        await world.in_thread(assert_all_hold, dsn)
        theirs = _at(world.stack.environment["COMMAND_API_RELAY_DATABASE_URL"], port)
        code, said = await world.tool("command_api", "relay", settings={"COMMAND_API_RELAY_DATABASE_URL": theirs})
        if code == 0 or "ForeignStore" not in said:
            raise AssertionError(f"a relay took a restored store for the old one: {code} {said[-500:]}")
    finally:
        await world.in_thread(child.stop)


def _at(dsn: str, port: int) -> str:
    parts = urlsplit(dsn)
    user = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{user}@{HOST}:{port}"))


def _binaries(arguments: tuple[str, ...]) -> Path:
    return Path(arguments[0]).parent


def _copy(binaries: Path, source: str, target: str) -> None:
    roles = subprocess.run((binaries / "pg_dumpall", "--roles-only", "-d", source), capture_output=True, check=True)
    database = urlsplit(source).path.strip("/")
    with psycopg.connect(target, autocommit=True) as connection:
        connection.execute(f"create database {database}")
    into = _at(source, urlsplit(target).port or 0)
    wanted = b"\n".join(line for line in roles.stdout.splitlines() if b" ROLE postgres" not in line)
    subprocess.run((binaries / "psql", "-q", "-d", into), input=wanted, capture_output=True, check=True)
    dumped = subprocess.run((binaries / "pg_dump", "-Fc", "-d", source), capture_output=True, check=True)
    restore = (binaries / "pg_restore", "--exit-on-error", "-d", into)
    subprocess.run(restore, input=dumped.stdout, capture_output=True, check=True)
