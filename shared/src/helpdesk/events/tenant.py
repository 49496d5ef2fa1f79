"""What can happen to a tenant (the customer company whose data is its own)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from helpdesk.events.personal import PERSONAL


@dataclass(frozen=True, slots=True)
class TenantCreated:
    """`settings["openRegistration"]` says whether strangers may sign up (contract §4); a tenant has more."""

    name: str = field(metadata=PERSONAL)
    slug: str = field(metadata=PERSONAL)
    settings: Mapping[str, Any] = field(metadata=PERSONAL)
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class TenantRenamed:
    name: str = field(metadata=PERSONAL)
    previous: str = field(metadata=PERSONAL)
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class TenantSlugChanged:
    """From now on people sign in under another slug."""

    slug: str = field(metadata=PERSONAL)
    previous: str = field(metadata=PERSONAL)
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class TenantSettingsReplaced:
    """The whole settings, as they stand now and as they stood before."""

    settings: Mapping[str, Any] = field(metadata=PERSONAL)
    previous: Mapping[str, Any] = field(metadata=PERSONAL)
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class TenantClosed:
    """Nobody signs in any more, and the grace period before a purge has begun. `reason` is one word."""

    reason: str
    by: UUID
    at: datetime


TenantEvent: TypeAlias = TenantCreated | TenantRenamed | TenantSlugChanged | TenantSettingsReplaced | TenantClosed
