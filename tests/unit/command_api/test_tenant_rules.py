"""How a tenant begins, changes and ends (contract §11), and what it may set (behaviours §1)."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from command_api.domain.rejected import Rejected
from command_api.domain.tenant import ChangeTenant, CloseTenant, CreateTenant, Tenant, decide, fold
from command_api.domain.tenant_settings import REOPEN_WINDOW, admits_strangers, objection, reopen_window
from helpdesk.events.operations import PLATFORM
from helpdesk.events.tenant import (
    TenantClosed,
    TenantCreated,
    TenantEvent,
    TenantRenamed,
    TenantSettingsReplaced,
    TenantSlugChanged,
)
from support.tickets import ADMIN, LATER, NOON

BY = ADMIN.id
CREATED = TenantCreated(name="Acme", slug="acme", settings={"a": 1}, by=BY, at=NOON)
DEFAULT = TenantCreated(name="Default", slug="default", settings={}, by=BY, at=NOON)
CLOSED = TenantClosed(reason="deleted", by=BY, at=LATER)


def change(
    name: str | None = None, slug: str | None = None, settings: dict[str, Any] | None = None, at: datetime = LATER
) -> ChangeTenant:
    return ChangeTenant(name=name, slug=slug, settings=settings, by=BY, at=at)


def refusal(past: list[TenantEvent], command: CreateTenant | ChangeTenant | CloseTenant) -> str:
    with pytest.raises(Rejected) as refused:
        decide(past, command)
    return refused.value.code


def test_each_thing_that_changes_is_told_with_what_it_was() -> None:
    assert decide([CREATED], change("Acme Ltd.", "acme-ltd", {"b": 2})) == [
        TenantRenamed(name="Acme Ltd.", previous="Acme", by=BY, at=LATER),
        TenantSlugChanged(slug="acme-ltd", previous="acme", by=BY, at=LATER),
        TenantSettingsReplaced(settings={"b": 2}, previous={"a": 1}, by=BY, at=LATER),
    ]


@pytest.mark.parametrize("command", [change(), change("Acme", "acme", {"a": 1}), change(name="Acme")])
def test_what_holds_already_is_no_event(command: ChangeTenant) -> None:
    assert decide([CREATED], command) == []


def test_true_is_another_setting_than_one() -> None:
    assert len(decide([CREATED], change(settings={"a": True}))) == 1


def test_changes_within_one_millisecond_happen_one_after_the_other() -> None:
    (event,) = decide([CREATED], change("Acme Ltd.", at=NOON))
    assert event.at == NOON + timedelta(milliseconds=1)


def test_the_tenant_is_what_its_history_makes() -> None:
    history = [CREATED, *decide([CREATED], change("Acme Ltd.", "acme-ltd", {"b": 2}))]
    assert fold(history) == Tenant("Acme Ltd.", "acme-ltd", {"b": 2}, NOON, LATER)
    assert fold([*history, CLOSED]) == Tenant("Acme Ltd.", "acme-ltd", {"b": 2}, NOON, LATER, closed=True)
    assert fold([]) is None


def test_the_operators_tenant_keeps_its_slug_and_is_never_deleted() -> None:
    assert refusal([DEFAULT], change(slug="other")) == "default_tenant"
    assert refusal([DEFAULT], CloseTenant(reason="deleted", by=BY, at=LATER)) == "default_tenant"
    assert decide([DEFAULT], change(slug="default")) == []
    assert len(decide([DEFAULT], change("Headquarters", settings={"b": 2}))) == 2


def test_nobody_but_who_runs_the_platform_makes_the_operators_tenant() -> None:
    command = CreateTenant(name="Default", slug="default", settings={}, by=BY, at=NOON)
    assert refusal([], command) == "slug_taken"
    assert len(decide([], replace(command, by=PLATFORM))) == 1


def test_what_is_closed_or_never_was_is_not_found() -> None:
    assert refusal([], change("Acme")) == "tenant_not_found"
    assert refusal([CREATED, CLOSED], change("Acme Ltd.")) == "tenant_not_found"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"openRegistration": False, "autoCloseHours": 0, "reopenWindowDays": 0},
        {"autoCloseHours": 672, "reopenWindowDays": 3650},
        {"theme": {"colour": "teal"}, "anything": None},
    ],
)
def test_known_settings_are_typed_and_others_are_the_tenants_own(settings: dict[str, Any]) -> None:
    assert objection(settings) is None


@pytest.mark.parametrize("name", ["openRegistration", "autoCloseHours", "reopenWindowDays"])
@pytest.mark.parametrize("value", [None, "yes", "1", 1.5, -1, [], {}])
def test_a_known_setting_of_another_type_is_refused_by_its_name(name: str, value: object) -> None:
    assert (objection({name: value}) or "").startswith(f"{name} must be")


@pytest.mark.parametrize(
    "settings", [{"openRegistration": 1}, {"autoCloseHours": 673}, {"autoCloseHours": True}, {"reopenWindowDays": 3651}]
)
def test_a_known_setting_out_of_its_bounds_is_refused(settings: dict[str, Any]) -> None:
    assert objection(settings)


def test_what_is_not_set_is_as_it_always_was() -> None:
    assert admits_strangers({})
    assert not admits_strangers({"openRegistration": False})
    assert reopen_window({}) == REOPEN_WINDOW
    assert reopen_window({"reopenWindowDays": 0}) == timedelta(0)
    assert reopen_window({"reopenWindowDays": 7}) == timedelta(days=7)
