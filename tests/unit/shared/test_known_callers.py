"""What a service knows of its callers is asked once, for the requests of some seconds (ADR 22)."""

from uuid import UUID

import pytest

from helpdesk.auth.people import People
from helpdesk.folds.user import Standing
from helpdesk.postgres import kept
from helpdesk.postgres.kept import Kept

TENANT, ADA, NOBODY = UUID(int=1), UUID(int=2), UUID(int=3)


class Asked:
    """A database that counts its questions."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self, tenant_id: UUID, user_id: UUID) -> Standing | None:
        self.times += 1
        return Standing("AGENT") if user_id == ADA else None


@pytest.mark.parametrize(("who", "known"), [(ADA, Standing("AGENT")), (NOBODY, None)])
async def test_of_many_requests_one_asks_also_for_somebody_unknown(who: UUID, known: Standing | None) -> None:
    asked = Asked()
    people = People(asked, "nowhere", "views")
    assert [await people(TENANT, who) for _ in range(3)] == [known] * 3
    assert asked.times == 1


async def test_after_five_seconds_it_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, now = Asked(), [100.0]
    monkeypatch.setattr("helpdesk.postgres.kept.time.monotonic", lambda: now[0])
    people = People(asked, "nowhere", "views")
    await people(TENANT, ADA)
    now[0] += kept.KEPT_S - 0.1
    await people(TENANT, ADA)
    assert asked.times == 1
    now[0] += 0.2
    await people(TENANT, ADA)
    assert asked.times == 2


def test_what_was_read_while_it_changed_is_not_kept() -> None:
    rows: Kept[str] = Kept()
    mark = rows.mark
    rows.forget(TENANT)
    rows.keep(TENANT, {ADA: "old"}, mark)
    assert rows.get(TENANT, ADA) is None
    rows.keep(TENANT, {ADA: "new"}, rows.mark)
    rows.forget(UUID(int=9))
    assert rows.get(TENANT, ADA) == "new"
