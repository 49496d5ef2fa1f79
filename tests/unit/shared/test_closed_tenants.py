"""A door asks whether a tenant is closed, and remembers the answer for a moment."""

from uuid import UUID

import pytest

from helpdesk.auth import closed
from helpdesk.auth.closed import Remembered

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
