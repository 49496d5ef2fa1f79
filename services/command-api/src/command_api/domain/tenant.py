"""The tenant: how it begins (contract §11)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from command_api.domain.rejected import Rejected
from helpdesk.events.tenant import TenantCreated, TenantEvent


@dataclass(frozen=True, slots=True)
class CreateTenant:
    name: str
    slug: str
    settings: Mapping[str, Any]
    by: UUID
    at: datetime


def decide(past: Sequence[TenantEvent], command: CreateTenant) -> list[TenantEvent]:
    """What happens when `command` meets the tenant's history."""
    if past:
        raise Rejected("tenant_exists", "There is a tenant of this id already.")
    return [
        TenantCreated(name=command.name, slug=command.slug, settings=command.settings, by=command.by, at=command.at)
    ]
