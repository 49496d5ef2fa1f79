"""Who comes next among commands that wait for a transaction (design §3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk.eventstore.lanes import LOOK_BEHIND, Caps, Line, Overloaded

A, B, C = UUID(int=1), UUID(int=2), UUID(int=3)


@dataclass(eq=False)
class One:
    tenant_id: UUID
    claims: Sequence[str]
    gone: bool = False


def line_of(*ones: One, batch: int = 8, of_tenant: int = 8, waiting: int = 1000) -> Line[One]:
    line: Line[One] = Line(Caps(batch, of_tenant, 1, waiting, waiting))
    for one in ones:
        line.push(one)
    return line


def some(tenant: UUID, count: int) -> list[One]:
    return [One(tenant, [f"{tenant.int}/{n}"]) for n in range(count)]


def test_tenants_come_in_turns_and_each_in_its_own_order() -> None:
    a, b, c = some(A, 5), some(B, 1), some(C, 3)
    line = line_of(*a, *b, *c, batch=6)
    assert line.take() == [a[0], b[0], c[0], a[1], c[1], a[2]]
    assert line.take() == [c[2], a[3], a[4]]
    assert line.take() == []


def test_a_tenant_fills_a_batch_to_its_cap_and_no_further() -> None:
    a, b = some(A, 9), some(B, 1)
    line = line_of(*a, *b, of_tenant=3)
    assert line.take() == [a[0], b[0], a[1], a[2]]
    assert line.take() == a[3:6]


def test_who_was_served_goes_behind_who_was_not() -> None:
    line = line_of(*some(A, 3), *some(B, 3), *some(C, 3), batch=2)
    assert [[one.tenant_id for one in line.take()] for _ in range(3)] == [[A, B], [C, A], [B, C]]


def test_two_of_one_stream_never_share_a_batch_nor_overlap() -> None:
    first, second, other = One(A, ["s"]), One(A, ["s", "t"]), One(A, ["u"])
    line = line_of(first, second, other)
    assert line.take() == [first, other]
    assert line.take() == []
    line.release(first)
    assert line.take() == [second]


def test_a_long_row_of_one_stream_is_not_looked_through_to_its_end() -> None:
    same, other = [One(A, ["s"]) for _ in range(LOOK_BEHIND + 1)], One(A, ["u"])
    line = line_of(*same, other)
    assert line.take() == [same[0]]
    line.release(same[0])
    assert line.take() == [same[1], other]


def test_who_has_gone_is_left_out() -> None:
    one, gone, other = One(A, ["s"]), One(A, ["t"], gone=True), One(A, ["u"])
    line = line_of(one, gone, other)
    assert line.take() == [one, other]
    assert len(line) == 0


def test_a_line_that_is_full_says_so_and_takes_again_when_some_have_left() -> None:
    line = line_of(*some(A, 3), waiting=3)
    with pytest.raises(Overloaded):
        line.push(One(B, ["x"]))
    line.take()
    line.push(One(B, ["x"]))


def test_one_tenant_does_not_fill_the_line_for_all() -> None:
    line: Line[One] = Line(Caps(8, 8, 1, 10, 2))
    for one in some(A, 2):
        line.push(one)
    with pytest.raises(Overloaded):
        line.push(One(A, ["x"]))
    line.push(One(B, ["x"]))


def test_a_batch_can_be_asked_to_be_smaller() -> None:
    a = some(A, 5)
    line = line_of(*a)
    assert line.take(2) == a[:2]
    assert line.take(99) == a[2:]


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 6)), max_size=60), st.integers(1, 5), st.integers(1, 5))
def test_everybody_is_served_once_in_the_order_of_the_stream(
    wanted: list[tuple[int, int]], batch: int, of_tenant: int
) -> None:
    ones = [One(UUID(int=tenant), [f"{tenant}/{stream}"]) for tenant, stream in wanted]
    line, served = line_of(*ones, batch=batch, of_tenant=of_tenant), list[One]()
    while taken := line.take():
        claims = [claim for one in taken for claim in one.claims]
        assert len(claims) == len(set(claims))
        assert len(taken) <= batch
        assert all(
            [one.tenant_id for one in taken].count(tenant) <= of_tenant for tenant in {o.tenant_id for o in taken}
        )
        served += taken
        for one in taken:
            line.release(one)
    assert len(served) == len(ones)
    for one in ones:
        same = [other for other in ones if other.claims == one.claims]
        assert [other for other in served if other.claims == one.claims] == same
