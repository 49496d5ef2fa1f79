"""The catalogue is complete and true: each fault has its tests, and each test exists."""

import ast
from pathlib import Path

import pytest

from faults.catalogue import FAULTS, Fault

ENGINE = Path(__file__).parents[1] / "integration" / "engine"


def test_every_fault_is_done_to_the_whole_stack() -> None:
    assert [fault.name for fault in FAULTS if not fault.stack] == []
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("fault", [one for one in FAULTS if one.engine], ids=lambda fault: fault.name)
def test_the_engines_tests_of_it_exist(fault: Fault) -> None:
    for place in fault.engine:
        file, _, name = place.partition("::")
        tree = ast.parse((ENGINE / file).read_text(encoding="utf-8"))
        functions = {one.name for one in tree.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert name in functions


def test_each_way_to_harm_says_what_must_hold() -> None:
    assert [name for fault in FAULTS for name, harm in fault.stack.items() if not harm.__doc__] == []
