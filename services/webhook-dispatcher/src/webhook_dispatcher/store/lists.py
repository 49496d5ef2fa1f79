"""Lists of the API: endpoints and the log of deliveries, always within one tenant."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from helpdesk.paging.cursor import Place
from helpdesk.paging.order import Order, Sort
from helpdesk.paging.page import Paging
from helpdesk.paging.window import Total, window
from helpdesk.postgres.tenant import Statement
from webhook_dispatcher.store.endpoints import COLUMNS, Endpoint

ENDPOINTS: Final = f"""
select {COLUMNS} from webhooks.endpoint
where tenant_id = %(tenant_id)s and not deleted {{condition}} {{order_by}} {{limit}}"""

COUNT_ENDPOINTS: Final = """
select count(*) as total from webhooks.endpoint where tenant_id = %(tenant_id)s and not deleted"""

DELIVERIES: Final = """
select d.id, d.event_id, d.ticket_id, d.type, d.state, d.due_at, d.created_at, coalesce(a.attempts, '[]') as attempts
from (select * from webhooks.delivery
      where tenant_id = %(tenant_id)s and endpoint_id = %(endpoint_id)s {condition} {order_by} {limit}) d
left join lateral (
    select json_agg(json_build_object(
        'attempt', attempt, 'at', at, 'status', status, 'error', error, 'latency_ms', latency_ms, 'response', head
    ) order by attempt) as attempts
    from webhooks.delivery_attempt
    where tenant_id = %(tenant_id)s and delivery_id = d.id
) a on true
{order_by}"""

COUNT_DELIVERIES: Final = """
select count(*) as total from webhooks.delivery where tenant_id = %(tenant_id)s and endpoint_id = %(endpoint_id)s"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one endpoint; `attempts` are the fields of an AttemptShape, oldest first."""

    id: UUID
    event_id: UUID
    ticket_id: UUID
    type: str
    state: str
    due_at: datetime | None
    created_at: datetime
    attempts: list[dict[str, Any]]


def endpoints(tenant_id: UUID, paging: Paging) -> Statement[Endpoint]:
    """A page of the tenant's endpoints, and one more where there is one."""
    part = window(paging)
    sql = ENDPOINTS.format(condition=part.condition, order_by=part.order_by, limit=part.limit)
    return Statement(sql, Endpoint, {"tenant_id": tenant_id, **part.params})


def count_endpoints(tenant_id: UUID) -> Statement[Total]:
    """How many endpoints the tenant has."""
    return Statement(COUNT_ENDPOINTS, Total, {"tenant_id": tenant_id})


def place_of_endpoint(row: Endpoint, order: Order) -> Place:
    """Where an endpoint stands in an order."""
    return Place(order, row.updated_at if order.by is Sort.UPDATED_AT else row.created_at, row.id)


def deliveries(tenant_id: UUID, endpoint_id: UUID, paging: Paging) -> Statement[Delivery]:
    """A page of an endpoint's deliveries with all their attempts, and one more where there is one."""
    part = window(paging)
    sql = DELIVERIES.format(condition=part.condition, order_by=part.order_by, limit=part.limit)
    return Statement(sql, Delivery, {"tenant_id": tenant_id, "endpoint_id": endpoint_id, **part.params})


def count_deliveries(tenant_id: UUID, endpoint_id: UUID) -> Statement[Total]:
    """How many deliveries an endpoint has."""
    return Statement(COUNT_DELIVERIES, Total, {"tenant_id": tenant_id, "endpoint_id": endpoint_id})


def place_of_delivery(row: Delivery, order: Order) -> Place:
    """Where a delivery stands; there is no order but that of time."""
    return Place(order, row.created_at, row.id)
