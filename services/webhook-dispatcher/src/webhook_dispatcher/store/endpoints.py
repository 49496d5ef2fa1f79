"""Endpoint rows: read within their tenant; changed in the transaction that appends the event which tells of it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg.rows import class_row

from helpdesk.events.webhook import (
    WebhookEndpointChanged,
    WebhookEndpointCreated,
    WebhookEndpointDeleted,
    WebhookEvent,
)
from helpdesk.eventstore.idempotency import Answer, Key, Keyed, complete
from helpdesk.eventstore.store import EventStore, StreamAppend
from helpdesk.ids import new_id
from helpdesk.postgres.pool import Connection, Pool
from helpdesk.postgres.tenant import Statement, Within, read, tenant_of
from helpdesk.recorded import Metadata, Stream
from webhook_dispatcher.store import SCHEMA


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint as everybody of its tenant may see it: without its secret."""

    tenant_id: UUID
    id: UUID
    url: str
    events: list[str]
    is_active: bool
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class UnderKey:
    """An idempotency key, and the answer that the endpoint will make, as it is stored."""

    key: Key
    answer: Callable[[Endpoint], Answer]


_UNKNOWN_YET: Final = Answer(0)
COLUMNS: Final = "tenant_id, id, url, events, is_active, version, created_at, updated_at"

FIND: Final = f"""
select {COLUMNS} from webhooks.endpoint where tenant_id = %(tenant_id)s and id = %(id)s and not deleted"""

INSERT: Final = f"""
insert into webhooks.endpoint (tenant_id, id, url, events, secret, version, created_at, updated_at)
select %(tenant_id)s, %(id)s, %(url)s, %(events)s, %(secret)s, 1, t.now, t.now
from (select date_trunc('milliseconds', clock_timestamp()) as now) t
returning {COLUMNS}"""

UPDATE: Final = f"""
update webhooks.endpoint set
    url = %(url)s, events = %(events)s, is_active = %(is_active)s, secret = coalesce(%(secret)s, secret),
    version = version + 1,
    updated_at = greatest(date_trunc('milliseconds', clock_timestamp()), updated_at + interval '1 millisecond')
where tenant_id = %(tenant_id)s and id = %(id)s and version = %(version)s and not deleted
returning {COLUMNS}"""

DISABLE: Final = f"""
update webhooks.endpoint set
    is_active = false, version = version + 1,
    updated_at = greatest(date_trunc('milliseconds', clock_timestamp()), updated_at + interval '1 millisecond')
where tenant_id = %(tenant_id)s and id = %(id)s and version = %(version)s and not deleted
returning {COLUMNS}"""

DELETE: Final = f"""
update webhooks.endpoint set deleted = true, is_active = false, secret = '', version = version + 1
where tenant_id = %(tenant_id)s and id = %(id)s and version = %(version)s and not deleted
returning {COLUMNS}"""

DROP_OPEN_DELIVERIES: Final = """
update webhooks.delivery set state = 'failed', due_at = null, claim = null
where tenant_id = %(tenant_id)s and endpoint_id = %(id)s and due_at is not null"""

WAKE_SENDERS: Final = "notify webhooks_due"


async def find(pool: Pool, within: Within, id_: UUID) -> Endpoint | None:
    """One endpoint of the tenant; None for another's, a deleted or an unknown one."""
    found = await read(pool, within, Statement(FIND, Endpoint, {"tenant_id": tenant_of(within), "id": id_}))
    return found[0] if found else None


async def create(
    pool: Pool,
    metadata: Metadata,
    endpoint_id: UUID,
    tenant_id: UUID,
    event: WebhookEndpointCreated,
    secret: bytes,
    kept: UnderKey | None = None,
) -> Endpoint:
    """A new endpoint with its sealed secret. Here and below: with `kept` KeyAnswered, KeyReused, KeyInFlight."""
    row = {"tenant_id": tenant_id, "id": endpoint_id, "url": event.url, "events": list(event.events), "secret": secret}
    async with _appended(pool, Stream(tenant_id, "webhook", endpoint_id), 0, event, metadata, kept) as connection:
        return await _kept(connection, await _one(connection, INSERT, row), kept)


async def change(
    pool: Pool,
    metadata: Metadata,
    endpoint: Endpoint,
    event: WebhookEndpointChanged,
    secret: bytes | None,
    kept: UnderKey | None = None,
) -> Endpoint:
    """`endpoint` as `event` tells; a sealed secret replaces the former one. Raises WrongVersion."""
    row = {**_key(endpoint), "url": event.url, "events": list(event.events), "is_active": event.is_active}
    async with _changed(pool, endpoint, event, metadata, kept) as connection:
        return await _kept(connection, await _one(connection, UPDATE, row | {"secret": secret}), kept)


async def disable(pool: Pool, metadata: Metadata, endpoint: Endpoint, event: WebhookEndpointChanged) -> Endpoint:
    """What a worker may change of an endpoint: that it is no longer active. Raises WrongVersion."""
    async with _changed(pool, endpoint, event, metadata) as connection:
        return await _one(connection, DISABLE, _key(endpoint))


async def delete(
    pool: Pool, metadata: Metadata, endpoint: Endpoint, event: WebhookEndpointDeleted, kept: UnderKey | None = None
) -> None:
    """Forget its secret and drop what was still due to it. Raises WrongVersion."""
    async with _changed(pool, endpoint, event, metadata, kept) as connection:
        await _kept(connection, await _one(connection, DELETE, _key(endpoint)), kept)
        await connection.execute(DROP_OPEN_DELIVERIES, _key(endpoint))


def _changed(
    pool: Pool, endpoint: Endpoint, event: WebhookEvent, metadata: Metadata, kept: UnderKey | None = None
) -> AbstractAsyncContextManager[Connection]:
    stream = Stream(endpoint.tenant_id, "webhook", endpoint.id)
    return _appended(pool, stream, endpoint.version, event, metadata, kept)


@asynccontextmanager
async def _appended(
    pool: Pool, stream: Stream, expected: int, event: WebhookEvent, metadata: Metadata, kept: UnderKey | None
) -> AsyncIterator[Connection]:
    """A transaction whose first write is the event; the rows that change with it follow, under the event's tenant."""
    async with pool.connection() as connection, connection.transaction():
        append = StreamAppend(stream, expected, [event])
        keyed = Keyed(kept.key, _UNKNOWN_YET) if kept else None
        await EventStore(pool, SCHEMA).append_in(connection, new_id(), [append], metadata, keyed)
        yield connection
        await connection.execute(WAKE_SENDERS)


async def _kept(connection: Connection, endpoint: Endpoint, kept: UnderKey | None) -> Endpoint:
    """The endpoint, after its answer was kept in the same transaction."""
    if kept:
        await complete(connection, SCHEMA, endpoint.tenant_id, kept.key, kept.answer(endpoint))
    return endpoint


def _key(endpoint: Endpoint) -> dict[str, object]:
    return {"tenant_id": endpoint.tenant_id, "id": endpoint.id, "version": endpoint.version}


async def _one(connection: Connection, query: str, params: dict[str, object]) -> Endpoint:
    """The row that a write returns: the append before it has judged the version, so there is one."""
    cursor = connection.cursor(row_factory=class_row(Endpoint))
    await cursor.execute(query, params)
    row = await cursor.fetchone()
    if row is None:
        raise RuntimeError("an endpoint's row and its stream are at different versions")
    return row
