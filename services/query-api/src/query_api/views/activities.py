"""What happened to a ticket."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from helpdesk.postgres.tenant import Statement
from query_api.domain.tickets import Sight
from query_api.views.people import person

LONGEST: Final = 1_000
_NEWEST: Final = """
select a.id, a.ticket_id, a.type, a.changes::text as changes, a.created_at, a.actor_id,
       p.email as actor_email, p.name as actor_name
from views.activities a
left join views.people p on p.tenant_id = a.tenant_id and p.id = a.actor_id
where a.tenant_id = %(tenant_id)s and a.ticket_id = %(ticket_id)s and (%(internal)s or not a.is_internal)
order by a.version desc
limit %(limit)s"""


@dataclass(frozen=True, slots=True)
class ActivityRow:
    """One activity with its actor's name. `changes` is JSON already."""

    id: UUID
    ticket_id: UUID
    type: str
    changes: str
    created_at: datetime
    actor_id: UUID
    actor_email: str | None
    actor_name: str | None


def newest(tenant_id: UUID, sight: Sight, ticket_id: UUID) -> Statement[ActivityRow]:
    """A ticket's activities in sight, newest first, at most `LONGEST`."""
    params = {"tenant_id": tenant_id, "ticket_id": ticket_id, "internal": sight.internal, "limit": LONGEST}
    return Statement(_NEWEST, ActivityRow, params)


def activity(row: ActivityRow) -> dict[str, Any]:
    """The contract's ActivityShape."""
    return {
        "id": row.id,
        "ticketId": row.ticket_id,
        "type": row.type,
        "changes": orjson.Fragment(row.changes),
        "createdAt": row.created_at,
        "actor": person(row.actor_id, row.actor_email, row.actor_name),
    }
