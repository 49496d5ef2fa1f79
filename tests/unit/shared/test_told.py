"""A note names all streams that were reached, or none."""

from uuid import UUID

import pytest

from helpdesk import told
from helpdesk.recorded import Stream


def reached(count: int) -> list[tuple[Stream, int]]:
    return [(Stream(UUID(int=1), "ticket", UUID(int=n)), n) for n in range(1, count + 1)]


@pytest.mark.parametrize("count", [1, 2, 90])
def test_what_a_note_says_is_heard(count: int) -> None:
    streams = reached(count)
    assert list(told.heard(told.note(streams))) == [(told.name_of(stream), version) for stream, version in streams]


def test_a_note_is_as_long_as_it_may_be_and_no_longer() -> None:
    lengths = [len(told.note(reached(count))) for count in range(1, 200)]
    longest = max(lengths)
    assert longest <= told.LONGEST < longest + len(told.name_of(reached(1)[0][0])) + 10
    assert lengths[-1] == 0
    assert told.note([]) == ""
