"""What the notifier knows of who calls it."""

from typing import Final
from uuid import UUID

from helpdesk.auth.standing import Known
from helpdesk.postgres.pool import Pool
from helpdesk.postgres.tenant import Statement, read

KNOWN: Final = """
select exists (select from notices.closed_tenant where tenant_id = %(tenant)s) as closed,
       p.role, p.enabled, p.valid_from, p.sessions_from
from (select 1) one left join notices.person p on p.tenant_id = %(tenant)s and p.id = %(id)s"""


async def known(pool: Pool, tenant_id: UUID, user_id: UUID) -> Known:
    """What has arrived of a tenant and a person, for the judgement of their token."""
    (found,) = await read(pool, tenant_id, Statement(KNOWN, Known, {"tenant": tenant_id, "id": user_id}))
    return found
