"""One name becomes two (contract §4)."""

import pytest

from helpdesk.people import first_name, last_name


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("Ada Lovelace", "Ada", "Lovelace"),
        ("Ada King of Lovelace", "Ada", "King of Lovelace"),
        ("Ada", "Ada", ""),
        (" Ada Lovelace  ", "Ada", "Lovelace"),
        ("  Ada ", "Ada", ""),
        ("", "", ""),
    ],
)
def test_a_name_is_split_at_its_first_space(name: str, first: str, last: str) -> None:
    assert (first_name(name), last_name(name)) == (first, last)
