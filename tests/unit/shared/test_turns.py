"""Of what Kafka hands over, each partition's next record is in turn and no other."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from helpdesk.consumer.turns import InTurn, Turns


@dataclass(frozen=True)
class Record:
    partition: int
    offset: int


def records(*offsets: int, partition: int = 0) -> list[Record]:
    return [Record(partition, offset) for offset in offsets]


def taken(turn: InTurn[Record]) -> tuple[list[Record], dict[int, int], dict[int, int]]:
    return turn.records, turn.seek, turn.lost


def placed(offset: int = 10) -> Turns:
    turns = Turns()
    turns.place(0, offset)
    return turns


def test_the_next_records_are_in_turn() -> None:
    assert taken(placed(10).take(records(10, 11, 12))) == (records(10, 11, 12), {}, {})


def test_what_was_taken_before_is_not_taken_again() -> None:
    turns = placed(10)
    turns.take(records(10, 11))
    assert taken(turns.take(records(9, 10, 11, 12))) == (records(12), {}, {})


def test_a_stale_batch_is_refused_whole_and_its_partition_sought_again() -> None:
    turns = placed(10)
    assert taken(turns.take(records(15, 16, 17))) == ([], {0: 10}, {})
    assert taken(turns.take(records(10, 11))) == (records(10, 11), {}, {})


def test_a_stale_batch_of_one_partition_leaves_the_other_alone() -> None:
    turns = placed(10)
    turns.place(1, 3)
    mixed = [Record(0, 15), Record(1, 3), Record(0, 16), Record(1, 4)]
    assert taken(turns.take(mixed)) == (records(3, 4, partition=1), {0: 10}, {})


def test_records_that_kafka_has_lost_are_no_silent_skip() -> None:
    turns = placed(10)
    turns.take(records(15))
    assert taken(turns.take(records(15, 16))) == ([], {}, {0: 15})
    turns.place(0, 15)
    assert taken(turns.take(records(15, 16))) == (records(15, 16), {}, {})


def test_a_partition_that_is_not_placed_has_no_turn() -> None:
    turns = placed(10)
    assert taken(turns.take(records(0, 1, partition=5))) == ([], {}, {})
    turns.forget()
    assert taken(turns.take(records(10))) == ([], {}, {})


def test_a_new_placing_forgets_that_it_was_sought() -> None:
    turns = placed(10)
    turns.take(records(15))
    turns.forget()
    turns.place(0, 10)
    assert taken(turns.take(records(15))) == ([], {0: 10}, {})


@given(st.integers(0, 5), st.lists(st.lists(st.integers(0, 12), max_size=6), max_size=8))
def test_whatever_comes_nothing_is_skipped_or_repeated(start: int, batches: list[list[int]]) -> None:
    turns = Turns()
    turns.place(0, start)
    read: list[int] = []
    for batch in batches:
        turn = turns.take(records(*batch))
        if turn.lost:
            break
        read += [one.offset for one in turn.records]
    assert read == list(range(start, start + len(read)))
