"""Pages: which rows are there, and whether there are neighbours (contract §5)."""

from uuid import UUID

from helpdesk.paging.cursor import Place
from helpdesk.paging.order import NEWEST_FIRST, OLDEST_FIRST, Order, Sort, plain, restored
from helpdesk.paging.page import Bare, Numbered, Page, Slice, page, total_pages
from helpdesk.paging.window import order_by

TITLES = Order(Sort.TITLE)


def at(title: str, order: Order = TITLES, *, backward: bool = False, inclusive: bool = False) -> Place:
    return Place(order, title, UUID(int=0), backward, inclusive)


def of(paging: Bare | Numbered | Slice, found: str) -> Page[str]:
    return page(paging, list(found), at)


def test_one_row_more_than_asked_for_tells_that_more_follow() -> None:
    assert of(Slice(None, 2, TITLES), "abc") == Page(["a", "b"], next=at("b"), previous=None)
    assert of(Slice(None, 3, TITLES), "abc") == Page(["a", "b", "c"], next=None, previous=None)


def test_a_page_after_a_place_has_a_way_back() -> None:
    assert of(Slice(at("b"), 2, TITLES), "c") == Page(["c"], next=None, previous=at("c", backward=True))


def test_a_page_before_a_place_is_turned_into_the_lists_order() -> None:
    before = Slice(at("d", backward=True), 2, TITLES)
    assert of(before, "cba") == Page(["b", "c"], next=at("c"), previous=at("b", backward=True))
    assert of(before, "cb") == Page(["b", "c"], next=at("c"), previous=None)


def test_an_empty_page_leads_back_to_the_place_itself() -> None:
    after = of(Slice(at("z"), 2, TITLES), "")
    assert after == Page([], next=None, previous=at("z", backward=True, inclusive=True))
    before = of(Slice(at("a", backward=True), 2, TITLES), "")
    assert before == Page([], next=at("a", inclusive=True), previous=None)


def test_an_empty_list_has_no_neighbours() -> None:
    for paging in (Bare(), Numbered(1, 20, OLDEST_FIRST), Slice(None, 20, OLDEST_FIRST)):
        assert of(paging, "") == Page([], None, None)


def test_a_numbered_page_begins_where_the_former_ended() -> None:
    assert Numbered(1, 20, OLDEST_FIRST).offset == 0
    assert Numbered(3, 20, OLDEST_FIRST).offset == 40


def test_the_ten_thousandth_row_is_the_last_that_numbers_reach() -> None:
    assert not Numbered(100, 100, OLDEST_FIRST).too_deep
    assert not Numbered(334, 30, OLDEST_FIRST).too_deep
    assert Numbered(101, 100, OLDEST_FIRST).too_deep


def test_the_last_page_may_be_a_part() -> None:
    assert [total_pages(total, 20) for total in (0, 1, 20, 21)] == [0, 1, 1, 2]


def test_a_bare_array_is_newest_first() -> None:
    assert Bare().order == NEWEST_FIRST
    assert NEWEST_FIRST.by is Sort.CREATED_AT


def test_every_sort_refuses_the_key_of_another() -> None:
    for by, key in ((Sort.TITLE, 1), (Sort.STATUS, "open"), (Sort.CREATED_AT, "2026")):
        try:
            restored(by, plain(key))
        except ValueError:
            continue
        raise AssertionError(by)


def test_ties_are_broken_by_id_in_the_same_direction() -> None:
    assert order_by(OLDEST_FIRST) == "order by created_at, id"
    assert order_by(NEWEST_FIRST) == "order by created_at desc, id desc"
    assert order_by(NEWEST_FIRST, reverse=True) == order_by(OLDEST_FIRST)
