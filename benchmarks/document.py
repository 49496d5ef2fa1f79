"""`python -m benchmarks.document`: write the last results into docs/performance.md, in place of the former ones."""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from benchmarks import report
from localstack.paths import ROOT

PAGE: Final = ROOT / "docs" / "performance.md"
HEADING: Final = "## Results"
CPU: Final = "CPU per event of "
PARTS_OF: Final = f"{CPU}postgres for "
"""What a connection takes of PostgreSQL's share: in `results.json`, too much for the page."""


def section(page: str, results: Mapping[str, Any]) -> str:
    """The page with these results between its heading and the next one. Raises ValueError for a page without it."""
    before, found, after = page.partition(f"{HEADING}\n")
    if not found:
        raise ValueError(f"the page has no heading {HEADING}")
    _, following, rest = after.partition("\n## ")
    return before + found + "\n" + told(results) + (f"\n## {rest}" if following else "")


def told(results: Mapping[str, Any]) -> str:
    """Machine, table, notes and profile, as Markdown."""
    lines = ["Machine: " + "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in results["machine"].items())]
    lines += ["", "| row | what | unit | measured | limit | ratio | goal | |", "|---|---|---|---|---|---|---|---|"]
    for row in results["rows"]:
        number, name, *cells, verdict = report.lines(row)
        verdict = "**not met**" if verdict == "NOT MET" else verdict
        lines.append("| " + " | ".join((number, _name(name), *cells, verdict)).rstrip() + " |")
    for row in results["rows"]:
        if row["notes"]:
            lines += ["", f"Row {row['row']}, {_name(row['name'])}:", ""]
            lines += [f"- {name}: {value}" for name, value in _notes(row["notes"])]
    if results["profile"]:
        lines += ["", *_profile(results["profile"])]
    return "\n".join(lines) + "\n"


def _notes(notes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """As they are, but for the parts' CPU, which are one."""
    parts = {name: value for name, value in notes.items() if name.startswith(CPU)}
    yield from ((name, value) for name, value in notes.items() if name not in parts)
    told_of = {name: value for name, value in parts.items() if not name.startswith(PARTS_OF)}
    if told_of:
        each = (f"{name.removeprefix(CPU).removesuffix(', µs')} {value}" for name, value in told_of.items())
        yield "CPU per event, µs", ", ".join(each)


def _name(name: str) -> str:
    what, _, limit = name.partition(" | ")
    return f"{what} (limit: {limit})" if limit else what


def _profile(profile: Mapping[str, Any]) -> list[str]:
    lines = ["The stations of one event on its way from the append to the view:", ""]
    lines += ["| events/s | station | p50 ms | p99 ms |", "|---|---|---|---|"]
    for rate, stations in profile["stations, ms"].items():
        lines += [f"| {rate} | {name} | {one['p50']} | {one['p99']} |" for name, one in stations.items()]
    for part, shares in profile["share of CPU under creates"].items():
        lines += ["", f"Where `{part}` spends its CPU while tickets are created:", "", "| | share |", "|---|---|"]
        for how in ("by package", "by our functions, with what they call"):
            lines += [f"| {how}: `{name}` | {share:.1%} |" for name, share in shares[how].items()]
    return lines


def main() -> int:
    """The exit code."""
    if not report.RESULTS.exists():
        print("there are no results: run `make bench` first", file=sys.stderr)
        return 1
    results = json.loads(report.RESULTS.read_text(encoding="utf-8"))
    PAGE.write_text(section(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
