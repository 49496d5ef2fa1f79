"""Row 4: how fast the views come back, from the bus after a rest and from the store by a rebuild, beside COPY."""

import asyncio
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from benchmarks.copies import Copies
from benchmarks.history import lived
from benchmarks.knobs import Knobs
from benchmarks.lag import EFFECTS
from benchmarks.report import Goal, Row
from benchmarks.stats import median
from benchmarks.system import System
from helpdesk.eventstore.store import EventStore
from helpdesk.postgres.pool import open_pool
from localstack.paths import ROOT
from localstack.ports import Ports

COPIES: Final = 3
PROJECTORS: Final = (1, 2)
"""By one process, and by one for each processor of this kind of machine."""
BUILT: Final = "select extract(epoch from indexed_at - started_at) from views.rebuild order by id desc limit 1"
LOOK_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Round:
    """Events per second: of the projector, of COPY for the rows they made, of append and relay together."""

    caught_up_per_s: float
    copied_per_s: float
    relayed_per_s: float


def measure(system: System, knobs: Knobs) -> list[Row]:
    """The projector stands still while a history is appended and relayed, then begins."""
    return asyncio.run(_measure(system, knobs))


async def _measure(system: System, knobs: Knobs) -> list[Row]:
    await system.settled()
    for name in EFFECTS:
        system.stack.stop(name)  # what they do with a backlog would be missing from what the projector can
    copies = Copies(system.stack.admin_dsn)
    rounds = [[await _round(system, copies, knobs.backlog, n) for n in PROJECTORS] for _ in range(knobs.rounds)]
    rebuilt, copied, notes = await _rebuilt(system)
    return [
        *(
            Row(
                row="4",
                name=f"catch-up of {n} projector{'s' * (n > 1)}, {knobs.rounds} × {knobs.backlog:,} events"
                " | COPY of the same rows",
                unit="events/s",
                measured=median(one.caught_up_per_s for one in of_one_kind),
                limit=median(one.copied_per_s for each in rounds for one in each),
                goal=Goal("≥", 0.15),
                notes={"relayed, events/s": median(one.relayed_per_s for one in of_one_kind)},
            )
            for n, of_one_kind in zip(PROJECTORS, zip(*rounds, strict=True), strict=True)
        ),
        Row("4", f"rebuild of {notes['events']:,} events | COPY of the same rows", "events/s", rebuilt, copied,
            Goal("≥", 0.25), notes),
    ]  # fmt: skip


async def _round(system: System, copies: Copies, count: int, projectors: int) -> Round:
    tenant = uuid4()
    system.stack.stop("projector")
    begun = time.perf_counter()
    written = await append(system, tenant, count)
    await system.settled(())
    relayed = written / (time.perf_counter() - begun)
    caught_up = await _caught_up(system, projectors)
    seconds = copies.write(copies.rows_of(tenant))
    return Round(caught_up, written / seconds, relayed)


async def _rebuilt(system: System) -> tuple[float, float, dict[str, float | int | str]]:
    """(events per second of a rebuild of everything, of COPY for its rows, figures for information)."""
    events, dsn = int(system.sql("select count(*) from events.event")[0][0]), system.stack.admin_dsn
    rows = Copies(dsn).rows_of(None)
    limit = median([events / Copies(dsn).write(rows) for _ in range(COPIES)])
    begun = time.perf_counter()
    arguments = (sys.executable, "-m", "projector", "rebuild")
    environment = {**os.environ, **system.stack.environment}
    done = await asyncio.to_thread(
        subprocess.run, arguments, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - begun
    if done.returncode:
        raise RuntimeError(f"the rebuild failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    ((built_s,),) = system.sql(BUILT)
    notes = {"events": events, "built (before comparing and switching), events/s": events / float(built_s)}
    return events / seconds, limit, notes | {"it said": done.stdout.strip().splitlines()[-1]}


async def append(system: System, tenant: UUID, count: int) -> int:
    """A history of one tenant; how many events it has."""
    async with open_pool(system.stack.dsn("command_api"), name="bench") as pool:
        return await lived(EventStore(pool, "events"), tenant, count)


async def _caught_up(system: System, projectors: int) -> float:
    """Events per second from the first batch that shows to the last: how long a process takes to start is left out."""
    async with system.ends() as ends:
        wanted = await ends.total()
    with ExitStack() as others:
        for n in range(1, projectors):
            port = Ports.free().projector
            others.enter_context(
                system.beside(f"projector-{n}", ("projector", "run"), port, "PROJECTOR_PORT", wait=False)
            )
        system.stack.child("projector").start()
        first = done = system.applied("views")
        while done == first:
            await asyncio.sleep(LOOK_S)
            done = system.applied("views")
        begun, first = time.perf_counter(), done
        while done < wanted:
            await asyncio.sleep(LOOK_S)
            done = system.applied("views")
        rate = (wanted - first) / (time.perf_counter() - begun)
        system.stack.wait_ready("projector")
    return rate
