"""Which tickets a request asks for, and which its caller may see."""

from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from helpdesk import policy
from helpdesk.policy import Reach
from query_api.domain.words import ANY_STATUS, StatusFilter


@dataclass(frozen=True, slots=True)
class Sight:
    """What a caller may see: only the tickets of `own`, if set; internal notes only for the tenant's people."""

    own: UUID | None
    internal: bool

    def covers(self, created_by_id: UUID) -> bool:
        """Whether a ticket of this creator is in sight."""
        return self.own is None or self.own == created_by_id


def sight_of(role: str, user_id: UUID) -> Sight:
    """What a person with `role` may see of their tenant's tickets (contract §13)."""
    any_ = policy.reach(role, "tickets:read") is Reach.ANY
    return Sight(own=None if any_ else user_id, internal=policy.is_staff(role))


@dataclass(frozen=True, slots=True)
class TicketFilter:
    """What a list of tickets is narrowed to; None does not narrow."""

    status: StatusFilter = ANY_STATUS
    priority: str | None = None
    created_by_id: UUID | None = None
    assignee_id: UUID | None = None
    search: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None

    def name(self) -> list[object]:
        """The filter as data, to tell one list from another."""
        return [str(value) for value in asdict(self).values()]
