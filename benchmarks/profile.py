"""Where the time goes: the stations of an event on its way to the view, and the functions behind it."""

import asyncio
import json
import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import uvloop

from benchmarks import lag, load
from benchmarks.create import CLIENTS, creates
from benchmarks.knobs import Knobs
from benchmarks.system import System

RATES: Final = (20.0, 100.0, 300.0)
LOOKED_AT: Final = {
    "command-api": ("command_api", "serve"),
    "command-api-relay": ("command_api", "relay"),
    "projector": ("projector", "run"),
}
OURS: Final = ("command_api", "helpdesk", "projector")
TOP: Final = 14


def measure(system: System, knobs: Knobs) -> dict[str, Any]:
    """Both; kept in `results.json`."""
    stations = {f"{rate:g} events/s": uvloop.run(lag.stages(system, rate, knobs.window_s)) for rate in RATES}
    cpu = {name: _sampled(system, knobs, name, entry) for name, entry in LOOKED_AT.items()}
    return {"stations, ms": stations, "share of CPU under creates": cpu}


def _sampled(system: System, knobs: Knobs, name: str, entry: tuple[str, ...]) -> dict[str, Any]:
    """One part under the sampler, while clients create tickets."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "samples.json"
        with system.instead(name, ("benchmarks.sampled", str(file), *entry)) as child:
            load_ = creates(system.tokens)
            asyncio.run(load.run(system.command_port, load_, CLIENTS, 2.0))  # until it has found its place
            child.kill(signal.SIGUSR1)
            asyncio.run(load.run(system.command_port, load_, CLIENTS, knobs.window_s * 2))
        samples: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    total = samples["samples"]
    ours = {name: n for name, n in samples["by_function_with_callees"].items() if name.startswith(OURS)}
    return {
        "by package": _shares(samples["by_package"], total),
        "by function, itself": _shares(samples["by_function_itself"], total),
        "by our functions, with what they call": _shares(ours, total),
    }


def _shares(counts: Mapping[str, int], total: int) -> dict[str, float]:
    most = sorted(counts.items(), key=lambda item: -item[1])[:TOP]
    return {name: round(count / total, 3) for name, count in most}
