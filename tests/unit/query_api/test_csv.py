"""Files that a spreadsheet opens without running them (behaviours §6)."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_api.domain.csv import csv_file, defused


@pytest.mark.parametrize("mark", list("=+-@\t\r\n＝＋－＠"))
def test_what_begins_like_a_formula_is_defused(mark: str) -> None:
    assert defused(f"{mark}1+1") == f"'{mark}1+1"
    assert defused(mark) == f"'{mark}"
    assert defused(f"a{mark}") == f"a{mark}"


@pytest.mark.parametrize("number", ["-5", "+3.25", "-1e3", "-.5", "+1.", "-2E-7"])
def test_a_real_number_stays_one(number: str) -> None:
    assert defused(number) == number


@pytest.mark.parametrize("text", ["-5 ", "+49 170 1234", "-", "-1e", "--5", "-0x1", "-٣", "+1\n", "-1,5", "-∞"])
def test_what_only_resembles_a_number_does_not(text: str) -> None:
    assert defused(text) == f"'{text}"


def test_lines_end_as_the_rfc_has_it_and_nothing_is_an_empty_cell() -> None:
    assert (
        csv_file(["a", "b"], [[1, None], ['x"y', "1\n2"], ["", "ü"]]) == 'a,b\r\n1,\r\n"x""y","1\n2"\r\n,ü\r\n'.encode()
    )


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00")), min_size=2, max_size=2)))
def test_what_is_written_is_read_again(rows: list[list[str]]) -> None:
    made = csv_file(["a", "b"], rows).decode()
    read = list(csv.reader(io.StringIO(made, newline=""), strict=True))
    assert read == [["a", "b"], *([defused(cell) for cell in row] for row in rows)]
