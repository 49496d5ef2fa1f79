"""What the notifier knows of who calls it."""

from typing import Final
from uuid import UUID

from helpdesk.folds.user import Standing
from helpdesk.postgres.pool import Pool
from helpdesk.postgres.tenant import Statement, read

STANDING: Final = """
select role, enabled, valid_from, sessions_from
from notices.person where tenant_id = %(tenant)s and id = %(id)s"""


async def standing(pool: Pool, tenant_id: UUID, user_id: UUID) -> Standing | None:
    """A person's, for the judgement of their token; None for somebody of whom nothing has arrived."""
    found = await read(pool, tenant_id, Statement(STANDING, Standing, {"tenant": tenant_id, "id": user_id}))
    return found[0] if found else None
