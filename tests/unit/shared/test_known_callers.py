"""What a service has read of people is kept for some seconds, and until it is told that it has changed."""

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
