"""Rows `layers`: what each layer of a read of one ticket, and of a create, costs in CPU.

Processes of the same service, each with one layer less than the one before (`benchmarks.peeled`), meet the same load in
turn: what a layer costs is what the next process does not compute.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import httpx
import orjson

from benchmarks import load
from benchmarks.create import BODY, CLIENTS, creates
from benchmarks.knobs import Knobs
from benchmarks.load import Request
from benchmarks.peeled import PEELED
from benchmarks.processes import cpu_s, tree_cpu_s
from benchmarks.report import Row
from benchmarks.stats import median
from benchmarks.system import System
from localstack.ports import Ports

WARM_UP_S: Final = 1.0
COMMENTS: Final = 3
"""Of the ticket that is read: each brings an activity, too."""
NAMES: Final = {
    "view": "wait for the view",
    "store": "store: driver, waiting, statements",
    "limits": "rate limits, with the token's verification they ask for",
    "authentication": "authentication: token (cached), who may act",
    "edge": "edge: request id, aliases, log line, audit, keeping",
    "rules": "rules, rows and shapes",
    "serialising": "serialising, entity tag, headers",
    "validation": "validation: dependencies, parameters, body",
    "framework": "FastAPI: routing and a bare route",
}
"""As the table calls what `benchmarks.peeled` takes off."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A request, and the service that answers it."""

    name: str
    service: str
    part: str
    variable: str
    request: Request
    answer: str

    @property
    def peeled(self) -> Sequence[str]:
        """What is taken off, in this order. A read waits for no view."""
        return PEELED if self.service == "command" else PEELED[1:]


@dataclass(frozen=True, slots=True)
class Target:
    """A process under load: CPU is read of `pid`, requests go to `port`."""

    pid: int
    port: int


def measure(system: System, knobs: Knobs) -> list[Row]:
    """For both kinds of request, with all consumers running."""
    return [asyncio.run(_measure(system, knobs, kind)) for kind in _kinds(system)]


def _kinds(system: System) -> Sequence[Kind]:
    token = system.tokens[0]
    signed = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with httpx.Client(base_url=system.stack.origin, headers=signed, timeout=10, trust_env=False) as http:
        created = http.post("/api/v1/tickets", content=BODY).raise_for_status()
        path = f"/api/v1/tickets/{created.json()['id']}"
        for number in range(COMMENTS):
            told = {"ticketId": created.json()["id"], "content": f"The {number + 1}. file ends in the same line."}
            http.post("/api/v1/comments", content=orjson.dumps(told)).raise_for_status()
        read = http.get(path).raise_for_status()
    return (
        Kind("a GET of one ticket", "query", "query-api", "QUERY_API_PORT", Request("GET", path, token), read.text),
        Kind("a create", "command", "command-api", "COMMAND_API_PORT", creates([token])[0], created.text),
    )


async def _measure(system: System, knobs: Knobs, kind: Kind) -> Row:
    ports = system.stack.servers.ports
    whole = Target(system.pid(kind.part), ports.query_api if kind.service == "query" else ports.command_api)
    through = Target(system.pid("gateway"), ports.gateway)
    with ExitStack() as others:
        targets = {"gateway": through, "whole": whole}
        for layer in kind.peeled:
            targets[layer] = _started(others, system, kind, layer)
        for target in targets.values():
            await load.run(target.port, [kind.request], CLIENTS, WARM_UP_S)
        spent: dict[str, list[float]] = {name: [] for name in (*targets, "postgres")}
        for _ in range(knobs.rounds):
            for name, target in targets.items():
                for what, cpu_us in (await _window(system, kind, name, target, knobs.window_s / 2)).items():
                    spent[what].append(cpu_us)
    return _row(kind, {name: median(values) for name, values in spent.items()})


def _started(others: ExitStack, system: System, kind: Kind, layer: str) -> Target:
    port = getattr(Ports.free(), f"{kind.service}_api")
    module = ("benchmarks.peeled", kind.service, layer, kind.answer)
    child = others.enter_context(system.beside(f"without-{layer}", module, port, kind.variable))
    if child.pid is None:
        raise RuntimeError(f"{kind.part} without {layer} does not run")
    return Target(child.pid, port)


async def _window(system: System, kind: Kind, name: str, target: Target, seconds: float) -> Mapping[str, float]:
    """µs of CPU for each request: of the process, and of PostgreSQL for it where it is the whole service."""
    asked = f"postgres for {kind.part}"
    clock = tree_cpu_s if name == "gateway" else cpu_s
    stored = system.cpu_s().get(asked, 0.0) if name == "whole" else 0.0
    before = clock(target.pid)
    done = await load.run(target.port, [kind.request], CLIENTS, seconds)
    found = {name: (clock(target.pid) - before) / done.count * 1e6}
    if name == "whole":
        found["postgres"] = (system.cpu_s().get(asked, 0.0) - stored) / done.count * 1e6
    if kind.service == "command" and name in ("gateway", "whole", "view"):
        await system.settled()  # what consumers do with it is no part of the next window
    return found


def _row(kind: Kind, spent: Mapping[str, float]) -> Row:
    stages = ("whole", *kind.peeled)
    costs = {NAMES[less]: spent[more] - spent[less] for more, less in pairwise(stages)}
    notes = {"gateway": spent["gateway"], **costs, "server: HTTP, sockets, loop": spent[stages[-1]]}
    return Row(
        row="layers",
        name=f"CPU of {kind.name}, gateway and {kind.part} | an ASGI application of one constant",
        unit="µs",
        measured=spent["gateway"] + spent["whole"],
        limit=spent[stages[-1]],
        notes={f"{name}, µs": cost for name, cost in notes.items()}
        | {f"beside it, of PostgreSQL for {kind.part}, µs": spent["postgres"]},
    )
