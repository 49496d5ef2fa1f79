"""A door asks whether a tenant is closed, and remembers the answer for a moment."""

from uuid import UUID

import pytest

from helpdesk.auth import closed
from helpdesk.auth.closed import Remembered
from helpdesk.auth.people import People

OPEN, CLOSED = UUID(int=1), UUID(int=2)


class Books:
    """What a service knows, and how often it was asked."""

    def __init__(self) -> None:
        self.closed, self.asked = {CLOSED}, 0

    async def __call__(self, tenant_id: UUID) -> bool:
        self.asked += 1
        return tenant_id in self.closed


async def test_an_answer_is_asked_for_once_in_a_while_for_each_tenant() -> None:
    books = Books()
    is_closed = Remembered(books)
    assert [await is_closed(tenant) for tenant in (OPEN, CLOSED, OPEN, CLOSED)] == [False, True, False, True]
    assert books.asked == 2


async def test_a_tenant_that_closes_is_out_when_its_answer_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closed, "KEPT_S", 0.0)
    books = Books()
    is_closed = Remembered(books)
    assert not await is_closed(OPEN)
    books.closed.add(OPEN)
    assert await is_closed(OPEN)


async def test_only_so_many_answers_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closed, "MOST", 2)
    books = Books()
    is_closed = Remembered(books)
    for n in (1, 2, 3, 3, 2, 1):
        await is_closed(UUID(int=n))
    assert books.asked == 4


async def test_a_tenant_whose_closing_is_told_is_out_at_once() -> None:
    books = Books()
    is_closed = Remembered(books)
    people = People(nobody, "nowhere", "views", is_closed)
    assert not await is_closed(OPEN)
    books.closed.add(OPEN)
    people.forget(OPEN)
    assert await is_closed(OPEN)


async def test_an_answer_that_was_on_its_way_when_a_closing_was_told_is_not_kept() -> None:
    asked = 0

    async def overtaken(_: UUID) -> bool:
        nonlocal asked
        asked += 1
        if asked == 1:
            is_closed.forget(OPEN)
        return asked > 1

    is_closed = Remembered(overtaken)
    assert [await is_closed(OPEN), await is_closed(OPEN)] == [False, True]


async def nobody(_tenant: UUID, _user: UUID) -> None:
    """Of nobody anything is known."""
