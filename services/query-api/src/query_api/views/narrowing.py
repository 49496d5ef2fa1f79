"""Which tickets a query touches: those of the tenant, in sight, that the filter leaves."""

from typing import Any, Final
from uuid import UUID

from query_api.domain.tickets import Sight, TicketFilter

_VISIBLE: Final = "tenant_id = %(tenant_id)s and not deleted"
_CONDITIONS: Final = {
    "own": "created_by_id = %(own)s",
    "status": "status = %(status)s",
    "waiting_on": "waiting_on = %(waiting_on)s",
    "resolution": "resolution = %(resolution)s",
    "priority": "priority = %(priority)s",
    "created_by_id": "created_by_id = %(created_by_id)s",
    "assignee_id": "assignee_id = %(assignee_id)s",
    "search": "(title ilike %(search)s or description ilike %(search)s)",
    "created_after": "created_at >= %(created_after)s",
    "created_before": "created_at <= %(created_before)s",
}


def narrowed(tenant_id: UUID, sight: Sight, filter_: TicketFilter) -> tuple[str, dict[str, Any]]:
    """The condition for `views.tickets`, and its parameters."""
    wanted = {
        "own": sight.own,
        "status": filter_.status.status,
        "waiting_on": filter_.status.waiting_on,
        "resolution": filter_.status.resolution,
        "priority": filter_.priority,
        "created_by_id": filter_.created_by_id,
        "assignee_id": filter_.assignee_id,
        "search": None if filter_.search is None else f"%{literal(filter_.search)}%",
        "created_after": filter_.created_after,
        "created_before": filter_.created_before,
    }
    params = {name: value for name, value in wanted.items() if value is not None}
    return " and ".join([_VISIBLE, *(_CONDITIONS[name] for name in params)]), {"tenant_id": tenant_id, **params}


def literal(text: str) -> str:
    """Text that a LIKE pattern takes as it stands."""
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
