"""Ids: of version 7, new ones and derived ones (contract §2, RFC 9562)."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk.ids import derived_id, milliseconds_of, new_id, of_digest

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOON_MS = 1_772_366_400_000
NAME = UUID("550e8400-e29b-41d4-a716-446655440000")
NAMES = st.lists(st.one_of(st.uuids(), st.text(st.characters(exclude_categories=["Cs"]))), max_size=4).map(tuple)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIMES = st.integers(0, 253_402_300_799_999_999).map(lambda microseconds: EPOCH + timedelta(microseconds=microseconds))


def test_new_ones_sort_behind_old_ones_and_are_of_version_7() -> None:
    made = [new_id() for _ in range(1_000)]
    assert all(earlier < later for earlier, later in pairwise(made))
    assert {(one.version, one.variant) for one in made} == {(7, RFC_4122)}


def test_a_derived_one_never_changes() -> None:
    assert str(derived_id(NOON, NAME, "ticket.closed")) == "019ca945-0a00-77bf-82fd-343a7381ba94"


@given(TIMES, NAMES)
def test_a_derived_one_is_of_version_7_and_has_the_time(at: datetime, names: tuple[UUID | str, ...]) -> None:
    made = derived_id(at, *names)
    assert (made.version, made.variant) == (7, RFC_4122)
    milliseconds = milliseconds_of(made)
    assert milliseconds is not None
    assert timedelta(0) <= at - EPOCH - timedelta(milliseconds=milliseconds)
    assert at - EPOCH < timedelta(milliseconds=milliseconds + 1)
    assert made == derived_id(at, *names)


@given(NAMES, NAMES)
def test_other_names_give_another(some: tuple[UUID | str, ...], others: tuple[UUID | str, ...]) -> None:
    assert (derived_id(NOON, *some) == derived_id(NOON, *others)) is ([*map(str, some)] == [*map(str, others)])


def test_names_do_not_run_together() -> None:
    assert len({derived_id(NOON, *names) for names in (("a", "bc"), ("ab", "c"), ("abc",), ("abc", ""))}) == 4


@given(TIMES, TIMES, NAMES)
def test_derived_ones_sort_by_time(one: datetime, other: datetime, names: tuple[UUID | str, ...]) -> None:
    earlier, later = sorted((one, other))
    if later - earlier >= timedelta(milliseconds=1):
        assert derived_id(earlier, *names) < derived_id(later, *names)


def test_the_same_moment_in_another_zone_or_within_the_millisecond_is_the_same() -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5, minutes=30))) + timedelta(microseconds=999)
    assert derived_id(elsewhere, "a") == derived_id(NOON, "a")
    assert milliseconds_of(derived_id(NOON, "a")) == NOON_MS


@pytest.mark.parametrize(
    ("milliseconds", "kept"), [(-1, 0), (0, 0), (NOON_MS, NOON_MS), (2**48 - 1, 2**48 - 1), (2**48, 2**48 - 1)]
)
def test_a_time_that_48_bits_cannot_hold_is_cut(milliseconds: int, kept: int) -> None:
    made = of_digest(milliseconds, bytes(16))
    assert (milliseconds_of(made), made.version) == (kept, 7)


def test_a_time_before_1970_is_no_error() -> None:
    assert milliseconds_of(derived_id(datetime(1969, 12, 31, tzinfo=UTC), "a")) == 0


def test_only_version_7_tells_a_time() -> None:
    assert milliseconds_of(NAME) is None
    assert milliseconds_of(UUID(int=0)) is None
