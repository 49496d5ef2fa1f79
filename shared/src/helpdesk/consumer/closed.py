"""What a consumer whose service has doors of its own must know of tenants: which of them are closed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from helpdesk.auth.people import channel_of
from helpdesk.consumer.batch import StreamBatch
from helpdesk.events.tenant import TenantClosed
from helpdesk.postgres.pool import Connection, Pool
from helpdesk.postgres.tenant import Statement, read

_REMEMBER: Final = """
insert into {schema}.closed_tenant (tenant_id) select unnest(%s::uuid[]) on conflict (tenant_id) do nothing"""
_TELL: Final = "select pg_notify(%s, t::text) from unnest(%s::uuid[]) t"
_IS_CLOSED: Final = "select tenant_id from {schema}.closed_tenant where tenant_id = %(tenant_id)s"


@dataclass(frozen=True, slots=True)
class _Closed:
    tenant_id: UUID


async def remember_closed(connection: Connection, batches: Sequence[StreamBatch], schema: str) -> None:
    """Write down the tenants that these events close, in the transaction that moves the guard, and tell the doors; most
    close none."""
    closed = sorted(batch.stream.tenant_id for batch in batches if _closes(batch))
    if closed:
        await connection.execute(_REMEMBER.format(schema=schema), (closed,))
        await connection.execute(_TELL, (channel_of(schema), closed))


async def is_closed(pool: Pool, schema: str, tenant_id: UUID) -> bool:
    """Whether the tenant is closed, as far as the schema's consumer has come."""
    statement = Statement(_IS_CLOSED.format(schema=schema), _Closed, {"tenant_id": tenant_id})
    return bool(await read(pool, tenant_id, statement))


def _closes(batch: StreamBatch) -> bool:
    return batch.stream.type == "tenant" and any(isinstance(one.event, TenantClosed) for one in batch.events)
