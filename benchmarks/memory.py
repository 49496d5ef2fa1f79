"""Row 7: what each process holds when idle and after long load, and whether it goes on growing."""

import asyncio
from collections.abc import Mapping
from typing import Final

from benchmarks import load
from benchmarks.create import AT_ONCE, creates
from benchmarks.knobs import Knobs
from benchmarks.load import Request
from benchmarks.processes import resident_mb
from benchmarks.report import Goal, Row
from benchmarks.system import System
from localstack.services import processes

BOUND_MB: Final = 150.0
CLIENTS: Final = 8


def idle(system: System) -> Mapping[str, float]:
    """Megabytes of each process; ask before anything was measured."""
    return {name: resident_mb(system.pid(name)) for name, _, _ in processes(split=True)}


def measure(system: System, knobs: Knobs, before: Mapping[str, float]) -> list[Row]:
    """Creates and lists side by side, in two halves: what the second adds is growth."""
    return asyncio.run(_measure(system, knobs, before))


async def _measure(system: System, knobs: Knobs, before: Mapping[str, float]) -> list[Row]:
    begun = idle(system)
    halves = []
    for _ in range(2):
        await _loaded(system, knobs.long_load_s / 2)
        halves.append(idle(system))
    return [
        Row(
            row="7",
            name=f"memory of {name} after long load | the bound of {BOUND_MB:g} MB",
            unit="MB",
            measured=after,
            limit=BOUND_MB,
            goal=Goal("≤", 1.0),
            notes={
                "idle, MB": before[name],
                "before the load, MB": begun[name],
                "growth in its first half, MB": halves[0][name] - begun[name],
                "growth in its second half, MB": after - halves[0][name],
            },
        )
        for name, after in halves[1].items()
    ]


async def _loaded(system: System, seconds: float) -> None:
    stack = system.stack
    lists = [Request("GET", "/api/v1/tickets?limit=20", token) for token in system.tokens]
    webhooks = [Request("GET", "/api/v1/webhooks", system.tokens[0])]
    notices = [Request("GET", "/api/v1/notifications", token) for token in system.tokens]
    await asyncio.gather(
        load.run(system.command_port, creates(system.tokens, AT_ONCE), CLIENTS, seconds),
        load.run(stack.servers.ports.query_api, lists, 2, seconds),
        load.run(stack.servers.ports.webhook_dispatcher, webhooks, 1, seconds),
        load.run(stack.servers.ports.notifier, notices, 1, seconds),
    )
    await system.settled()
