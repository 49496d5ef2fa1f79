"""When a delivery is tried again, and when no more."""

import pytest

from webhook_dispatcher.domain.schedule import SCHEDULE, Delivered, GiveUp, Outcome, Retry, next_step

FAILED = Outcome(500, "http", 10)


def test_a_delivery_is_tried_eleven_times_over_three_days_and_more() -> None:
    steps = [next_step(FAILED, attempt, SCHEDULE, 0) for attempt in range(1, 12)]
    assert steps == [*(Retry(delay) for delay in SCHEDULE[1:]), GiveUp()]
    assert sum(SCHEDULE) > 3 * 24 * 3600


@pytest.mark.parametrize("jitter", [-1, 0, 1])
def test_the_third_attempt_comes_within_a_minute_and_no_jitter_goes_beyond_a_fifth(jitter: float) -> None:
    first, second = (next_step(FAILED, attempt, SCHEDULE, jitter) for attempt in (1, 2))
    assert isinstance(first, Retry)
    assert isinstance(second, Retry)
    assert first.delay_s + second.delay_s < 60
    assert 24 <= second.delay_s <= 36


@pytest.mark.parametrize(
    ("asked", "delay"), [(1, 30), (45, 45), (3600, 60), (-5, 30)], ids=["less", "within", "more", "the past"]
)
def test_retry_after_is_honoured_within_one_to_two_times_the_step(asked: float, delay: float) -> None:
    assert next_step(Outcome(429, "http", 10, retry_after_s=asked), 2, SCHEDULE, 0) == Retry(delay)


def test_success_ends_it_410_disables_and_what_is_blocked_stays_so() -> None:
    assert next_step(Outcome(204, None, 10), 1, SCHEDULE, 0) == Delivered()
    assert next_step(Outcome(410, "http", 10), 1, SCHEDULE, 0) == GiveUp(disable=True)
    assert next_step(Outcome(None, "blocked", 0), 1, SCHEDULE, 0) == GiveUp()
