"""Where a batch leaves its partitions: never beyond what nobody has seen."""

from uuid import UUID

from helpdesk.consumer.batch import Garbage, Guard, Received, Taken, sort
from helpdesk.consumer.places import REPLAYING, Bus, moves
from helpdesk.consumer.store import Move
from helpdesk.recorded import START
from support.records import EPOCH, received, stream

STANDS = Bus(UUID(int=1), 1, {0: 0}, {0: 9}, EPOCH).beginning(0)


def moved(taken: Taken) -> Move:
    done = sort(taken.received, {stream(n): Guard(0) for n in (1, 2)})
    (one,) = moves(taken, done, {0: STANDS})
    return one


def test_a_batch_ends_behind_its_last_record() -> None:
    last: Received = received(stream(2), 1, offset=4)
    after = moved(Taken(received=[received(stream(1), 1, offset=3), last], ends={0: 5})).after
    assert (after.next_offset, after.cursor, after.event_id) == (5, last.recorded.cursor, last.recorded.event_id)


def test_garbage_leaves_the_cursor_before_it_and_asks_for_a_replay() -> None:
    """Whatever it stood for has a lower cursor than what came after it, and who has the partition next must know."""
    before, garbage, behind = received(stream(1), 1, offset=3), Garbage(0, 4, b"", ""), received(stream(2), 1, offset=5)
    after = moved(Taken(received=[before, behind], garbage=[garbage], ends={0: 6})).after
    assert (after.next_offset, after.cursor) == (REPLAYING, before.recorded.cursor)
    after = moved(Taken(received=[behind], garbage=[garbage], ends={0: 6})).after
    assert (after.next_offset, after.cursor) == (REPLAYING, START)
