"""Digests: a commitment to each personal field that tells nothing without its salt, and proves everything with it."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk import digests, wire
from helpdesk.events import Event
from helpdesk.events.personal import personal_fields
from helpdesk.events.ticket import CommentAdded, TicketRetitled
from support.golden import AT, BY, COMMENT, EXPECTED

EVENTS = sorted(EXPECTED.items())


def comment(content: str) -> CommentAdded:
    return CommentAdded(comment_id=COMMENT, content=content, is_internal=False, by=BY, at=AT)


@pytest.mark.parametrize(("name", "event"), EVENTS)
def test_every_personal_field_that_holds_something_has_a_digest_and_no_other_has(
    name: tuple[str, int], event: Event
) -> None:
    found = digests.commitments(event)
    holding = [field for field in personal_fields(event) if getattr(event, field)]
    assert list(found.get("digests", {})) == holding
    assert (found == {}) == (not holding)


@pytest.mark.parametrize(("name", "event"), EVENTS)
def test_the_stored_event_proves_its_own_digests(name: tuple[str, int], event: Event) -> None:
    metadata = orjson.loads(orjson.dumps(digests.commitments(event)))
    stored = wire.decode(*name, orjson.loads(wire.encode(event).data))
    assert stored is not None
    assert digests.broken(stored, metadata) == []


@given(st.text(min_size=1), st.text())
def test_another_text_breaks_the_digest(first: str, second: str) -> None:
    broken = digests.broken(comment(second), digests.commitments(comment(first)))
    assert broken == ([] if first == second else ["content"])


def test_text_where_nothing_stood_breaks_the_event() -> None:
    nothing = digests.commitments(TicketRetitled(title="b", previous="", by=BY, at=AT))
    assert digests.broken(TicketRetitled(title="b", previous="a", by=BY, at=AT), nothing) == ["previous"]


def test_without_its_salt_an_event_says_nothing_but_the_keeper_of_a_copy_proves_the_text() -> None:
    stored = digests.commitments(comment("Call me: 0123"))
    salt = bytes.fromhex(stored.pop("salt"))
    assert digests.broken(comment(""), stored) == []
    assert digests.proves(stored, salt, "content", "Call me: 0123")
    assert not digests.proves(stored, salt, "content", "Call me: 0124")
    assert not digests.proves(stored, bytes(16), "content", "Call me: 0123")


def test_equal_texts_have_unlike_digests() -> None:
    """In one event and in two: nobody sees from the digests that two people wrote the same."""
    same = digests.commitments(TicketRetitled(title="a", previous="a", by=BY, at=AT))["digests"]
    again = digests.commitments(TicketRetitled(title="a", previous="a", by=BY, at=AT))["digests"]
    assert len({*same.values(), *again.values()}) == 4


def test_the_order_of_keys_is_no_difference() -> None:
    salt = bytes(16)
    assert digests.digest(salt, "metadata", {"a": 1, "b": 2}) == digests.digest(salt, "metadata", {"b": 2, "a": 1})
