"""What of a batch may be applied: behind the guard nothing, beyond it a gap, of a command all or nothing."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk.bus.envelope import Unreadable
from helpdesk.consumer.batch import Diverged, Gap, Guard, Park, Received, Sorted, streams_of
from helpdesk.consumer.batch import sort as sorted_by_guards
from helpdesk.recorded import Cursor, RecordedEvent, Stream
from support.records import EPOCH, NOON, log, received, stream

A, B = stream(1), stream(2)


def sort(received: Sequence[Received], versions: Mapping[Stream, int]) -> Sorted:
    return sorted_by_guards(received, {stream: Guard(version) for stream, version in versions.items()})


def versions_of(done: Sequence[RecordedEvent]) -> list[int]:
    return [one.version for one in done]


def test_the_next_events_are_taken() -> None:
    done = sort([received(A, 3, offset=0), received(A, 4, offset=1)], {A: 2})
    (batch,) = done.batches
    assert (batch.stream, batch.from_version, batch.to_version, versions_of(batch.events)) == (A, 2, 4, [3, 4])
    assert done.tail == []


def test_what_was_applied_before_is_dropped() -> None:
    assert sort([received(A, 1), received(A, 2)], {A: 2}).batches == []


def test_a_record_that_comes_twice_in_one_batch_is_taken_once() -> None:
    again = [received(A, 1, offset=0), received(A, 2, offset=1), received(A, 1, offset=2), received(A, 2, offset=3)]
    (batch,) = sort(again, {}).batches
    assert versions_of(batch.events) == [1, 2]


def test_a_missing_version_is_a_gap_that_names_the_stream() -> None:
    done = sort([received(A, 1), received(A, 3), received(B, 1)], {})
    assert done.gaps == [Gap(A, 0, 3)]
    assert str(done.gaps[0]) == f"{A} is applied up to version 0 and what came is not all up to 3"


def test_a_stream_that_was_never_seen_begins_at_one() -> None:
    assert sort([received(A, 2)], {}).gaps == [Gap(A, 0, 2)]


def test_an_event_that_cannot_be_read_parks_its_stream_when_its_turn_comes_and_no_other() -> None:
    unreadable = Unreadable(A, 2, Cursor(1, 2), UUID(int=2), 0, NOON, "no such version")
    bad = Received(0, 1, unreadable, EPOCH)
    done = sort([received(A, 1), bad, received(A, 3, offset=2), received(B, 1, offset=3)], {})
    assert done.parks == [Park(A, 2, "no such version")]
    assert [(batch.stream, versions_of(batch.events)) for batch in done.batches] == [(A, [1]), (B, [1])]
    assert not done.tail
    assert not sort([bad], {A: 2}).parks
    assert sort([bad], {}).gaps == [Gap(A, 0, 2)]


def test_half_a_command_before_an_unreadable_event_waits_with_it() -> None:
    unreadable = Unreadable(A, 2, Cursor(1, 2), UUID(int=2), 0, NOON, "no such version")
    done = sort([received(A, 1, remaining=1), Received(0, 1, unreadable, EPOCH)], {})
    assert (done.batches, done.tail) == ([], [])
    assert done.parks


def test_events_of_a_parked_stream_are_left_to_the_store() -> None:
    done = sorted_by_guards([received(A, 7), received(B, 1)], {}, {A})
    assert ([batch.stream for batch in done.batches], done.gaps, done.tail) == ([B], [], [])


def test_another_event_at_the_guards_version_is_another_history() -> None:
    guards = {A: Guard(3, received(A, 3).recorded.event_id)}
    assert not sorted_by_guards([received(A, 3)], guards).batches
    with pytest.raises(Diverged, match="version 3"):
        sorted_by_guards([received(A, 3)], {A: Guard(3, UUID(int=5))})
    assert not sorted_by_guards([received(A, 3)], {A: Guard(3)}).batches


def test_half_a_command_waits_for_its_rest() -> None:
    half = [received(A, 1, offset=0), received(A, 2, remaining=1, offset=1)]
    done = sort(half, {})
    assert [versions_of(batch.events) for batch in done.batches] == [[1]]
    assert done.tail == half[1:]
    (whole,) = sort([*done.tail, received(A, 3, offset=2)], {A: 1}).batches
    assert versions_of(whole.events) == [2, 3]


def test_a_tail_that_comes_again_is_not_doubled() -> None:
    tail = [received(A, 1, remaining=1, offset=0)]
    (batch,) = sort([*tail, received(A, 1, remaining=1, offset=5), received(A, 2, offset=6)], {}).batches
    assert versions_of(batch.events) == [1, 2]


def test_a_stream_that_waits_holds_up_no_other() -> None:
    done = sort([received(A, 1, remaining=1, offset=0), received(B, 1, offset=1)], {})
    assert [batch.stream for batch in done.batches] == [B]
    assert [one.recorded.stream for one in done.tail] == [A]


def test_streams_of_two_partitions_are_judged_apart_and_come_in_one_order() -> None:
    mixed = [
        received(B, 1, offset=9, partition=1),
        received(A, 1, offset=4, partition=0),
        received(B, 2, remaining=1, offset=10, partition=1),
        received(A, 2, remaining=2, offset=5, partition=0),
    ]
    done = sort(mixed, {})
    assert [batch.stream for batch in done.batches] == [A, B] == streams_of(mixed)
    assert [(one.partition, one.offset) for one in done.tail] == [(0, 5), (1, 10)]


# --- whatever happens to the feed -------------------------------------------------------------------------------------


@dataclass
class Consumer:
    """As the subscriber does it: guard and progress move together, the tail is forgotten at a revocation."""

    records: list[Received]
    guard: dict[Stream, int] = field(default_factory=dict)
    applied: dict[Stream, list[RecordedEvent]] = field(default_factory=dict)
    tail: list[Received] = field(default_factory=list)
    next: int = 0
    progress: int = 0

    def poll(self, count: int) -> None:
        batch = [*self.tail, *self.records[self.next : self.next + count]]
        self.next += count
        done = sort(batch, self.guard)
        for one in done.batches:
            assert one.events[-1].remaining == 0
            self.applied.setdefault(one.stream, []).extend(one.events)
            self.guard[one.stream] = one.to_version
        self.tail = list(done.tail)
        self.progress = min([one.offset for one in self.tail], default=min(self.next, len(self.records)))

    def rebalance(self, back: int) -> None:
        self.tail = []
        self.next = max(0, self.progress - back)


COMMANDS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), min_size=1, max_size=12)
RESTARTS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=3)
STEPS = st.lists(st.one_of(st.integers(1, 7), st.tuples(st.just("rebalance"), st.integers(0, 20))), max_size=25)


@given(COMMANDS, RESTARTS, STEPS)
def test_each_event_is_applied_once_and_in_order_and_no_command_by_halves(
    commands: list[tuple[int, int]], restarts: list[tuple[int, int]], steps: list[int | tuple[str, int]]
) -> None:
    history = log(commands)
    order = list(range(len(history)))
    for at, back in restarts:  # the relay begins again at its checkpoint: all that follows comes a second time
        cut = min(at, len(order))
        order = order[:cut] + order[max(0, cut - back) :]
    consumer = Consumer([Received(0, offset, history[n], EPOCH) for offset, n in enumerate(order)])
    for step in steps:
        if isinstance(step, int):
            consumer.poll(step)
        else:
            consumer.rebalance(step[1])
    consumer.rebalance(0)
    while consumer.next < len(consumer.records):
        consumer.poll(3)
    expected: dict[Stream, list[RecordedEvent]] = {}
    for one in history:
        expected.setdefault(one.stream, []).append(one)
    assert consumer.applied == expected
    assert consumer.tail == []


@given(COMMANDS, st.data())
def test_a_lost_record_is_always_noticed_when_its_stream_goes_on(
    commands: list[tuple[int, int]], data: st.DataObject
) -> None:
    history = log(commands)
    lost = data.draw(st.integers(0, len(history) - 1))
    left = [Received(0, n, one, EPOCH) for n, one in enumerate(history) if n != lost]
    goes_on = any(one.stream == history[lost].stream for one in history[lost + 1 :])
    if goes_on:
        assert [gap.stream for gap in sort(left, {}).gaps] == [history[lost].stream]
    else:
        applied = list(itertools.chain.from_iterable(batch.events for batch in sort(left, {}).batches))
        assert history[lost] not in applied
