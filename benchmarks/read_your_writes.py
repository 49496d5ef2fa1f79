"""What it costs to see one's own write: a create whose answer waits for its view, beside one that is answered at once.

One client at low load, through the gateway, the kinds in turn, so that all meet the same machine.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Final

import uvloop

from benchmarks.create import AT_ONCE, creates
from benchmarks.kafka import Echo, echo
from benchmarks.knobs import Knobs
from benchmarks.load import Client
from benchmarks.report import Goal, Row
from benchmarks.stats import Spread
from benchmarks.system import System

BOUND_MS: Final = 25.0
WARM_UP: Final = 20


def measure(system: System, knobs: Knobs) -> list[Row]:
    """With all consumers running and nothing else to do."""
    return uvloop.run(_measure(system, knobs))


async def _measure(system: System, knobs: Knobs) -> list[Row]:
    client = await Client.open(system.gateway_port)
    waiting, at_once = (creates(system.tokens[:1], *headers)[0] for headers in ((), (AT_ONCE,)))
    port = system.gateway_port
    async with echo(system.stack.kafka_bootstrap) as kafka:
        kinds: dict[str, Callable[[], Awaitable[None]]] = {
            "visible": lambda: _created(client, waiting.encoded(port)),
            "at once": lambda: _created(client, at_once.encoded(port)),
            "kafka": lambda: _echoed(kafka),
        }
        times: dict[str, list[float]] = {name: [] for name in kinds}
        for number in range(WARM_UP + 60 * knobs.rounds):
            for name, one in kinds.items():
                started = time.perf_counter()
                await one()
                if number >= WARM_UP:
                    times[name].append((time.perf_counter() - started) * 1000)
    client.close()
    spreads = {name: Spread.of(found) for name, found in times.items()}
    return [
        Row(
            row="–",
            name=f"a write's wait for its own view at low load, p50 | the bound of {BOUND_MS:g} ms",
            unit="ms",
            measured=spreads["visible"].p50 - spreads["at once"].p50,
            limit=BOUND_MS,
            goal=Goal("≤", 1.0),
            notes={
                f"{what}, {which} ms": value
                for what, name in (
                    ("create answered when visible", "visible"),
                    ("create answered at once", "at once"),
                    ("Kafka alone, produce → consume", "kafka"),
                )
                for which, value in (("p50", spreads[name].p50), ("p99", spreads[name].p99))
            },
        )
    ]


async def _created(client: Client, request: bytes) -> None:
    status = await client.ask(request)
    if status != 201 or client.behind:
        raise RuntimeError(f"a create was answered with {status}, {client.behind} before their view")


async def _echoed(kafka: Echo) -> None:
    await kafka.once()
