"""People and tenants as they are now, kept for a few seconds: every command asks for some."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from command_api import store
from helpdesk.auth.standing import Known
from helpdesk.postgres.kept import MOST, Kept, Mark
from helpdesk.postgres.listening import Listener
from helpdesk.postgres.pool import Pool

LEASE_S: Final = 0.05
"""Seconds. Nobody is judged by a row that was read longer ago: so long after a change no process has the former one
(ADR 28)."""


class Directory:
    """What is found is kept, for `KEPT_S` at most and until the database tells that it changed; what is missing is
    never kept, so who signs up is found at once. While `listener` hears nothing, rows are `KEPT_S` old at most all the
    same."""

    def __init__(self, pool: Pool, listener: Listener) -> None:
        self._pool = pool
        self._people: Kept[store.Person] = Kept()
        self._tenants: Kept[store.TenantRow] = Kept()
        self._judged: Kept[Known] = Kept()
        self._readings: dict[tuple[UUID, UUID], tuple[Mark, asyncio.Task[Known]]] = {}
        self._redactions: OrderedDict[UUID, int] = OrderedDict()
        listener.subscribe("events_rows", lambda tenant_id: self.forget(UUID(tenant_id)), anew=self.forget)

    async def people(self, tenant_id: UUID, ids: Iterable[UUID]) -> dict[UUID, store.Person]:
        """Those of `ids` that exist in the tenant."""
        found, missing = {}, []
        for id_ in ids:
            known = self._people.get(tenant_id, id_)
            if known is None:
                missing.append(id_)
            else:
                found[id_] = known
        if missing:
            mark = self._people.mark
            read = await store.people(self._pool, tenant_id, missing)
            self._people.keep(tenant_id, read, mark)
            found |= read
        return found

    async def tenant(self, tenant_id: UUID) -> store.TenantRow | None:
        """The tenant of this id, None for one that is closed or never was."""
        known = self._tenants.get(tenant_id, tenant_id)
        if known is None:
            mark = self._tenants.mark
            known = await store.tenant(self._pool, id_=tenant_id)
            if known is not None:
                self._tenants.keep(tenant_id, {tenant_id: known}, mark)
        return known

    def forget(self, tenant_id: UUID | None = None) -> None:
        """Nothing that was kept of a tenant (None: of anybody) counts any more."""
        self._people.forget(tenant_id)
        self._tenants.forget(tenant_id)
        self._judged.forget(tenant_id)
        self._readings.clear()  # what is being read may be old

    def redacted(self, tenant_id: UUID, times: int | None) -> None:
        """How often something of the tenant was redacted by now, None: never. What was read before the last time does
        not count any more: who knows of that does not wait until the database tells of the row."""
        if self._redactions.get(tenant_id) == times:
            return
        self.forget(tenant_id)
        self._redactions.pop(tenant_id, None)
        if times is not None:
            self._redactions[tenant_id] = times
            while len(self._redactions) > MOST:  # who is not remembered is only read once more
                self._redactions.popitem(last=False)

    async def known(self, tenant_id: UUID, user_id: UUID) -> Known:
        """What is known of a tenant and a person, for the judgement of their token; one that was purged is closed."""
        known = self._judged.get(tenant_id, user_id, LEASE_S)
        if known is not None:
            return known
        reading = self._readings.get((tenant_id, user_id))
        if reading is None or time.monotonic() - reading[0].at_s >= LEASE_S:
            mark = self._judged.mark
            reading = mark, asyncio.create_task(self._read(tenant_id, user_id, mark))
            self._readings[tenant_id, user_id] = reading
        return await asyncio.shield(reading[1])  # others may wait for it, too

    async def _read(self, tenant_id: UUID, user_id: UUID, mark: Mark) -> Known:
        try:
            known = await store.known(self._pool, tenant_id, user_id)
            self._judged.keep(tenant_id, {user_id: known}, mark)
            return known
        finally:
            if self._readings.get((tenant_id, user_id), (None,))[0] is mark:
                del self._readings[tenant_id, user_id]
