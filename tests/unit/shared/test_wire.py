"""The codec: what is written is read again, what is old is lifted, what does not fit is poison that quotes nobody."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk import wire
from helpdesk.events import Event
from helpdesk.events.ticket import TicketRetitled
from helpdesk.wire import Undecodable, decode, encode, type_of
from support.golden import AT, BY

_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
_NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-(2.0**53), 2.0**53, allow_nan=False)
_JSON = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)
_MOMENT = st.datetimes(timezones=st.just(UTC))
st.register_type_strategy(str, _TEXT)
st.register_type_strategy(datetime, _MOMENT)
st.register_type_strategy(int, st.integers(1, 2**31 - 1))
st.register_type_strategy(Mapping, lambda _: st.dictionaries(_TEXT, _JSON, max_size=4))


@pytest.mark.parametrize("cls", sorted(set(wire.WIRE.values()), key=repr))
@given(data=st.data())
def test_every_event_is_read_as_it_was_written(cls: type[Event], data: st.DataObject) -> None:
    event = data.draw(st.from_type(cls))
    encoded = encode(event)
    assert decode(encoded.type, encoded.schema_version, orjson.loads(encoded.data)) == event
    assert type_of(event) == encoded.type


def test_a_stored_time_ends_in_z() -> None:
    encoded = encode(TicketRetitled(title="b", previous="a", by=BY, at=AT))
    assert orjson.loads(encoded.data)["at"] == "2026-01-02T03:04:05.678000Z"


def test_what_has_no_stored_name_is_not_written() -> None:
    @dataclass(frozen=True)
    class Nameless:
        pass

    with pytest.raises(KeyError):
        encode(Nameless())  # type: ignore[arg-type]  # the mistake that is tested


def test_every_class_has_one_stored_name() -> None:
    assert len(set(wire.WIRE.values())) == len(wire.WIRE)


# --- old shapes -------------------------------------------------------------------------------------------------------


def retitled(**fields: object) -> dict[str, object]:
    return {"title": "b", "previous": "a", "by": str(BY), "at": "2026-01-02T03:04:05.678Z"} | fields


def test_an_old_shape_is_lifted_step_by_step() -> None:
    def rename(data: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in data.items() if key != "was"} | {"previous": data["was"]}

    def shorten(data: dict[str, Any]) -> dict[str, Any]:
        return data | {"was": data["was"].strip()}

    old = {"title": "b", "was": " a ", "by": str(BY), "at": "2026-01-02T03:04:05.678Z"}
    upcasters = {("ticket.retitled", -1): shorten, ("ticket.retitled", 0): rename}
    expected = TicketRetitled(title="b", previous="a", by=BY, at=AT)
    assert decode("ticket.retitled", -1, old, upcasters) == expected
    assert decode("ticket.retitled", 0, old | {"was": "a"}, upcasters) == expected
    assert decode("ticket.retitled", 1, retitled(), upcasters) == expected


def test_no_upcaster_leads_from_a_version_that_nobody_can_lift() -> None:
    for type_, version in wire.UPCASTERS:
        assert (type_, version + 1) in wire.WIRE or (type_, version + 1) in wire.UPCASTERS


# --- what cannot be read ----------------------------------------------------------------------------------------------


def test_an_unknown_type_is_none() -> None:
    assert decode("ticket.sung_about", 1, {"any": "thing"}) is None


@pytest.mark.parametrize("version", [0, 2, 99])
def test_an_unknown_version_of_a_known_type_is_poison(version: int) -> None:
    with pytest.raises(Undecodable, match=f"ticket.retitled has no version {version} here"):
        decode("ticket.retitled", version, retitled())


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (retitled(title=7), "title"),
        (retitled(title=None), "title"),
        (retitled(by="Ada's secret"), "by"),
        (retitled(at="Ada's secret"), "at"),
        ({key: value for key, value in retitled().items() if key != "previous"}, "previous"),
        (["Ada's secret"], ""),
        (None, ""),
        ("Ada's secret", ""),
    ],
)
def test_data_that_does_not_fit_is_poison_that_tells_where_and_never_what(data: Any, place: str) -> None:
    with pytest.raises(Undecodable) as poison:
        decode("ticket.retitled", 1, data)
    assert str(poison.value).startswith("ticket.retitled version 1 does not fit: ")
    assert place in str(poison.value)
    assert "Ada" not in str(poison.value)
    assert poison.value.__cause__ is None


def test_what_a_later_writer_added_is_ignored() -> None:
    assert decode("ticket.retitled", 1, retitled(mood="grim")) == TicketRetitled(title="b", previous="a", by=BY, at=AT)
