"""What every consumer does when a tenant is purged: destroy what it made of it, and never make it again."""

from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any, Final, Protocol, TypeAlias
from uuid import UUID

from helpdesk.consumer.batch import StreamBatch
from helpdesk.events.operations import TenantPurged
from helpdesk.postgres.pool import Connection

Forget: TypeAlias = Callable[[Connection, UUID], Coroutine[Any, Any, None]]

# Another consumer may apply what is left of the tenant's events in another partition: who purges waits until they have
# committed, and they wait until it has. Whoever purges nothing hinders nobody.
_SHARE: Final = "select pg_advisory_xact_lock_shared(hashtext(%s), hashtext(t::text)) from unnest(%s::uuid[]) t"
_OWN: Final = "select pg_advisory_xact_lock(hashtext(%s), hashtext(t::text)) from unnest(%s::uuid[]) t"
_GONE: Final = "select tenant_id from {schema}.purged_tenant where tenant_id = any(%s)"
_REMEMBER: Final = "insert into {schema}.purged_tenant (tenant_id) select unnest(%s::uuid[]) on conflict do nothing"
_UNPARK: Final = "delete from {schema}.parked where tenant_id = any(%s)"
# The rows of a large tenant take longer than any other statement may.
_NO_HURRY: Final = "set local statement_timeout = 0"


class Handle(Protocol):
    """What a consumer does with a batch."""

    async def __call__(self, connection: Connection, batches: Sequence[StreamBatch]) -> None: ...


class Forgetting:
    """`handler`, without the events of purged tenants. `forget` deletes a tenant's rows, all but the version guards.

    The guards move over what is left out all the same. Everything is in the transaction of the batch.
    """

    def __init__(self, handler: Handle, schema: str, forget: Forget) -> None:
        self.handler = handler
        """For batches that purge nothing, once `take_turn` has found that no tenant of theirs was purged."""
        self._forget, self._lock = forget, f"{schema}.purged"
        self._gone, self._remember, self._unpark = (sql.format(schema=schema) for sql in (_GONE, _REMEMBER, _UNPARK))

    async def __call__(self, connection: Connection, batches: Sequence[StreamBatch]) -> None:
        tenants = sorted({batch.stream.tenant_id for batch in batches})
        purged = purges(batches)
        async with connection.pipeline():
            if purged:
                await connection.execute(_OWN, (self._lock, purged))
                await connection.execute(self._remember, (purged,))
            await connection.execute(_SHARE, (self._lock, tenants))
            found = await connection.execute(self._gone, (tenants,))
        left_out = {tenant for (tenant,) in await found.fetchall()}
        await self.handler(connection, [batch for batch in batches if batch.stream.tenant_id not in left_out])
        if purged:
            await connection.execute(_NO_HURRY)
            await connection.execute(self._unpark, (purged,))
            for tenant in purged:
                await self._forget(connection, tenant)


def purges(batches: Sequence[StreamBatch]) -> list[UUID]:
    """The tenants that are purged by events of these."""
    events: Collection[object] = [one.event for batch in batches for one in batch.events]
    return sorted({event.tenant_id for event in events if isinstance(event, TenantPurged)})
