"""Lists of the API: endpoints and the log of deliveries, always within one tenant."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

from helpdesk.postgres.pool import Pool
from helpdesk.postgres.tenant import Statement, read, read_all
from webhook_dispatcher.store.endpoints import Endpoint

Order = Literal["asc", "desc"]
Place: TypeAlias = tuple[datetime, UUID]
"""Creation and id of a row: where it stands in a list."""

_ENDPOINTS: Final = """
select tenant_id, id, url, events, is_active, version, created_at, updated_at
from webhooks.endpoint
where tenant_id = %(tenant_id)s and not deleted
order by {column} {order}, id {order}
limit %(limit)s offset %(offset)s"""
_SORTED: Final = {
    (sort_by, order): _ENDPOINTS.format(column=column, order=order)
    for sort_by, column in (("createdAt", "created_at"), ("updatedAt", "updated_at"))
    for order in ("asc", "desc")
}

_BEYOND: Final = """
select tenant_id, id, url, events, is_active, version, created_at, updated_at
from webhooks.endpoint
where tenant_id = %(tenant_id)s and not deleted
  and (%(created_at)s::timestamptz is null or (created_at, id) {beyond} (%(created_at)s, %(id)s))
order by created_at {order}, id {order}
limit %(limit)s"""
_BEYOND_IN: Final[dict[Order, str]] = {
    "asc": _BEYOND.format(beyond=">", order="asc"),
    "desc": _BEYOND.format(beyond="<", order="desc"),
}

COUNT: Final = """
select count(*)::int as total from webhooks.endpoint where tenant_id = %(tenant_id)s and not deleted"""

DELIVERIES: Final = """
select id, event_id, ticket_id, type, state, attempt, due_at, created_at
from webhooks.delivery
where tenant_id = %(tenant_id)s and endpoint_id = %(endpoint_id)s
order by created_at desc, id desc
limit %(limit)s offset %(offset)s"""

ATTEMPTS: Final = """
select a.delivery_id, a.attempt, a.at, a.status, a.error, a.latency_ms, a.head
from webhooks.delivery_attempt a
where a.tenant_id = %(tenant_id)s and a.delivery_id in (
    select d.id from webhooks.delivery d
    where d.tenant_id = %(tenant_id)s and d.endpoint_id = %(endpoint_id)s
    order by d.created_at desc, d.id desc
    limit %(limit)s offset %(offset)s)
order by a.delivery_id, a.attempt"""

COUNT_DELIVERIES: Final = """
select count(*)::int as total from webhooks.delivery
where tenant_id = %(tenant_id)s and endpoint_id = %(endpoint_id)s"""


@dataclass(frozen=True, slots=True)
class Total:
    """How many rows there are in all."""

    total: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one endpoint."""

    id: UUID
    event_id: UUID
    ticket_id: UUID
    type: str
    state: str
    attempt: int
    due_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to deliver it."""

    delivery_id: UUID
    attempt: int
    at: datetime
    status: int | None
    error: str | None
    latency_ms: int
    head: str


async def endpoints(
    pool: Pool, tenant_id: UUID, *, sort_by: str, order: Order, limit: int, offset: int = 0
) -> tuple[Sequence[Endpoint], int]:
    """A page of the tenant's endpoints, and how many there are."""
    params = {"tenant_id": tenant_id, "limit": limit, "offset": offset}
    rows, [total] = await read_all(
        pool,
        tenant_id,
        Statement(_SORTED[sort_by, order], Endpoint, params),
        Statement(COUNT, Total, params),
    )
    return rows, total.total


async def endpoints_beyond(
    pool: Pool, tenant_id: UUID, *, order: Order, place: Place | None, limit: int
) -> Sequence[Endpoint]:
    """The endpoints that follow a place in an order of creation (None: from its start)."""
    created_at, id_ = place or (None, None)
    params = {"tenant_id": tenant_id, "created_at": created_at, "id": id_, "limit": limit}
    return await read(pool, tenant_id, Statement(_BEYOND_IN[order], Endpoint, params))


async def deliveries(
    pool: Pool, tenant_id: UUID, endpoint_id: UUID, *, limit: int, offset: int
) -> tuple[Sequence[Delivery], Sequence[Attempt], int]:
    """A page of an endpoint's deliveries, newest first, with all attempts of these, and how many there are."""
    params = {"tenant_id": tenant_id, "endpoint_id": endpoint_id, "limit": limit, "offset": offset}
    rows, attempts, [total] = await read_all(
        pool,
        tenant_id,
        Statement(DELIVERIES, Delivery, params),
        Statement(ATTEMPTS, Attempt, params),
        Statement(COUNT_DELIVERIES, Total, params),
    )
    return rows, attempts, total.total
