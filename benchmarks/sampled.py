"""A service under a sampling profiler: `python -m benchmarks.sampled FILE MODULE ARGUMENT…`.

From SIGUSR1 on the stack is looked at every millisecond of CPU time; what a C function takes is its Python caller's.
The samples stand in FILE when the process has ended.
"""

import json
import runpy
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final

INTERVAL_S: Final = 0.001
DEPTH: Final = 80


class Samples:
    """How often each function was at work itself, and how often it was anywhere on the stack."""

    def __init__(self) -> None:
        self.total = 0
        self.itself: Counter[str] = Counter()
        self.package: Counter[str] = Counter()
        self.within: Counter[str] = Counter()

    def take(self, _: int, frame: FrameType | None) -> None:
        """One look; a signal handler."""
        stack = list(_stack(frame))
        if not stack:
            return
        self.total += 1
        self.itself[_name(stack[0])] += 1
        self.package[_package(stack[0])] += 1
        self.within.update({_name(one) for one in stack})

    def write(self, file: Path) -> None:
        """Counts, the most frequent first."""
        plain = {
            "samples": self.total,
            "by_package": dict(self.package.most_common(20)),
            "by_function_itself": dict(self.itself.most_common(40)),
            "by_function_with_callees": dict(self.within.most_common(120)),
        }
        file.write_text(json.dumps(plain, indent=2), encoding="utf-8")


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    for _ in range(DEPTH):
        if frame is None:
            return
        yield frame
        frame = frame.f_back


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "?"))


def _name(frame: FrameType) -> str:
    return f"{_module(frame)}.{frame.f_code.co_qualname}"


def _package(frame: FrameType) -> str:
    return _module(frame).partition(".")[0]


def main(file: str, module: str, *arguments: str) -> None:
    """Run the module as `python -m` would, looked at."""
    samples = Samples()
    signal.signal(signal.SIGPROF, samples.take)
    signal.signal(signal.SIGUSR1, lambda *_: signal.setitimer(signal.ITIMER_PROF, INTERVAL_S, INTERVAL_S))
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        samples.write(Path(file))


if __name__ == "__main__":
    main(*sys.argv[1:])
