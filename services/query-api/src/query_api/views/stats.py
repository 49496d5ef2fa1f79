"""Tickets, counted."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from helpdesk.postgres.tenant import Statement
from query_api.domain.tickets import Sight, TicketFilter
from query_api.domain.words import PRIORITIES, STATUSES
from query_api.views.narrowing import narrowed

_STATS: Final = (
    "select status, priority, count(*) as total from views.tickets where {visible} group by status, priority"
)


@dataclass(frozen=True, slots=True)
class StatsRow:
    """How many tickets have this status and this priority."""

    status: str
    priority: str
    total: int


def of_tickets(tenant_id: UUID, sight: Sight, filter_: TicketFilter) -> Statement[StatsRow]:
    """The counts of the tickets in sight that the filter leaves."""
    visible, params = narrowed(tenant_id, sight, filter_)
    return Statement(_STATS.format(visible=visible), StatsRow, params)


def counted(rows: list[StatsRow]) -> dict[str, Any]:
    """The counts with every word, zero included."""
    by_status, by_priority = dict.fromkeys(STATUSES, 0), dict.fromkeys(PRIORITIES, 0)
    for row in rows:
        by_status[row.status] += row.total
        by_priority[row.priority] += row.total
    return {"total": sum(by_status.values()), "byStatus": by_status, "byPriority": by_priority}
