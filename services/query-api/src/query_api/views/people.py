"""People: the caller's own account, and how others are shown."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from helpdesk.http.shapes import UserShape, user
from helpdesk.people import first_name, last_name
from helpdesk.postgres.tenant import Statement

_ONE: Final = """
select id, tenant_id, email, name, role, enabled, created_at, updated_at, version
from views.people where tenant_id = %(tenant_id)s and id = %(id)s"""


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One account."""

    id: UUID
    tenant_id: UUID
    email: str
    name: str
    role: str
    enabled: bool
    created_at: datetime
    updated_at: datetime
    version: int


def one(tenant_id: UUID, user_id: UUID) -> Statement[PersonRow]:
    """An account by its id."""
    return Statement(_ONE, PersonRow, {"tenant_id": tenant_id, "id": user_id})


def account(row: PersonRow) -> UserShape:
    """The contract's User."""
    return user(
        id_=row.id,
        tenant_id=row.tenant_id,
        email=row.email,
        name=row.name,
        role=row.role,
        enabled=row.enabled,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def person(id_: UUID, email: str | None, name: str | None) -> dict[str, Any]:
    """The contract's PersonShape. Somebody whose account the views have not seen yet has an id and empty names."""
    name = name or ""
    return {"id": id_, "email": email or "", "firstName": first_name(name), "lastName": last_name(name)}
