"""What is told of many measurements: the median of windows, the percentiles within one."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of 100 of them do not exceed. Raises ValueError for none at all."""
    if not values:
        raise ValueError("there is no percentile of nothing")
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


@dataclass(frozen=True, slots=True)
class Spread:
    """One window's times: middle and tail, in the unit that went in."""

    p50: float
    p99: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Raises ValueError for none at all."""
        return cls(percentile(values, 50), percentile(values, 99))


def median(values: Iterable[float]) -> float:
    """The middle of the windows: one that was disturbed does not count."""
    return statistics.median(values)


def middle(spreads: Sequence[Spread]) -> Spread:
    """The median window, for the middle and for the tail."""
    return Spread(median(one.p50 for one in spreads), median(one.p99 for one in spreads))
