"""Row 1: the append through the library, with its version check, beside pgbench inserting rows with nothing checked."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

import uvloop

from benchmarks.knobs import Knobs
from benchmarks.pgbench import TENANT, TENANTS, Pgbench
from benchmarks.report import Goal, Row
from benchmarks.stats import Spread, median, middle
from command_api.app import MIGRATIONS
from helpdesk.events.ticket import TicketRetitled
from helpdesk.eventstore.grouping import Group
from helpdesk.eventstore.store import EventStore, StreamAppend
from helpdesk.ids import new_id
from helpdesk.postgres.migrate import migrate
from helpdesk.postgres.pool import open_pool
from helpdesk.recorded import Metadata, Stream
from localstack.stack import Servers

WRITERS: Final = 16
ACTOR: Final = UUID(TENANT.format(99))
EVENT: Final = TicketRetitled(
    title="The export of last month stops after ten thousand rows",
    previous="Export stops",
    by=ACTOR,
    at=datetime(2026, 1, 1, 12, tzinfo=UTC),
)
MOST_PER_S: Final = 50_000
Command = tuple[UUID, Sequence[StreamAppend], Metadata]
Append = Callable[[UUID, Sequence[StreamAppend], Metadata], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Appends:
    """One window of appends: how many a second, the client's CPU for each, how long one took."""

    per_s: float
    cpu_us: float
    took_ms: Spread


def measure(servers: Servers, knobs: Knobs) -> list[Row]:
    """In a database of its own, while no service runs."""
    return uvloop.run(_measure(servers, knobs))


async def _measure(servers: Servers, knobs: Knobs) -> list[Row]:
    dsn = servers.new_database("bench_append")
    login = servers.dsn("command_api", dsn)
    await migrate(dsn, MIGRATIONS, [login])
    pgbench = Pgbench(dsn, EVENT)
    async with open_pool(login, name="bench", max_size=WRITERS) as pool:
        store, group = EventStore(pool, "events"), Group(pool, "events")
        for append in (group.append, store.append):
            await drive(append, WRITERS, 1.0)  # connections, plans, caches
        raw, many, hot, single, alone = [], [], [], [], []
        for _ in range(knobs.rounds):
            raw.append(await asyncio.to_thread(pgbench.run, WRITERS, knobs.window_s))
            many.append(await drive(group.append, WRITERS, knobs.window_s))
            hot.append(await drive(group.append, WRITERS, knobs.window_s, tenants=1))
            single.append(await drive(store.append, WRITERS, knobs.window_s / 2))
            alone.append(await drive(group.append, 1, knobs.window_s / 2))
    limit = median(one.per_s for one in raw)
    pgbench_cpu = median(one.cpu_us for one in raw)
    return [
        *(
            Row(
                row="1",
                name=f"append through the library, grouped, version checked, {WRITERS} writers {of} | pgbench insert",
                unit="appends/s",
                measured=median(one.per_s for one in windows),
                limit=limit,
                goal=Goal("≥", 1.0),
                notes={
                    "client CPU of an append, µs": median(one.cpu_us for one in windows),
                    "one append took, p50 ms": middle([one.took_ms for one in windows]).p50,
                    "one append took, p99 ms": middle([one.took_ms for one in windows]).p99,
                    "client CPU of pgbench's insert, µs": pgbench_cpu,
                },
            )
            for windows, of in ((hot, "of one tenant"), (many, f"of {TENANTS} tenants"))
        ),
        Row(
            row="1",
            name=f"the same, ungrouped (a transaction each), {WRITERS} writers",
            unit="appends/s",
            measured=median(one.per_s for one in single),
            limit=limit,
            notes={"client CPU of an append, µs": median(one.cpu_us for one in single)},
        ),
        Row(
            row="1",
            name="the same, grouped, 1 writer",
            unit="appends/s",
            measured=median(one.per_s for one in alone),
            limit=limit,
            notes={"one append took, p50 ms": middle([one.took_ms for one in alone]).p50},
        ),
    ]


async def drive(append: Append, writers: int, seconds: float, tenants: int = TENANTS) -> Appends:
    """`writers` appending side by side, each awaiting its own: new streams and next versions in turn.

    What they append is made before the window begins: an append starts with the call.
    """
    wanted = [_commands(number % tenants, round(seconds * MOST_PER_S / writers)) for number in range(writers)]
    gc.collect()
    gc.freeze()
    took: list[float] = []
    begun, cpu = time.perf_counter(), time.process_time()
    deadline = begun + seconds
    await asyncio.gather(*(_write(append, commands, deadline, took) for commands in wanted))
    elapsed, spent = time.perf_counter() - begun, time.process_time() - cpu
    gc.unfreeze()
    return Appends(len(took) / elapsed, spent / len(took) * 1e6, Spread.of(took))


async def _write(append: Append, commands: Sequence[Command], deadline: float, took: list[float]) -> None:
    for command in commands:
        if (started := time.perf_counter()) >= deadline:
            return
        await append(*command)
        took.append((time.perf_counter() - started) * 1000)
    raise RuntimeError("faster than expected: more than MOST_PER_S")


def _commands(tenant_number: int, count: int) -> list[Command]:
    tenant = UUID(TENANT.format(tenant_number + 1))
    streams = [Stream(tenant, "ticket", new_id()) for _ in range(count // 2 + 1)]
    ids = [uuid4() for _ in range(count)]
    return [
        (id_, [StreamAppend(streams[n // 2], n % 2, [EVENT])], Metadata(ACTOR, id_, None)) for n, id_ in enumerate(ids)
    ]
