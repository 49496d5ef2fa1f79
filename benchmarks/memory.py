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
from benchmarks.system import PARTS, System

BOUND_MB: Final = 150.0
GROWTH_MB: Final = 2.0
"""Less than this is how allocators breathe."""
CLIENTS: Final = 8


def idle(system: System) -> Mapping[str, float]:
    """Megabytes of each process; ask before anything was measured."""
    return {name: resident_mb(system.pid(name)) for name in PARTS}


def measure(system: System, knobs: Knobs, before: Mapping[str, float]) -> list[Row]:
    """Creates and lists side by side, in two halves: what the second adds is growth."""
    return asyncio.run(_measure(system, knobs, before))


async def _measure(system: System, knobs: Knobs, before: Mapping[str, float]) -> list[Row]:
    halves = []
    for _ in range(2):
        await _loaded(system, knobs.long_load_s / 2)
        halves.append(idle(system))
    after = halves[1]
    most, growing = max(after, key=after.__getitem__), {name: after[name] - halves[0][name] for name in after}
    grown = max(growing, key=growing.__getitem__)
    return [
        Row(
            row="7",
            name=f"memory after long load, the largest process ({most}) | the bound",
            unit="MB",
            measured=after[most],
            limit=BOUND_MB,
            goal=Goal("≤", 1.0),
            notes={
                name: f"{before[name]:.1f} idle, {halves[0][name]:.1f} at half, {after[name]:.1f} at the end"
                for name in after
            },
        ),
        Row(
            row="7",
            name=f"growth in the second half of it, the largest ({grown}) | the bound",
            unit="MB",
            measured=max(growing[grown], 0.0),
            limit=GROWTH_MB,
            goal=Goal("≤", 1.0),
        ),
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
