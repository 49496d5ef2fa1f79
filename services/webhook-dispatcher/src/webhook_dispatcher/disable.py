"""An endpoint that answers 410 is switched off, and the switching off is an event like everybody's change."""

import logging
from datetime import datetime
from typing import Final
from uuid import UUID

from helpdesk.events.webhook import WebhookEndpointChanged
from helpdesk.eventstore.store import WrongVersion
from helpdesk.postgres.pool import Pool
from helpdesk.recorded import Metadata
from webhook_dispatcher.store import endpoints

SYSTEM: Final = UUID(int=0)
"""The actor where nobody acts."""
TRIES: Final = 8
log = logging.getLogger(__name__)


async def disable(pool: Pool, tenant_id: UUID, endpoint_id: UUID, cause: UUID, at: datetime) -> None:
    """Switch it off unless it is off or gone already. `cause` is the event whose delivery was refused."""
    for _ in range(TRIES):
        endpoint = await endpoints.find(pool, tenant_id, endpoint_id)
        if endpoint is None or not endpoint.is_active:
            return
        event = WebhookEndpointChanged(
            url=endpoint.url,
            events=tuple(endpoint.events),
            is_active=False,
            secret_replaced=False,
            by=SYSTEM,
            at=at,
        )
        try:
            await endpoints.disable(pool, Metadata(SYSTEM, cause, None), endpoint, event)
        except WrongVersion:
            continue  # somebody edits it at this moment
        log.info("endpoint disabled by its 410", extra={"endpoint": endpoint_id, "tenant": tenant_id})
        return
