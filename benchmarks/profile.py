"""Where the time goes: the stations of an event on its way to the view, and the functions behind a create."""

import asyncio
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import uvloop

from benchmarks import lag, load
from benchmarks.create import CLIENTS, creates
from benchmarks.knobs import Knobs
from benchmarks.system import System
from localstack.ports import Ports

RATES: Final = (20.0, 100.0, 300.0)
OURS: Final = ("command_api", "helpdesk")
TOP: Final = 12


def measure(system: System, knobs: Knobs) -> dict[str, Any]:
    """Both; the whole of it is kept in `results.json`."""
    found: dict[str, Any] = {"stations, ms": {}}
    for rate in RATES:
        found["stations, ms"][f"{rate:g} events/s"] = uvloop.run(lag.stages(system, rate, knobs.window_s))
    found["command-api, share of CPU"] = _create(system, knobs)
    return found


def _create(system: System, knobs: Knobs) -> dict[str, Any]:
    """A second command API, looked at while it serves creates."""
    with tempfile.TemporaryDirectory() as folder:
        file, port = Path(folder) / "samples.json", Ports.free().command_api
        with system.beside("sampled", ("benchmarks.sampled", str(file), "command_api", "serve"), port):
            asyncio.run(load.run(port, creates(system.tokens), CLIENTS, knobs.window_s * 2))
            asyncio.run(system.settled())
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
