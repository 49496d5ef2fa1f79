"""Tenants: all of them for the operator, else the caller's own; each with what it has, counted.

The same statements serve both: what a login sees decides. A count is made by an index that the lists have anyway.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from helpdesk.paging.cursor import Place
from helpdesk.paging.order import Order, Sort
from helpdesk.paging.page import Paging
from helpdesk.paging.window import Total, window
from helpdesk.postgres.tenant import Statement

_OPEN: Final = {
    True: "closed_at is null",
    False: "tenant_id = %(tenant_id)s and closed_at is null",
}
"""Which tenants a list is of: all of them, or one."""
_COLUMNS: Final = """
    t.id, t.name, t.slug, t.settings::text as settings, t.created_at, t.updated_at, t.version,
    (select count(*) from views.people p where p.tenant_id = t.id) as users,
    (select count(*) from views.tickets k where k.tenant_id = t.id and not k.deleted) as tickets"""
_PAGE: Final = """
select {columns}
from (select * from (select tenant_id as id, * from views.tenants where {open}) t
      where true {condition} {order_by} {limit}) t
{order_by}"""
_COUNT: Final = "select count(*) as total from views.tenants where {open}"
_ONE: Final = f"""
select {_COLUMNS}
from (select tenant_id as id, * from views.tenants where {_OPEN[False]}) t"""
_SLUG: Final = f"select slug from views.tenants where {_OPEN[False]}"
_SETTINGS: Final = f"select settings::text as settings, version from views.tenants where {_OPEN[False]}"
_ENDPOINTS: Final = "select webhooks.count_endpoints(%(tenant_id)s) as total"


@dataclass(frozen=True, slots=True)
class TenantRow:
    """One tenant. `settings` is JSON already; `users` and `tickets` are how many it has."""

    id: UUID
    name: str
    slug: str
    settings: str
    created_at: datetime
    updated_at: datetime
    version: int
    users: int
    tickets: int


@dataclass(frozen=True, slots=True)
class SlugRow:
    """As much of a tenant as its people's rights ask for."""

    slug: str


@dataclass(frozen=True, slots=True)
class SettingsRow:
    """What a tenant has set, as JSON."""

    settings: str
    version: int


def page(only: UUID | None, paging: Paging) -> Statement[TenantRow]:
    """A page of the tenants that are not closed, and one more where there is one; `only` of this one, None: of all."""
    part = window(paging)
    sql = _PAGE.format(
        columns=_COLUMNS,
        open=_OPEN[only is None],
        condition=part.condition,
        order_by=part.order_by,
        limit=part.limit,
    )
    return Statement(sql, TenantRow, {"tenant_id": only, **part.params})


def total(only: UUID | None) -> Statement[Total]:
    """How many tenants there are."""
    return Statement(_COUNT.format(open=_OPEN[only is None]), Total, {"tenant_id": only})


def one(tenant_id: UUID) -> Statement[TenantRow]:
    """A tenant, unless closed."""
    return Statement(_ONE, TenantRow, {"tenant_id": tenant_id})


def slug_of(tenant_id: UUID) -> Statement[SlugRow]:
    """The slug of a tenant, unless closed."""
    return Statement(_SLUG, SlugRow, {"tenant_id": tenant_id})


def settings(tenant_id: UUID) -> Statement[SettingsRow]:
    """What a tenant has set, unless it is closed."""
    return Statement(_SETTINGS, SettingsRow, {"tenant_id": tenant_id})


def endpoints(tenant_id: UUID) -> Statement[Total]:
    """How many webhook endpoints a tenant has; asked of their owner."""
    return Statement(_ENDPOINTS, Total, {"tenant_id": tenant_id})


def place_of(row: TenantRow, order: Order) -> Place:
    """Where a tenant stands in an order."""
    return Place(order, row.updated_at if order.by is Sort.UPDATED_AT else row.created_at, row.id)


def listed(row: TenantRow) -> dict[str, Any]:
    """The shape in lists."""
    return {**_tenant(row), "_count": {"users": row.users, "tickets": row.tickets}}


def detail(row: TenantRow, webhooks: int) -> dict[str, Any]:
    """The shape alone."""
    return {**_tenant(row), "_count": {"users": row.users, "tickets": row.tickets, "webhooks": webhooks}}


def _tenant(row: TenantRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "slug": row.slug,
        "settings": orjson.Fragment(row.settings),
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
    }
