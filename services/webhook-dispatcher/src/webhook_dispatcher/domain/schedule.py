"""What follows from an attempt (behaviours §7): the schedule is data, the step is arithmetic."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

MINUTE: Final = 60.0
HOUR: Final = 3600.0
SCHEDULE: Final = (
    0.0, 5.0, 30.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR,
)  # fmt: skip
"""Seconds before each attempt. With the jitter the third is made within a minute of the first, which contract §9
promises for every failure; therefore no status waits longer than its step says."""
SPREAD: Final = 0.2

ErrorClass: TypeAlias = Literal["dns", "connect", "tls", "timeout", "http", "blocked"]
GONE: Final = 410


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended: `status` when there was an answer, `error` when it was no success.

    `retry_after_s` is what the receiver asked for; `head` is what is kept of its answer.
    """

    status: int | None
    error: ErrorClass | None
    latency_ms: int
    head: str = ""
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """It is done."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Again after so many seconds."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Never again by itself; `disable`: the receiver said that nobody lives there any more (410)."""

    disable: bool = False


Step: TypeAlias = Delivered | Retry | GiveUp


def next_step(outcome: Outcome, attempt: int, schedule: Sequence[float], jitter: float) -> Step:
    """What follows from the `attempt`th attempt (from 1); `jitter` is drawn from -1 … 1.

    `Retry-After` is honoured within one to two times the step. What is blocked stays blocked, so it isn't tried again.
    """
    if outcome.error is None:
        return Delivered()
    if outcome.error == "blocked":
        return GiveUp()
    if outcome.status == GONE:
        return GiveUp(disable=True)
    if attempt >= len(schedule):
        return GiveUp()
    step = schedule[attempt]
    delay = step * (1 + SPREAD * jitter)
    if outcome.retry_after_s is not None:
        delay = max(delay, min(max(outcome.retry_after_s, step), 2 * step))
    return Retry(delay)
