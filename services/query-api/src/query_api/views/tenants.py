"""Tenants, as far as the access to their people asks for."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from helpdesk.postgres.tenant import Statement

_ONE: Final = "select slug from views.tenants where tenant_id = %(tenant_id)s"


@dataclass(frozen=True, slots=True)
class SlugRow:
    """A tenant's slug."""

    slug: str


def slug_of(tenant_id: UUID) -> Statement[SlugRow]:
    """A tenant by its id."""
    return Statement(_ONE, SlugRow, {"tenant_id": tenant_id})
