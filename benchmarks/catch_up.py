"""Row 4: how fast the views come back, from the bus after a rest and from the store by a rebuild, beside COPY."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from benchmarks.copies import Copies
from benchmarks.history import lived
from benchmarks.knobs import Knobs
from benchmarks.report import Goal, Row
from benchmarks.stats import median
from benchmarks.system import CONSUMERS, System
from helpdesk.eventstore.store import EventStore
from helpdesk.postgres.pool import open_pool

OTHERS: Final = tuple(schema for schema in CONSUMERS if schema != "views")
LOOK_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Round:
    """Events per second of the projector, and of COPY for the rows that these events made."""

    caught_up_per_s: float
    copied_per_s: float


def measure(system: System, knobs: Knobs) -> list[Row]:
    """The projector stands still while a history is appended and relayed, then begins."""
    return asyncio.run(_measure(system, knobs))


async def _measure(system: System, knobs: Knobs) -> list[Row]:
    copies = Copies(system.stack.admin_dsn)
    rounds = [await _round(system, copies, knobs.backlog) for _ in range(knobs.rounds)]
    return [
        Row(
            row="4",
            name=f"projector catch-up, {knobs.rounds} × {knobs.backlog} events | COPY of the same rows",
            unit="events/s",
            measured=median(one.caught_up_per_s for one in rounds),
            limit=median(one.copied_per_s for one in rounds),
            goal=Goal("≥", 0.15),
        )
    ]


async def _round(system: System, copies: Copies, count: int) -> Round:
    tenant = uuid4()
    await system.settled()
    system.stack.stop("projector")
    written = await append(system, tenant, count)
    await system.settled(OTHERS)
    caught_up = await _caught_up(system)
    seconds = copies.write(copies.rows_of(tenant))
    return Round(caught_up, written / seconds)


async def append(system: System, tenant: UUID, count: int) -> int:
    """A history of one tenant; how many events it has."""
    async with open_pool(system.stack.dsn("command_api"), name="bench") as pool:
        return await lived(EventStore(pool, "events"), tenant, count)


async def _caught_up(system: System) -> float:
    """Events per second from the first batch that shows to the last: how long a process takes to start is left out."""
    async with system.ends() as ends:
        wanted = await ends.total()
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
