"""What the system writes about itself."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

PLATFORM: Final = UUID(int=0)
"""The tenant of what belongs to no tenant."""


@dataclass(frozen=True, slots=True)
class SystemProbed:
    """Appended at start-up: when its trace shows in the views, the whole way from append to view works."""

    at: datetime


@dataclass(frozen=True, slots=True)
class TenantPurged:
    """All that a tenant ever was has been destroyed: whoever reads this destroys what it made of that tenant.

    It stands in a stream of the platform (tenant PLATFORM, type "platform", id = the tenant's), which survives; so it
    holds ids and one word, and no text.
    """

    tenant_id: UUID
    reason: str
    by: UUID
    at: datetime


OperationsEvent: TypeAlias = SystemProbed | TenantPurged
