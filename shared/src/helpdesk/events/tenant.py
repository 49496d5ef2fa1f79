"""What can happen to a tenant (the customer company whose data is its own)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID


@dataclass(frozen=True, slots=True)
class TenantCreated:
    """`settings["openRegistration"]` says whether strangers may sign up (contract §4)."""

    name: str
    slug: str
    settings: Mapping[str, Any]
    by: UUID
    at: datetime


TenantEvent: TypeAlias = TenantCreated
