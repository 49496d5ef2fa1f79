"""How much is measured. The defaults take minutes; `QUICK=1` is for trying a change, `FULL=1` for what is published."""

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Knobs:
    """`rounds` windows of each kind, interleaved, each of `window_s`. `backlog`: events of one round of catching up;
    those of all rounds are rebuilt at the end. `rows` are those to measure, empty for all."""

    rounds: int
    window_s: float
    backlog: int
    long_load_s: float
    rows: frozenset[str]
    profile: bool

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> "Knobs":
        """From ROUNDS, QUICK, FULL, ROWS (such as `1,3`), PROFILE."""
        quick, full, profile = (environment.get(name, "") not in {"", "0"} for name in ("QUICK", "FULL", "PROFILE"))
        rounds = int(environment.get("ROUNDS", "3" if quick else "5"))
        return cls(
            rounds=rounds,
            window_s=2.0 if quick else 4.0,
            backlog=5_000 if quick else 1_000_000 // rounds if full else 100_000,
            long_load_s=10.0 if quick else 60.0,
            rows=frozenset(filter(None, environment.get("ROWS", "").split(","))),
            profile=profile,
        )

    def wants(self, row: str) -> bool:
        """Whether a row is to be measured."""
        return not self.rows or row in self.rows
