"""People and tenants as they are now, kept for a few seconds: every command asks for some."""

import logging
import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, Generic, TypeVar
from uuid import UUID

import psycopg

from command_api import store
from helpdesk.postgres.pool import Pool, connect
from helpdesk.tasks import pause

log = logging.getLogger(__name__)
KEPT_S: Final = 5.0
MOST: Final = 10_000
V = TypeVar("V")


class Directory:
    """What is found is kept, for `KEPT_S` at most and until the database tells that it changed; what is missing is
    never kept, so who signs up is found at once."""

    def __init__(self, pool: Pool, dsn: str) -> None:
        self._pool, self._dsn = pool, dsn
        self._people: _Kept[store.Person] = _Kept()
        self._tenants: _Kept[store.TenantRow] = _Kept()

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

    async def is_closed(self, tenant_id: UUID) -> bool:
        """Whether nothing may be done in the tenant any more: it is closed, or purged already."""
        return await self.tenant(tenant_id) is None

    def forget(self, tenant_id: UUID | None = None) -> None:
        """Nothing that was kept of a tenant (None: of anybody) counts any more."""
        self._people.forget(tenant_id)
        self._tenants.forget(tenant_id)

    async def run(self) -> None:
        """Hear of changes, for ever. While nobody can be heard, rows are `KEPT_S` old at most all the same."""
        while True:
            try:
                async with await connect(self._dsn, name="events-rows") as connection:
                    await connection.execute("listen events_rows")
                    self.forget()  # what changed while nobody listened
                    async for change in connection.notifies():
                        self.forget(UUID(change.payload))
            except (psycopg.Error, OSError, ValueError) as error:
                log.warning("cannot hear of changed rows", extra={"error": str(error)})
            await pause(1.0)


class _Kept(Generic[V]):
    """Rows by tenant and id, the longest kept going first. `mark` changes with every `forget`: what was being read
    meanwhile may be old and is not kept."""

    def __init__(self) -> None:
        self._rows: OrderedDict[tuple[UUID, UUID], tuple[float, V]] = OrderedDict()
        self.mark = 0

    def get(self, tenant_id: UUID, id_: UUID) -> V | None:
        kept = self._rows.get((tenant_id, id_))
        return kept[1] if kept and kept[0] > time.monotonic() else None

    def keep(self, tenant_id: UUID, rows: dict[UUID, V], mark: int) -> None:
        if mark != self.mark:
            return
        until = time.monotonic() + KEPT_S
        for id_, row in rows.items():
            self._rows[tenant_id, id_] = (until, row)
            self._rows.move_to_end((tenant_id, id_))
        while len(self._rows) > MOST:
            self._rows.popitem(last=False)

    def forget(self, tenant_id: UUID | None) -> None:
        self.mark += 1
        for key in [key for key in self._rows if tenant_id is None or key[0] == tenant_id]:
            del self._rows[key]
