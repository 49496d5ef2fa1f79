"""The counters of one process: exact, sliding, and no more than are in use (behaviours §3)."""

import pytest

from helpdesk.http.counting import InMemory

HOUR = 3600
START = 1_000 * HOUR


class Clock:
    """What time it is, in seconds since 1970."""

    now = float(START)

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("helpdesk.http.counting.time.time", clock.time)
    return clock


async def test_so_many_fit_and_what_is_refused_does_not_count(clock: Clock) -> None:
    counters = InMemory()
    assert [(await counters.take("a", 3, HOUR))[0] for _ in range(5)] == [True, True, True, False, False]
    assert (await counters.take("b", 3, HOUR))[1] == (0, 0.0, 1, 2 * HOUR)
    await counters.clear("a", HOUR)
    assert (await counters.take("a", 3, HOUR))[0]


async def test_the_window_before_counts_as_far_as_it_reaches_in(clock: Clock) -> None:
    counters = InMemory()
    for _ in range(4):
        await counters.take("a", 4, HOUR)
    clock.now += HOUR
    assert await counters.take("a", 4, HOUR) == (False, (4, HOUR, 0, 2 * HOUR))
    clock.now += HOUR / 2
    assert [(await counters.take("a", 4, HOUR))[0] for _ in range(3)] == [True, True, False]
    clock.now += 2 * HOUR
    assert (await counters.take("a", 4, HOUR))[1][:3] == (0, 0.0, 1)


async def test_a_clock_that_is_set_back_forgives_nobody(clock: Clock) -> None:
    counters = InMemory()
    await counters.take("a", 1, HOUR)
    clock.now -= HOUR
    assert not (await counters.take("a", 1, HOUR))[0]


async def test_a_clock_that_is_set_back_by_more_keeps_nobody_out_until_it_is_there_again(clock: Clock) -> None:
    counters = InMemory()
    await counters.take("a", 1, HOUR)
    clock.now -= 24 * HOUR
    assert [(await counters.take("a", 1, HOUR))[0] for _ in range(2)] == [True, False]


async def test_who_has_not_called_for_long_takes_no_room(clock: Clock) -> None:
    counters = InMemory()
    for hour in range(20):
        clock.now = START + hour * HOUR
        for number in range(1_000):
            await counters.take(f"{hour}/{number}", 1, HOUR)
    assert len(counters._counters) <= 5_000
