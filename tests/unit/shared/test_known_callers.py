"""What a service has read of people is kept for some seconds, and until it is told that it has changed."""

import time
from uuid import UUID

import pytest

from helpdesk.postgres import kept
from helpdesk.postgres.kept import Kept

TENANT, ADA = UUID(int=1), UUID(int=2)


def test_after_five_seconds_it_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("helpdesk.postgres.kept.time.monotonic", lambda: now[0])
    rows: Kept[str] = Kept()
    rows.keep(TENANT, {ADA: "known"}, rows.mark)
    now[0] += kept.KEPT_S - 0.1
    assert rows.get(TENANT, ADA) == "known"
    now[0] += 0.2
    assert rows.get(TENANT, ADA) is None


def test_what_was_read_while_it_changed_is_not_kept() -> None:
    rows: Kept[str] = Kept()
    mark = rows.mark
    rows.forget(TENANT)
    rows.keep(TENANT, {ADA: "old"}, mark)
    assert rows.get(TENANT, ADA) is None
    rows.keep(TENANT, {ADA: "new"}, rows.mark)
    rows.forget(UUID(int=9))
    assert rows.get(TENANT, ADA) == "new"


def test_what_makes_room_and_what_is_forgotten_go_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST", 3)
    rows: Kept[int] = Kept()
    for n in range(5):  # the first two make room
        rows.keep(UUID(int=n), {ADA: n}, rows.mark)
    assert [rows.get(UUID(int=n), ADA) for n in range(5)] == [None, None, 2, 3, 4]
    for n in range(4):
        rows.forget(UUID(int=n))
    assert [rows.get(UUID(int=n), ADA) for n in range(5)] == [None, None, None, None, 4]
    rows.forget(None)
    rows.keep(TENANT, {ADA: 7}, rows.mark)
    assert [rows.get(UUID(int=4), ADA), rows.get(TENANT, ADA)] == [None, 7]


def test_a_change_does_not_look_at_everybodys_rows() -> None:
    """A thousand people who log out would hold up all requests for ten seconds."""
    rows: Kept[int] = Kept()
    for n in range(kept.MOST):
        rows.keep(UUID(int=n), {ADA: n}, rows.mark)
    begun = time.process_time()
    for n in range(1_000):
        rows.forget(UUID(int=kept.MOST + n))
    assert time.process_time() - begun < 0.5
