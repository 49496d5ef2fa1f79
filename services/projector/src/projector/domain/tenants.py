"""Read model `tenants`: one row, the fold of one tenant's stream."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, assert_never

from helpdesk.events.tenant import (
    TenantClosed,
    TenantCreated,
    TenantEvent,
    TenantRenamed,
    TenantSettingsReplaced,
    TenantSlugChanged,
)
from helpdesk.recorded import Stream


@dataclass(frozen=True, slots=True)
class TenantRow:
    """The tenant at `version` of its stream."""

    name: str
    slug: str
    settings: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime
    version: int
    closed_at: datetime | None = None


def after(row: TenantRow | None, events: Iterable[TenantEvent], version: int, stream: Stream) -> TenantRow:
    """The row after `events`, the last of which made `version`."""
    for event in events:
        match event:
            case TenantCreated():
                row = TenantRow(
                    name=event.name,
                    slug=event.slug,
                    settings=event.settings,
                    created_at=event.at,
                    updated_at=event.at,
                    version=version,
                )
            case TenantRenamed():
                row = row and replace(row, name=event.name, updated_at=event.at, version=version)
            case TenantSlugChanged():
                row = row and replace(row, slug=event.slug, updated_at=event.at, version=version)
            case TenantSettingsReplaced():
                row = row and replace(row, settings=event.settings, updated_at=event.at, version=version)
            case TenantClosed():
                row = row and replace(row, updated_at=event.at, version=version, closed_at=event.at)
            case _:
                assert_never(event)
    if row is None:
        raise ValueError(f"{stream} has no event that makes a tenant")
    return row
