"""A tenant's view cut into any batches is the view folded at once, and says what the rules see."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from command_api.domain.rejected import Rejected
from command_api.domain.tenant import ChangeTenant, CloseTenant, CreateTenant, decide, fold
from helpdesk.events.operations import PLATFORM
from helpdesk.events.tenant import TenantEvent
from helpdesk.recorded import Stream
from projector.domain import tenants
from projector.domain.tenants import TenantRow
from support.tickets import ADMIN, NOON

STREAM = Stream(UUID(int=60), "tenant", UUID(int=60))
MOMENTS = st.integers(-5, 40 * 24 * 60).map(lambda minutes: NOON + timedelta(minutes=minutes))
WORDS = st.sampled_from(["a", "b", "default"])
SETTINGS = st.dictionaries(st.sampled_from("xy"), st.sampled_from([0, 1, True, None, "1", [1]]))
CREATES = st.builds(CreateTenant, name=WORDS, slug=WORDS, settings=SETTINGS, by=st.just(PLATFORM), at=MOMENTS)
CHANGES = st.builds(
    ChangeTenant,
    name=st.none() | WORDS,
    slug=st.none() | WORDS,
    settings=st.none() | SETTINGS,
    by=st.just(ADMIN.id),
    at=MOMENTS,
)
CLOSES = st.builds(CloseTenant, reason=st.just("deleted"), by=st.just(ADMIN.id), at=MOMENTS)


def told(commands: list[Any]) -> list[TenantEvent]:
    history: list[TenantEvent] = []
    for command in commands:
        try:
            events = decide(history, command)
        except Rejected:
            continue
        history += events
        if isinstance(command, ChangeTenant):
            assert decide(history, command) == [], "asking twice for what already holds is no event"
    return history


@given(CREATES, st.lists(CHANGES | CLOSES | CREATES, max_size=12), st.data())
def test_the_view_in_batches_is_the_view_at_once_and_agrees_with_the_rules(
    begin: CreateTenant, commands: list[Any], data: st.DataObject
) -> None:
    events = told([begin, *commands])
    row: TenantRow | None = None
    at = 0
    while at < len(events):
        batch = events[at : at + data.draw(st.integers(1, 4))]
        at += len(batch)
        row = tenants.after(row, batch, at, STREAM)
    assert row == tenants.after(None, events, len(events), STREAM)
    tenant = fold(events)
    assert row is not None
    assert tenant is not None
    for name in ("name", "slug", "settings", "created_at", "updated_at"):
        assert getattr(row, name) == getattr(tenant, name)
    assert (row.closed_at is not None) == tenant.closed
    assert row.version == len(events)
    assert row.created_at <= row.updated_at
    assert not tenant.closed or tenant.slug != "default"
