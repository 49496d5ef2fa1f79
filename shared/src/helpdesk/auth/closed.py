"""Tokens outlive the tenant that they were given out in: every door asks whether it is closed."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias
from uuid import UUID

KEPT_S: Final = 2.0
MOST: Final = 10_000
IsClosed: TypeAlias = Callable[[UUID], Awaitable[bool]]
"""Whether this tenant is closed, as far as a service knows by now; one that it has not heard of is not."""


class Remembered:
    """The answers of `ask`, each kept for `KEPT_S` or until `forget`: a request costs no query, and a tenant that
    closes is out as soon as the service knows it."""

    def __init__(self, ask: IsClosed) -> None:
        self._ask = ask
        self._known: OrderedDict[UUID, tuple[float, bool]] = OrderedDict()
        self._mark = 0

    async def __call__(self, tenant_id: UUID) -> bool:
        """Whether it is closed."""
        known = self._known.get(tenant_id)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        mark = self._mark
        closed = await self._ask(tenant_id)
        if mark != self._mark:  # what was being read meanwhile may be old
            return closed
        self._known[tenant_id] = (time.monotonic() + KEPT_S, closed)
        self._known.move_to_end(tenant_id)
        if len(self._known) > MOST:
            self._known.popitem(last=False)
        return closed

    def forget(self, tenant_id: UUID | None) -> None:
        """Ask anew about a tenant (None: about all of them)."""
        self._mark += 1
        if tenant_id is None:
            self._known.clear()
        else:
            self._known.pop(tenant_id, None)
