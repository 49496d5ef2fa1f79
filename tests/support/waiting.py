"""Waiting on conditions; a fixed sleep is either too long or too short."""

import time
from collections.abc import Callable


def until(condition: Callable[[], object], timeout: float = 10.0) -> None:
    """Return when it holds, fail when it has not within the time."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
