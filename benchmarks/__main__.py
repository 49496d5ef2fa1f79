"""`python -m benchmarks`: measure every row on a durable stack of its own, print the table, write `results.json`."""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from benchmarks import append, report
from benchmarks.knobs import Knobs
from benchmarks.machine import machine
from benchmarks.report import Row
from localstack.errors import StackError
from localstack.temporary import temporary_servers


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
    profile: dict[str, Any] = {}
    with temporary_servers(durable=True, say=_say) as servers, ExitStack() as _stack:
        about = machine(servers.new_database("bench_machine"))
        if knobs.wants("1"):
            rows += _told("the append beside pgbench", append.measure(servers, knobs))
    return report.document(rows, about, profile)


def _told(what: str, rows: Sequence[Row]) -> Sequence[Row]:
    _say(f"  {what}: " + ", ".join(f"{row.measured:.4g} {row.unit} ({row.ratio:.2f}×)" for row in rows))
    return rows


def _say(sentence: str) -> None:
    print(sentence, flush=True)


def _tell(results: Mapping[str, Any]) -> None:
    print("\n" + "\n".join(f"{name}: {value}" for name, value in results["machine"].items()) + "\n")
    print(report.table(results["rows"]))


if __name__ == "__main__":
    sys.exit(main())
