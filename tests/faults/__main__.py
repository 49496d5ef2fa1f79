"""`make chaos`: every fault under load, in a new order each round, until the time is over; a report at the end.

`python -m faults --duration 10m --seed 7 [--only words]`. The first round is always finished. Ends with 1 at the
first invariant that does not hold, and leaves the logs of all processes in `.data/chaos`.
"""

import argparse
import asyncio
import random
import shutil
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from faults.catalogue import FAULTS, Harm
from faults.world import CannotRun, World, harmed_stack, world_of
from localstack.paths import DATA
from localstack.stack import Stack

UNITS: Final = {"s": 1, "m": 60, "h": 3600}
WRITERS: Final = 8
THINK_S: Final = 0.15
"""More events in the same time would make each verification longer, not the faults harder."""
LOGS: Final = DATA / "chaos"


@dataclass(slots=True)
class Line:
    """What the report says of one fault."""

    fault: str
    name: str
    harm: Harm
    times: int = 0
    skipped: str | None = None
    failed: bool = False
    lag_s: float = 0.0
    took_s: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        what = f"{self.fault} ({self.name})"
        if self.skipped is not None:
            return f"  {what:<92} skipped: {self.skipped}"
        held = "BROKEN" if self.failed else "held" if self.times else "not run"
        took = f"{sum(self.took_s) / len(self.took_s):6.1f} s each" if self.took_s else ""
        return f"  {what:<92} {self.times:>3} × {held:<7} {took}  lag ≤ {self.lag_s:.2f} s"


def seconds_of(text: str) -> float:
    """`90s`, `10m`, `1h`, or plain seconds. Raises ValueError."""
    return float(text[:-1]) * UNITS[text[-1]] if text[-1:] in UNITS else float(text)


async def _harmed(world: World, line: Line) -> bool:
    """One fault, to the invariants; whether they held."""
    begun, world.lag_s = time.monotonic(), 0.0
    try:
        await line.harm(world)
        await world.holds()
    except CannotRun as reason:
        line.skipped = str(reason)
        return True
    except Exception:
        line.failed = True
        traceback.print_exc()
    line.times += 1
    line.took_s.append(time.monotonic() - begun)
    line.lag_s = max(line.lag_s, world.lag_s)
    print(f"{time.strftime('%H:%M:%S')}{line}", flush=True)
    return not line.failed


async def _rounds(world: World, lines: Sequence[Line], until: float) -> bool:
    while True:
        for line in world.random.sample(lines, len(lines)):
            wanted = line.skipped is None and (line.times == 0 or time.monotonic() < until)
            if wanted and not await _harmed(world, line):
                return False
        if time.monotonic() >= until:
            return True


async def _run(stack: Stack, lines: Sequence[Line], duration_s: float, seed: int) -> bool:
    begun = time.monotonic()
    async with world_of(stack, seed, writers=WRITERS, think_s=THINK_S, long=True) as world:
        held = await _rounds(world, lines, begun + duration_s)
    minutes = (time.monotonic() - begun) / 60
    print(f"\n{minutes:.1f} minutes, seed {seed}, {sum(line.times for line in lines)} faults:")
    print("\n".join(map(str, lines)))
    print("  lag: of the views, the worst of the latest 500 events at any look, five times a second")
    print(f"  load: {world.load.figures.summary()}")
    for what, figures in world.measured.items():
        took = sorted(figures)
        p50, p99 = took[len(took) // 2], took[len(took) * 99 // 100]
        print(f"  {what}: p50 {p50:.1f}, p99 {p99:.1f}, at most {took[-1]:.1f}, of {len(took)} under load")
    print(f"  {'all invariants held after every fault' if held else 'AN INVARIANT WAS BROKEN: see above'}")
    return held


def main() -> int:
    """0 when everything held."""
    parser = argparse.ArgumentParser("faults", description="Every fault, under load, again and again.")
    parser.add_argument("--duration", type=seconds_of, default="10m", help="such as 90s, 10m, 1h")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))
    parser.add_argument("--only", default="", help="faults whose name holds this")
    asked = parser.parse_args()
    lines = [
        Line(fault.name, name, harm)
        for fault in FAULTS
        for name, harm in fault.stack.items()
        if asked.only in f"{fault.name} {name}"
    ]
    print(f"seed {asked.seed}: {len(lines)} faults for {asked.duration / 60:g} minutes or one round", flush=True)
    with harmed_stack() as stack:
        held = asyncio.run(_run(stack, lines, asked.duration, asked.seed))
        if not held:
            shutil.rmtree(LOGS, ignore_errors=True)
            shutil.copytree(stack.servers.folder / "logs", LOGS)
            print(f"The logs of all processes are in {LOGS}.")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
