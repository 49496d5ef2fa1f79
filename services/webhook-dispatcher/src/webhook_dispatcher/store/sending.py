"""What senders read and write: a claim and a record are short transactions; nothing is open while a request is out."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg.rows import class_row

from helpdesk.postgres.pool import Pool
from webhook_dispatcher.domain.schedule import Delivered, GiveUp, Outcome, Retry, Step

# Claims are made one after the other, so that two senders cannot both fill an endpoint's places.
ONE_AT_A_TIME: Final = "select pg_advisory_xact_lock(hashtext('webhooks.claim'))"

# Skips from endpoint to endpoint along the index, so the cost is that of the endpoints with something open, however
# long the queue of a slow one is. An expired claim is due like everything else.
CLAIM: Final = """
with recursive open as (
    (select d.tenant_id, d.endpoint_id from webhooks.delivery d
     where d.due_at is not null order by d.tenant_id, d.endpoint_id limit 1)
    union all
    select n.tenant_id, n.endpoint_id from open o cross join lateral (
        select d.tenant_id, d.endpoint_id from webhooks.delivery d
        where d.due_at is not null and (d.tenant_id, d.endpoint_id) > (o.tenant_id, o.endpoint_id)
        order by d.tenant_id, d.endpoint_id limit 1) n
), due as (
    select d.tenant_id, d.id, e.url, e.secret
    from open o
    join webhooks.endpoint e on e.tenant_id = o.tenant_id and e.id = o.endpoint_id
    cross join lateral (
        select d.tenant_id, d.id, d.due_at from webhooks.delivery d
        where d.tenant_id = e.tenant_id and d.endpoint_id = e.id and d.due_at <= now()
        order by d.due_at
        limit greatest(0, %(per_endpoint)s - (
            select count(*) from webhooks.delivery b
            where b.tenant_id = e.tenant_id and b.endpoint_id = e.id and b.state = 'sending' and b.due_at > now()))
        for update skip locked) d
    where e.is_active and not e.deleted
    order by d.due_at
    limit %(free)s
)
update webhooks.delivery d
set state = 'sending', claim = gen_random_uuid(), due_at = clock_timestamp() + make_interval(secs => %(claim_s)s)
from due
where d.tenant_id = due.tenant_id and d.id = due.id
returning d.tenant_id, d.id, d.endpoint_id, d.event_id, d.ticket_id, d.type, d.body, d.attempt, d.claim,
          due.url, due.secret"""

# In the transaction of the claim: what became due after its `now()` counts as future, so nothing falls between the two.
NEXT_DUE: Final = """
select extract(epoch from min(due_at) - clock_timestamp())::float8 from webhooks.delivery where due_at > now()"""

# Only the holder of the claim records, so an attempt that outlived its claim changes nothing.
RECORD: Final = """
with mine as (
    update webhooks.delivery
    set state = %(state)s, attempt = attempt + 1, claim = null,
        due_at = clock_timestamp() + make_interval(secs => %(delay_s)s::float8)
    where tenant_id = %(tenant_id)s and id = %(id)s and claim = %(claim)s
    returning tenant_id, id, attempt
)
insert into webhooks.delivery_attempt (tenant_id, delivery_id, attempt, at, status, error, latency_ms, head)
select tenant_id, id, attempt, %(at)s, %(status)s, %(error)s, %(latency_ms)s, %(head)s from mine"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this process may try now; `attempt` were recorded before, `secret` is sealed."""

    tenant_id: UUID
    id: UUID
    endpoint_id: UUID
    event_id: UUID
    ticket_id: UUID
    type: str
    body: bytes
    attempt: int
    claim: UUID
    url: str
    secret: bytes


@dataclass(frozen=True, slots=True)
class Claims:
    """What was claimed, and in how many seconds (None: never) something else becomes due by itself."""

    deliveries: list[Claimed]
    next_due_s: float | None


async def claim(pool: Pool, *, free: int, per_endpoint: int, claim_s: float) -> Claims:
    """Up to `free` due deliveries, at most `per_endpoint` in flight to one endpoint over all senders."""
    async with pool.connection() as connection, connection.transaction():
        await connection.execute(ONE_AT_A_TIME)
        cursor = connection.cursor(row_factory=class_row(Claimed))
        await cursor.execute(CLAIM, {"free": free, "per_endpoint": per_endpoint, "claim_s": claim_s})
        deliveries = await cursor.fetchall()
        row = await (await connection.execute(NEXT_DUE)).fetchone()
    return Claims(deliveries, row[0] if row else None)


async def record(pool: Pool, delivery: Claimed, at: datetime, outcome: Outcome, step: Step) -> bool:
    """Write down an attempt and what follows; False when the claim was lost meanwhile."""
    outcome_ = asdict(outcome)
    outcome_.pop("retry_after_s")
    params = {"tenant_id": delivery.tenant_id, "id": delivery.id, "claim": delivery.claim, "at": at, **outcome_}
    async with pool.connection() as connection:
        cursor = await connection.execute(RECORD, params | _next(step))
    return cursor.rowcount == 1


def _next(step: Step) -> dict[str, object]:
    match step:
        case Delivered():
            return {"state": "delivered", "delay_s": None}
        case GiveUp():
            return {"state": "failed", "delay_s": None}
        case Retry(delay_s=delay_s):
            return {"state": "pending", "delay_s": delay_s}
