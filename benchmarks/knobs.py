"""How much is measured. The defaults take minutes; `QUICK=1` is for trying a change."""

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Knobs:
    """`rounds` windows of each kind, interleaved; `rows` are those to measure, empty for all."""

    rounds: int
    window_s: float
    backlog: int
    rebuild: int
    long_load_s: float
    rows: frozenset[str]
    profile: bool

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> "Knobs":
        """From ROUNDS, QUICK, ROWS (such as `1,3`), PROFILE, REBUILD_EVENTS."""
        quick = environment.get("QUICK", "") not in {"", "0"}
        return cls(
            rounds=int(environment.get("ROUNDS", "3" if quick else "5")),
            window_s=2.0 if quick else 5.0,
            backlog=6_000 if quick else 25_000,
            rebuild=int(environment.get("REBUILD_EVENTS", "50000" if quick else "1000000")),
            long_load_s=10.0 if quick else 60.0,
            rows=frozenset(filter(None, environment.get("ROWS", "").split(","))),
            profile=environment.get("PROFILE", "") not in {"", "0"},
        )

    def wants(self, row: str) -> bool:
        """Whether a row is to be measured."""
        return not self.rows or row in self.rows
