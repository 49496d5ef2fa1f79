"""What the dispatcher knows of the people who call it: folded by intake, asked by the API."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from helpdesk.auth.standing import Known
from helpdesk.folds.user import Standing
from helpdesk.postgres.pool import Connection, Pool
from helpdesk.postgres.tenant import Statement, read
from helpdesk.recorded import Stream

KNOWN: Final = """
select exists (select from webhooks.closed_tenant where tenant_id = %(tenant)s) as closed,
       p.role, p.enabled, p.valid_from, p.sessions_from
from (select 1) one left join webhooks.person p on p.tenant_id = %(tenant)s and p.id = %(id)s"""

PEOPLE: Final = """
select p.tenant_id, p.id, p.role, p.enabled, p.valid_from, p.sessions_from
from webhooks.person p join unnest(%s::uuid[], %s::uuid[]) as w(tenant_id, id) using (tenant_id, id)"""

WRITE: Final = """
insert into webhooks.person (tenant_id, id, role, enabled, valid_from, sessions_from)
select * from unnest(%s::uuid[], %s::uuid[], %s::text[], %s::boolean[], %s::timestamptz[], %s::timestamptz[])
on conflict (tenant_id, id) do update set
    role = excluded.role, enabled = excluded.enabled, valid_from = excluded.valid_from,
    sessions_from = excluded.sessions_from"""


async def known(pool: Pool, tenant_id: UUID, user_id: UUID) -> Known:
    """What has arrived of a tenant and a person, for the judgement of their token."""
    (found,) = await read(pool, tenant_id, Statement(KNOWN, Known, {"tenant": tenant_id, "id": user_id}))
    return found


async def people(connection: Connection, streams: Sequence[Stream]) -> dict[Stream, Standing]:
    """These people as they stand."""
    if not streams:
        return {}
    cursor = await connection.execute(PEOPLE, ([s.tenant_id for s in streams], [s.id for s in streams]))
    return {Stream(tenant_id, "user", id_): Standing(*rest) for tenant_id, id_, *rest in await cursor.fetchall()}


async def write_people(connection: Connection, rows: Mapping[Stream, Standing]) -> None:
    """Insert or replace, in key order."""
    if not rows:
        return
    ordered = sorted(rows)
    columns = (
        [s.tenant_id for s in ordered],
        [s.id for s in ordered],
        [rows[s].role for s in ordered],
        [rows[s].enabled for s in ordered],
        [rows[s].valid_from for s in ordered],
        [rows[s].sessions_from for s in ordered],
    )
    await connection.execute(WRITE, columns)
