"""Which tickets a query touches: those of the tenant, in sight, that the filter leaves."""

from typing import Any, Final
from uuid import UUID

from query_api.domain.tickets import Sight, TicketFilter
from query_api.views.matching import Matching

_VISIBLE: Final = "tenant_id = %(tenant_id)s and not deleted"
_OWN: Final = "created_by_id = %(own)s"


def narrowed(tenant_id: UUID, sight: Sight, filter_: TicketFilter) -> tuple[str, dict[str, Any]]:
    """The condition for `views.tickets`, and its parameters. Whatever the filter says, it only takes away."""
    matching = Matching()
    parts = [_VISIBLE, *([] if sight.own is None else [_OWN])]
    parts += [matching.sql(one) for one in filter_.conditions()]
    own = {} if sight.own is None else {"own": sight.own}
    return " and ".join(parts), {"tenant_id": tenant_id, **own, **matching.params}
