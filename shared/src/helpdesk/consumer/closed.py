"""What a consumer whose service has doors of its own must know of tenants: which of them are closed."""

from collections.abc import Sequence
from typing import Final

from helpdesk.consumer.batch import StreamBatch
from helpdesk.events.tenant import TenantClosed
from helpdesk.postgres.pool import Connection

_REMEMBER: Final = """
insert into {schema}.closed_tenant (tenant_id) select unnest(%s::uuid[]) on conflict (tenant_id) do nothing"""


async def remember_closed(connection: Connection, batches: Sequence[StreamBatch], schema: str) -> None:
    """Write down the tenants that these events close, in the transaction that moves the guard; most close none."""
    closed = sorted(batch.stream.tenant_id for batch in batches if _closes(batch))
    if closed:
        await connection.execute(_REMEMBER.format(schema=schema), (closed,))


def _closes(batch: StreamBatch) -> bool:
    return batch.stream.type == "tenant" and any(isinstance(one.event, TenantClosed) for one in batch.events)
