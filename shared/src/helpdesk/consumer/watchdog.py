"""Ends a process that stands still for no reason that it knows: its supervisor starts it anew."""

import faulthandler
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

log = logging.getLogger(__name__)
EX_SOFTWARE: Final = 70
TICKS: Final = 20


def end_process(name: str, limit_s: float) -> None:
    """Say where every thread stands, and end without asking anybody: whoever could answer is stuck."""
    log.critical("no progress while records wait: the process ends", extra={"consumer": name, "limit_s": limit_s})
    faulthandler.dump_traceback()
    logging.shutdown()
    os._exit(EX_SOFTWARE)


@contextmanager
def watched(
    name: str, limit_s: float, moved_at: Callable[[], float], end: Callable[[str, float], None] = end_process
) -> Iterator[None]:
    """`end` it when `moved_at` has stood still for `limit_s`. In a thread, which no busy loop can starve.

    What counts is the thread's own ticks and not the clock: a process that was suspended for an hour has not failed.
    """
    done = threading.Event()

    def watch() -> None:
        last, stood = moved_at(), 0
        while not done.wait(limit_s / TICKS):
            now = moved_at()
            stood = stood + 1 if now == last else 0
            last = now
            if stood >= TICKS:
                end(name, limit_s)
                return

    threading.Thread(target=watch, name=f"watchdog-{name}", daemon=True).start()
    try:
        yield
    finally:
        done.set()
