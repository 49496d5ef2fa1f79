"""People and tenants as they are now, kept for a few seconds: every command asks for some."""

from collections.abc import Iterable
from uuid import UUID

from command_api import store
from helpdesk.folds.user import Standing
from helpdesk.postgres.kept import Kept, hear_changes
from helpdesk.postgres.pool import Pool


class Directory:
    """What is found is kept, for `KEPT_S` at most and until the database tells that it changed; what is missing is
    never kept, so who signs up is found at once."""

    def __init__(self, pool: Pool, dsn: str) -> None:
        self._pool, self._dsn = pool, dsn
        self._people: Kept[store.Person] = Kept()
        self._tenants: Kept[store.TenantRow] = Kept()

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
        """The tenant of this id."""
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

    async def standing(self, tenant_id: UUID, user_id: UUID) -> Standing | None:
        """Who this person is now, for the judgement of their token; None for an unknown one."""
        person = (await self.people(tenant_id, [user_id])).get(user_id)
        if person is None:
            return None
        return Standing(person.role, person.enabled, person.valid_from, person.sessions_from)

    async def run(self) -> None:
        """Hear of changes, for ever."""
        await hear_changes(self._dsn, "events_rows", self.forget)
