"""The tenant: how it begins (contract §11), and how it ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never
from uuid import UUID

from command_api.domain.rejected import Rejected
from helpdesk.events.tenant import TenantClosed, TenantCreated, TenantEvent


@dataclass(frozen=True, slots=True)
class CreateTenant:
    name: str
    slug: str
    settings: Mapping[str, Any]
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class CloseTenant:
    reason: str
    by: UUID
    at: datetime


def decide(past: Sequence[TenantEvent], command: CreateTenant | CloseTenant) -> list[TenantEvent]:
    """What happens when `command` meets the tenant's history."""
    match command:
        case CreateTenant():
            return _create(past, command)
        case CloseTenant():
            return _close(past, command)
        case _:
            assert_never(command)


def _create(past: Sequence[TenantEvent], command: CreateTenant) -> list[TenantEvent]:
    if past:
        raise Rejected("tenant_exists", "There is a tenant of this id already.")
    return [
        TenantCreated(name=command.name, slug=command.slug, settings=command.settings, by=command.by, at=command.at)
    ]


def _close(past: Sequence[TenantEvent], command: CloseTenant) -> list[TenantEvent]:
    if not past:
        raise Rejected("tenant_not_found", "There is no such tenant.")
    if any(isinstance(event, TenantClosed) for event in past):
        return []
    return [TenantClosed(reason=command.reason, by=command.by, at=command.at)]
