"""What can happen to a tenant (the customer company whose data is its own)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from helpdesk.events.personal import PERSONAL


@dataclass(frozen=True, slots=True)
class TenantCreated:
    """`settings["openRegistration"]` says whether strangers may sign up (contract §4)."""

    name: str = field(metadata=PERSONAL)
    slug: str = field(metadata=PERSONAL)
    settings: Mapping[str, Any]
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class TenantClosed:
    """Nobody signs in any more, and the grace period before a purge has begun. `reason` is one word."""

    reason: str
    by: UUID
    at: datetime


TenantEvent: TypeAlias = TenantCreated | TenantClosed
