"""People: the caller's own account, and how others are shown."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from helpdesk.auth.standing import Known
from helpdesk.http.shapes import UserShape, user
from helpdesk.paging.cursor import Place
from helpdesk.paging.order import Order, Sort
from helpdesk.paging.page import Paging
from helpdesk.paging.window import Total, window
from helpdesk.people import first_name, last_name
from helpdesk.postgres.pool import Pool
from helpdesk.postgres.tenant import Statement, read
from query_api.views.matching import literal

_COLUMNS: Final = """
    id, tenant_id, email, name, role, enabled, invited, created_at, updated_at, valid_from, sessions_from, version"""
_ONE: Final = f"select {_COLUMNS} from views.people where tenant_id = %(tenant_id)s and id = %(id)s"
_OF_TENANT: Final = """tenant_id = %(tenant_id)s and (%(role)s::text is null or role = %(role)s)
  and (%(search)s::text is null or name ilike %(search)s or email ilike %(search)s)"""
_PAGE: Final = f"""
select {_COLUMNS} from views.people where {_OF_TENANT} {{condition}} {{order_by}} {{limit}}"""
_COUNT: Final = f"select count(*) as total from views.people where {_OF_TENANT}"
_KNOWN: Final = """
select exists (select from views.tenants where tenant_id = %(tenant_id)s and closed_at is not null) as closed,
       p.role, p.enabled, p.valid_from, p.sessions_from
from (select 1) one left join views.people p on p.tenant_id = %(tenant_id)s and p.id = %(id)s"""


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One account."""

    id: UUID
    tenant_id: UUID
    email: str
    name: str
    role: str
    enabled: bool
    invited: bool
    created_at: datetime
    updated_at: datetime
    valid_from: datetime | None
    sessions_from: datetime | None
    version: int


def one(tenant_id: UUID, user_id: UUID) -> Statement[PersonRow]:
    """An account by its id."""
    return Statement(_ONE, PersonRow, {"tenant_id": tenant_id, "id": user_id})


@dataclass(frozen=True, slots=True)
class PeopleFilter:
    """Which people of a tenant; `search` is text that the name or the address contains. None: all."""

    role: str | None = None
    search: str | None = None

    def params(self, tenant_id: UUID) -> dict[str, Any]:
        """As the statements take it."""
        search = None if self.search is None else f"%{literal(self.search)}%"
        return {"tenant_id": tenant_id, "role": self.role, "search": search}


def page(tenant_id: UUID, filter_: PeopleFilter, paging: Paging) -> Statement[PersonRow]:
    """A page of a tenant's people, and one more where there is one."""
    part = window(paging)
    sql = _PAGE.format(condition=part.condition, order_by=part.order_by, limit=part.limit)
    return Statement(sql, PersonRow, {**filter_.params(tenant_id), **part.params})


def total(tenant_id: UUID, filter_: PeopleFilter) -> Statement[Total]:
    """How many they are."""
    return Statement(_COUNT, Total, filter_.params(tenant_id))


def place_of(row: PersonRow, order: Order) -> Place:
    """Where a person stands in an order."""
    return Place(order, row.updated_at if order.by is Sort.UPDATED_AT else row.created_at, row.id)


async def known(pool: Pool, tenant_id: UUID, user_id: UUID) -> Known:
    """What the views know of a tenant and a person, for the judgement of their token."""
    (found,) = await read(pool, tenant_id, Statement(_KNOWN, Known, {"tenant_id": tenant_id, "id": user_id}))
    return found


def account(row: PersonRow) -> UserShape:
    """The contract's User."""
    return user(
        id_=row.id,
        tenant_id=row.tenant_id,
        email=row.email,
        name=row.name,
        role=row.role,
        enabled=row.enabled,
        invited=row.invited,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def person(id_: UUID, email: str | None, name: str | None) -> dict[str, Any]:
    """The contract's PersonShape. Somebody whose account the views have not seen yet has an id and empty names."""
    name = name or ""
    return {"id": id_, "email": email or "", "firstName": first_name(name), "lastName": last_name(name)}
