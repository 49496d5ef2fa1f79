"""Cursors: opaque, signed, bound to their list (behaviours §4)."""

import base64
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk.paging.cursor import BadCursor, Cursors, Place, list_name
from helpdesk.paging.order import Order, Sort

CURSORS = Cursors("a secret of sixteen or more")
LIST = list_name("tickets", uuid4())
BOUNDS = datetime(1900, 1, 1), datetime(2900, 1, 1)  # noqa: DTZ001 - Hypothesis adds the zone itself
TIMES = st.datetimes(*BOUNDS, timezones=st.just(UTC))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
KEYS = st.one_of(
    st.tuples(st.sampled_from([Sort.CREATED_AT, Sort.UPDATED_AT]), TIMES),
    st.tuples(st.just(Sort.TITLE), TEXTS),
    st.tuples(st.sampled_from([Sort.STATUS, Sort.PRIORITY]), st.integers(1, 4)),
)


@given(KEYS, st.uuids(), st.booleans(), st.booleans(), st.booleans())
def test_a_cursor_leads_back_to_the_very_place_that_it_was_made_for(
    key: tuple[Sort, datetime | str | int], id_: UUID, descending: bool, backward: bool, inclusive: bool
) -> None:
    by, value = key
    place = Place(Order(by, descending), value, id_, backward, inclusive)
    assert CURSORS.decode(CURSORS.encode(place, LIST), LIST) == place


@given(st.text(max_size=200))
def test_what_this_service_did_not_make_is_refused(cursor: str) -> None:
    with pytest.raises(BadCursor):
        CURSORS.decode(cursor, LIST)


@given(st.data())
def test_a_cursor_with_one_bit_changed_is_refused(data: st.DataObject) -> None:
    cursor = CURSORS.encode(Place(Order(), datetime.now(UTC), uuid4()), LIST)
    raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(BadCursor):
        CURSORS.decode(base64.urlsafe_b64encode(raw).decode().rstrip("="), LIST)


def test_a_cursor_of_another_list_or_another_secret_is_refused() -> None:
    cursor = CURSORS.encode(Place(Order(), datetime.now(UTC), uuid4()), LIST)
    with pytest.raises(BadCursor, match="other filters"):
        CURSORS.decode(cursor, list_name("tickets", uuid4()))
    with pytest.raises(BadCursor, match="none of this service"):
        Cursors("another secret of sixteen").decode(cursor, LIST)
