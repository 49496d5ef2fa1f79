"""What clients call statuses and priorities, and in which order they stand (contract §6)."""

from uuid import uuid4

import pytest

from helpdesk.paging.order import Order, Sort
from helpdesk.paging.window import order_by
from helpdesk.policy import ADMIN, AGENT, USER
from query_api.domain.tickets import sight_of
from query_api.domain.words import PRIORITIES, STATUSES, StatusFilter, priority, status_filter
from query_api.views.tickets import KEYS

PERSON = uuid4()


@pytest.mark.parametrize("word", ["open", "OPEN", " Open "])
def test_a_status_is_known_in_any_letter_case(word: str) -> None:
    assert status_filter(word) == StatusFilter(status="open")


def test_older_words_are_a_way_to_wait_or_to_end() -> None:
    assert status_filter("Cancelled") == StatusFilter(status="closed", resolution="cancelled")
    assert status_filter("PENDING") == StatusFilter(waiting_on="requester")
    assert status_filter("on-hold") == StatusFilter(waiting_on="third_party")
    assert priority("Urgent") == "critical"


def test_any_other_word_is_none_of_ours() -> None:
    assert status_filter("new") is None
    assert priority("asap") is None


def test_words_stand_in_their_natural_order() -> None:
    assert STATUSES == ("open", "in_progress", "resolved", "closed")
    assert PRIORITIES == ("low", "medium", "high", "critical")
    assert "array['low', 'medium', 'high', 'critical']" in order_by(Order(Sort.PRIORITY), KEYS)


def test_a_user_sees_their_own_and_no_internal_note() -> None:
    sight = sight_of(USER, PERSON)
    assert (sight.own, sight.internal) == (PERSON, False)
    assert sight.covers(PERSON)


@pytest.mark.parametrize("role", [AGENT, ADMIN])
def test_the_tenants_people_see_everything_of_it(role: str) -> None:
    sight = sight_of(role, PERSON)
    assert (sight.own, sight.internal) == (None, True)
