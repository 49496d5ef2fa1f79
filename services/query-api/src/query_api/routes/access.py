"""Who gets to see one ticket (contract §3, §13)."""

from collections.abc import Sequence
from typing import Protocol, TypeVar
from uuid import UUID

from helpdesk.http.problem import Problem
from query_api.domain.tickets import Sight


class _Created(Protocol):
    @property
    def created_by_id(self) -> UUID: ...


T = TypeVar("T", bound=_Created)


def demand(found: Sequence[T], sight: Sight) -> T:
    """The ticket that was found in the caller's tenant: 404 when there is none, 403 when it is out of sight."""
    if not found:
        raise Problem(404, "ticket_not_found", "There is no such ticket.")
    if not sight.covers(found[0].created_by_id):
        raise Problem(403, "not_allowed", "This ticket is somebody else's.")
    return found[0]
