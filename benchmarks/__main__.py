"""`python -m benchmarks`: measure every row on a durable stack of its own, print the table, write `results.json`."""

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final

from benchmarks import append, catch_up, create, lag, layers, memory, profile, read_your_writes, report
from benchmarks.knobs import Knobs
from benchmarks.machine import machine
from benchmarks.report import Row
from benchmarks.system import System, running
from localstack.errors import StackError
from localstack.temporary import temporary_servers

SYSTEM: Final = ("2", "3", "4", "7", "layers")
"""Rows that need all services; the append is measured before they start."""


def main() -> int:
    """The exit code: 0 when everything was measured, whether or not the goals are met."""
    os.environ.pop("EXTERNAL_DATABASE_URL", None)  # what is measured is a server of our own, with nothing else on it
    knobs, begun = Knobs.of(), time.monotonic()
    try:
        results = _measured(knobs)
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    report.write(results)
    _tell(results)
    print(f"\n{time.monotonic() - begun:.0f} s; written to {report.RESULTS.relative_to(report.RESULTS.parents[1])}")
    return 0


def _measured(knobs: Knobs) -> Mapping[str, Any]:
    rows: list[Row] = []
    found: dict[str, Any] = {}
    with temporary_servers(durable=True, say=_say) as servers, ExitStack() as stack:
        about = machine(servers.new_database("bench_machine"))
        if knobs.wants("1"):
            rows += _told("the append beside pgbench", append.measure(servers, knobs))
        if knobs.profile or any(map(knobs.wants, SYSTEM)):
            system = stack.enter_context(running(servers))
            rows += _of_the_system(system, knobs)
            if knobs.profile:
                found = profile.measure(system, knobs)
    return report.document(rows, about, found)


def _of_the_system(system: System, knobs: Knobs) -> list[Row]:
    """In this order: what counts quiet milliseconds before what fills the tables."""
    rows: list[Row] = []
    idle = memory.idle(system)
    if knobs.wants("3"):
        rows += _told("a write's wait for its own view", read_your_writes.measure(system, knobs))
        rows += _told("from append to view", lag.measure(system, knobs))
    if knobs.wants("2"):
        rows += _told("a create over HTTP", create.measure(system, knobs))
    if knobs.wants("layers"):
        rows += _told("what each layer of a request costs", layers.measure(system, knobs))
    if knobs.wants("7"):
        rows += _told("memory", memory.measure(system, knobs, idle))
    if knobs.wants("4"):
        rows += _told("catch-up beside COPY", catch_up.measure(system, knobs))
    return sorted(rows, key=lambda row: row.row)


def _told(what: str, rows: Sequence[Row]) -> Sequence[Row]:
    _say(f"  {what}: " + ", ".join(f"{row.measured:.4g} {row.unit} ({row.ratio:.2f}×)" for row in rows))
    return rows


def _say(sentence: str) -> None:
    print(sentence, flush=True)


def _tell(results: Mapping[str, Any]) -> None:
    print("\n" + "\n".join(f"{name}: {value}" for name, value in results["machine"].items()) + "\n")
    print(report.table(results["rows"]))
    if results["profile"]:
        print("\n" + json.dumps(results["profile"], indent=2, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(main())
