"""What benchmarks make of their measurements; the figures themselves are nobody's test."""

import asyncio
import json
import time
from typing import Any
from uuid import uuid4

import pytest

from benchmarks import layers, report
from benchmarks.document import HEADING, section
from benchmarks.history import EVENTS, lived
from benchmarks.knobs import Knobs
from benchmarks.load import Request
from benchmarks.openloop import at_rate
from benchmarks.peeled import PEELED, without
from benchmarks.pgbench import _literal
from benchmarks.report import Goal, Row
from benchmarks.stats import Spread, middle, percentile


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert (percentile(values, 50), percentile(values, 99), percentile(values, 100)) == (50.0, 99.0, 100.0)
    assert percentile([7.0], 99) == 7.0
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 50)


def test_one_disturbed_window_does_not_count() -> None:
    calm = Spread(1.0, 2.0)
    assert middle([calm, Spread(90.0, 900.0), calm]) == calm


@pytest.mark.parametrize(
    ("goal", "measured", "met"),
    [(Goal("≥", 1.0), 10.0, True), (Goal("≥", 1.0), 9.9, False), (Goal("≤", 2.5), 25.0, True), (None, 1.0, None)],
)
def test_a_goal_bounds_the_ratio(goal: Goal | None, measured: float, met: bool | None) -> None:
    row = Row("1", "appends", "appends/s", measured, limit=10.0, goal=goal)
    assert row.met is met
    assert row.plain()["ratio"] == pytest.approx(measured / 10)


def test_results_have_what_readers_need() -> None:
    row = Row("2", "creates", "µs", 1234.5678, 0.98765432, Goal("≤", 2.5), notes={"p50 ms": 1.23456, "who": "me"})
    written = json.loads(json.dumps(report.document([row], {"cores": 2}, {})))
    assert_whole(written)
    (plain,) = written["rows"]
    assert (plain["measured"], plain["limit"], plain["goal"], plain["met"]) == (1235, 0.9877, "≤ 2.5×", False)
    assert plain["notes"] == {"p50 ms": 1.235, "who": "me"}
    told = report.table(written["rows"])
    assert "NOT MET" in told
    assert "who: me" in told


@pytest.mark.skipif(not report.RESULTS.exists(), reason="`make bench` did not run in this clone")
def test_the_results_of_the_last_run_are_whole() -> None:
    assert_whole(json.loads(report.RESULTS.read_text(encoding="utf-8")))


def assert_whole(results: dict[str, Any]) -> None:
    assert results.keys() == {"machine", "rows", "profile"}
    assert results["rows"]
    for row in results["rows"]:
        assert set(report.REQUIRED) <= row.keys()
        assert row["ratio"] == pytest.approx(row["measured"] / row["limit"], rel=0.05, abs=0.001)
        assert (row["goal"] is None) == (row["met"] is None)


def test_the_page_is_written_from_the_results() -> None:
    results = report.document([Row("1", "a | b", "appends/s", 9.0, 10.0, Goal("≥", 1.0))], {"cores": 2}, {})
    page = section(f"before\n\n{HEADING}\n\nold\n\n## After\n\nstays\n", results)
    assert page.startswith(f"before\n\n{HEADING}\n")
    assert "old" not in page
    assert page.endswith("## After\n\nstays\n")
    assert "| 1 | a (limit: b) | appends/s | 9 | 10 | 0.90 | ≥ 1× | **not met** |" in page


def test_knobs_come_from_the_environment() -> None:
    usual, quick, full = (Knobs.of({name: "1"}) for name in ("", "QUICK", "FULL"))
    assert quick.window_s < usual.window_s
    assert quick.rounds < usual.rounds
    assert full.backlog * full.rounds == 1_000_000
    assert usual.wants("4")
    chosen = Knobs.of({"ROWS": "1,3"})
    assert [chosen.wants(row) for row in "1234"] == [True, False, True, False]


def test_pgbench_finds_no_variables_in_what_is_inserted() -> None:
    assert _literal('{"a":null,"at":"12:00:00Z","it\'s":true}') == """'{"a": null,"at":"12:00:00Z","it''s": true}'"""


def test_a_request_says_how_long_its_body_is() -> None:
    encoded = Request("POST", "/x", "t", body="ä", headers=(("Prefer", "respond-async"),)).encoded(80)
    head, _, body = encoded.partition(b"\r\n\r\n")
    assert body == "ä".encode()
    assert b"Content-Length: 2" in head
    assert b"Prefer: respond-async" in head


async def test_arrivals_do_not_wait_for_answers() -> None:
    async def slow() -> float:
        begun = time.perf_counter()
        await asyncio.sleep(0.2)
        return begun

    begun = time.perf_counter()
    times = await at_rate(slow, rate=200, seconds=0.2)
    assert len(times) > 10
    assert max(times) - begun < 0.4


async def test_a_history_is_appended_life_by_life() -> None:
    versions: dict[Any, int] = {}

    class Store:
        async def append(self, _: Any, appends: Any, __: Any) -> None:
            for one in appends:
                assert versions.get(one.stream, 0) == one.expected_version
                versions[one.stream] = one.expected_version + len(one.events)

    store: Any = Store()
    assert await lived(store, uuid4(), 100) == 100
    assert set(versions.values()) == {EVENTS}
    assert len(versions) == 100 // EVENTS


def test_every_layer_that_is_taken_off_has_a_name_in_the_table() -> None:
    assert set(layers.NAMES) == set(PEELED)
    assert [layer for layer in PEELED if without("limits", layer)] == ["view", "store", "limits"]
