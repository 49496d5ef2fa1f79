"""The tenant: how it begins, what of it changes (contract §11), and how it ends."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, assert_never
from uuid import UUID

from command_api.domain.json_values import same_json
from command_api.domain.rejected import Rejected
from helpdesk.events.operations import PLATFORM
from helpdesk.events.tenant import (
    TenantClosed,
    TenantCreated,
    TenantEvent,
    TenantRenamed,
    TenantSettingsReplaced,
    TenantSlugChanged,
)
from helpdesk.policy import OPERATOR_SLUG

TICK: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class CreateTenant:
    """`by` PLATFORM: a command of whoever runs it, who alone makes the operator's tenant."""

    name: str
    slug: str
    settings: Mapping[str, Any]
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class ChangeTenant:
    """What is None stays as it is; `settings` replace the former ones."""

    name: str | None
    slug: str | None
    settings: Mapping[str, Any] | None
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class CloseTenant:
    reason: str
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Tenant:
    """What the rules ask, and what the answer of a write shows."""

    name: str
    slug: str
    settings: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime
    closed: bool = False


def evolve(tenant: Tenant | None, event: TenantEvent) -> Tenant:
    """The tenant after `event`."""
    if isinstance(event, TenantCreated):
        return Tenant(event.name, event.slug, event.settings, event.at, event.at)
    if tenant is None:
        raise ValueError(f"a tenant's history begins with its creation, not {type(event).__name__}")
    match event:
        case TenantRenamed():
            return replace(tenant, name=event.name, updated_at=event.at)
        case TenantSlugChanged():
            return replace(tenant, slug=event.slug, updated_at=event.at)
        case TenantSettingsReplaced():
            return replace(tenant, settings=event.settings, updated_at=event.at)
        case TenantClosed():
            return replace(tenant, closed=True, updated_at=event.at)
        case _:
            assert_never(event)


def fold(events: Iterable[TenantEvent]) -> Tenant | None:
    """The tenant that this history makes, `None` for no history."""
    tenant: Tenant | None = None
    for event in events:
        tenant = evolve(tenant, event)
    return tenant


def decide(past: Sequence[TenantEvent], command: CreateTenant | ChangeTenant | CloseTenant) -> list[TenantEvent]:
    """What happens when `command` meets the tenant's history; `[]` when nothing changes. Raises Rejected."""
    tenant = fold(past)
    if isinstance(command, CreateTenant):
        return _create(tenant, command)
    if tenant is None:
        raise Rejected("tenant_not_found", "There is no such tenant.")
    # Two changes within one millisecond still happen one after the other: clients compare `updatedAt`.
    command = replace(command, at=max(command.at, tenant.updated_at + TICK))
    match command:
        case ChangeTenant():
            return _change(tenant, command)
        case CloseTenant():
            return _close(tenant, command)
        case _:
            assert_never(command)


def _create(tenant: Tenant | None, command: CreateTenant) -> list[TenantEvent]:
    if tenant is not None:
        raise Rejected("tenant_exists", "There is a tenant of this id already.")
    if command.slug == OPERATOR_SLUG and command.by != PLATFORM:
        raise Rejected("slug_taken", "This slug is taken.")  # whoever got it would operate the platform
    return [
        TenantCreated(name=command.name, slug=command.slug, settings=command.settings, by=command.by, at=command.at)
    ]


def _change(tenant: Tenant, command: ChangeTenant) -> list[TenantEvent]:
    if tenant.closed:
        raise Rejected("tenant_not_found", "There is no such tenant.")
    by, at = command.by, command.at
    events: list[TenantEvent] = []
    if command.name is not None and command.name != tenant.name:
        events.append(TenantRenamed(name=command.name, previous=tenant.name, by=by, at=at))
    if command.slug is not None and command.slug != tenant.slug:
        _demand_other_than_the_operators(tenant, "keeps its slug")
        events.append(TenantSlugChanged(slug=command.slug, previous=tenant.slug, by=by, at=at))
    if command.settings is not None and not same_json(command.settings, tenant.settings):
        events.append(TenantSettingsReplaced(settings=command.settings, previous=tenant.settings, by=by, at=at))
    return events


def _close(tenant: Tenant, command: CloseTenant) -> list[TenantEvent]:
    if tenant.closed:
        return []
    _demand_other_than_the_operators(tenant, "cannot be deleted")
    return [TenantClosed(reason=command.reason, by=command.by, at=command.at)]


def _demand_other_than_the_operators(tenant: Tenant, what: str) -> None:
    """Its admins operate the platform: without it nobody would, and whoever got its slug would."""
    if tenant.slug == OPERATOR_SLUG:
        raise Rejected("default_tenant", f"The tenant {OPERATOR_SLUG} {what}.")
