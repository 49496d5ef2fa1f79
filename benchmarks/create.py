"""Row 2: what a create over HTTP costs the command API, beside the same route when storing costs nothing."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from benchmarks import load
from benchmarks.knobs import Knobs
from benchmarks.load import Load, Request
from benchmarks.processes import cpu_s
from benchmarks.report import Goal, Row
from benchmarks.stats import median
from benchmarks.system import System
from localstack.ports import Ports

CLIENTS: Final = 32
WARM_UP_S: Final = 1.0
BODY: Final = orjson.dumps(
    {
        "title": "The export of last month stops after ten thousand rows",
        "description": "It began on Monday; a colleague sees the same. The file ends in the middle of a line.",
        "priority": "high",
        "tags": ["export", "billing"],
        "metadata": {"channel": "web", "browser": "Firefox"},
    }
).decode()
AT_ONCE: Final = ("Prefer", "respond-async")


@dataclass(frozen=True, slots=True)
class Creates:
    """One window: what clients saw, and the server's CPU for each create."""

    load: Load
    cpu_us: float


def creates(tokens: Sequence[str], *headers: tuple[str, str]) -> list[Request]:
    """One request for each caller."""
    return [Request("POST", "/api/v1/tickets", token, BODY, headers) for token in tokens]


def measure(system: System, knobs: Knobs) -> list[Row]:
    """With all consumers running, as in production."""
    port = Ports.free().command_api
    with system.beside("constant", ("benchmarks.constant",), port) as constant:
        if constant.pid is None:
            raise RuntimeError("the constant command API does not run")
        return asyncio.run(_measure(system, knobs, port, constant.pid))


async def _measure(system: System, knobs: Knobs, port: int, constant: int) -> list[Row]:
    waiting, at_once = creates(system.tokens), creates(system.tokens, AT_ONCE)
    server = system.pid("command-api")
    await window(constant, port, waiting, WARM_UP_S)
    await window(server, system.command_port, waiting, WARM_UP_S)
    limits, seen, unseen = [], [], []
    for _ in range(knobs.rounds):
        limits.append(await window(constant, port, waiting, knobs.window_s / 2))
        seen.append(await window(server, system.command_port, waiting, knobs.window_s))
        await system.settled()
        unseen.append(await window(server, system.command_port, at_once, knobs.window_s))
        await system.settled()
    limit = median(one.cpu_us for one in limits)
    return [
        _row("answered when the view shows it (the default)", seen, limit, Goal("≤", 2.5)),
        _row("answered at once (Prefer: respond-async)", unseen, limit, None),
    ]


def _row(how: str, windows: Sequence[Creates], limit: float, goal: Goal | None) -> Row:
    return Row(
        row="2",
        name=f"CPU of command-api per create, {CLIENTS} clients, {how} | storing replaced by a constant",
        unit="µs",
        measured=median(one.cpu_us for one in windows),
        limit=limit,
        goal=goal,
        notes={
            "creates/s": median(one.load.per_s for one in windows),
            "answered after, p50 ms": median(one.load.p50_ms for one in windows),
            "answered after, p99 ms": median(one.load.p99_ms for one in windows),
            "share of answers before their view": median(one.load.behind / one.load.count for one in windows),
        },
    )


async def window(pid: int, port: int, requests: Sequence[Request], seconds: float) -> Creates:
    """Drive one server with all clients."""
    before = cpu_s(pid)
    done = await load.run(port, requests, CLIENTS, seconds)
    return Creates(done, (cpu_s(pid) - before) / done.count * 1e6)
