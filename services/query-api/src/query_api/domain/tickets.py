"""Which tickets a request asks for, and which its caller may see."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from helpdesk import policy
from helpdesk.policy import Reach
from query_api.domain.query.parse import Query
from query_api.domain.query.tree import Between, Condition, Contains, Equals, Field, StatusIs
from query_api.domain.words import StatusFilter


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
    """What a list of tickets is narrowed to; None and nothing do not narrow. An assignee of None is nobody."""

    statuses: tuple[StatusFilter, ...] = ()
    priorities: tuple[str, ...] = ()
    created_by_id: UUID | None = None
    assignees: tuple[UUID | None, ...] = ()
    search: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    query: Query | None = None

    def conditions(self) -> Iterator[Condition]:
        """All that must hold."""
        if self.statuses:
            yield StatusIs(self.statuses)
        if self.priorities:
            yield Equals(Field.PRIORITY, self.priorities)
        if self.created_by_id is not None:
            yield Equals(Field.REQUESTER, (self.created_by_id,))
        if self.assignees:
            yield Equals(Field.ASSIGNEE, self.assignees)
        if self.search is not None:
            yield Contains(self.search)
        if self.created_after is not None or self.created_before is not None:
            yield Between(Field.CREATED, self.created_after, self.created_before)
        if self.query is not None:
            yield self.query.condition

    def name(self) -> list[object]:
        """The filter as data, to tell one list from another: a query by its text, because `-7d` moves on."""
        query = None if self.query is None else [str(self.query.me), self.query.text]
        return [*(str(getattr(self, one.name)) for one in fields(self) if one.name != "query"), query]
