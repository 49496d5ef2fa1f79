"""Rows, as a table for people and as JSON for machines."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

RESULTS: Final = Path(__file__).parent / "results.json"
REQUIRED: Final = ("row", "name", "unit", "measured", "limit", "ratio", "goal", "met")
"""What every row of `results.json` has; the names of `notes` are the row's own."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound of the ratio."""

    bound: Literal["≥", "≤"]
    ratio: float

    def met(self, ratio: float) -> bool:
        """Whether a ratio keeps to it."""
        return ratio >= self.ratio if self.bound == "≥" else ratio <= self.ratio

    def __str__(self) -> str:
        return f"{self.bound} {self.ratio:g}×"


@dataclass(frozen=True, slots=True)
class Row:
    """One line: what was measured beside what the machine allows. `notes` are figures for information."""

    row: str
    name: str
    unit: str
    measured: float
    limit: float
    goal: Goal | None = None
    notes: Mapping[str, float | int | str] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Measured, in units of the limit."""
        return self.measured / self.limit

    @property
    def met(self) -> bool | None:
        """None for a row without a goal."""
        return None if self.goal is None else self.goal.met(self.ratio)

    def plain(self) -> dict[str, Any]:
        """As it stands in `results.json`."""
        return {
            **asdict(self),
            "measured": _rounded(self.measured),
            "limit": _rounded(self.limit),
            "ratio": round(self.ratio, 3),
            "goal": None if self.goal is None else str(self.goal),
            "met": self.met,
            "notes": {
                name: _rounded(value) if isinstance(value, float) else value for name, value in self.notes.items()
            },
        }


def _rounded(value: float) -> float:
    """Three digits behind the first that counts, or whole numbers."""
    return round(value) if abs(value) >= 1000 else float(f"{value:.4g}")


HEADINGS: Final = ("#", "what", "unit", "measured", "limit", "ratio", "goal", "")


def lines(plain: Mapping[str, Any]) -> tuple[str, ...]:
    """One row of the table, from its plain form."""
    verdict = {None: "", True: "met", False: "NOT MET"}[plain["met"]]
    figures = (f"{plain['measured']:g}", f"{plain['limit']:g}", f"{plain['ratio']:.2f}")
    return (plain["row"], plain["name"], plain["unit"], *figures, plain["goal"] or "", verdict)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows in columns, each row's notes below it."""
    body = [lines(row) for row in rows]
    widths = [max(len(line[place]) for line in (HEADINGS, *body)) for place in range(len(HEADINGS))]
    told = [_columns(HEADINGS, widths), "  ".join("-" * width for width in widths)]
    for row, line in zip(rows, body, strict=True):
        told.append(_columns(line, widths))
        told += [f"{'':{widths[0]}}    {name}: {value}" for name, value in row["notes"].items()]
    return "\n".join(told)


def _columns(line: Sequence[str], widths: Sequence[int]) -> str:
    right = {"measured", "limit", "ratio"}
    cells = [
        f"{cell:>{width}}" if heading in right else f"{cell:<{width}}"
        for cell, width, heading in zip(line, widths, HEADINGS, strict=True)
    ]
    return "  ".join(cells).rstrip()


def document(rows: Sequence[Row], machine: Mapping[str, Any], profile: Mapping[str, Any]) -> dict[str, Any]:
    """The whole of `results.json`."""
    return {"machine": dict(machine), "rows": [row.plain() for row in rows], "profile": dict(profile)}


def write(results: Mapping[str, Any]) -> None:
    """Keep the last run."""
    RESULTS.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
