"""The worker for files: makes the file store hold what the tickets' histories say, and nothing else.

A history is read before anything is deleted, so a row that came about for nothing (a refused command, a crash) does no
harm. Each step can be done twice.
"""

import logging
import time
from contextlib import suppress
from datetime import timedelta
from typing import Final
from uuid import UUID

from command_api import store_files
from command_api.store_files import Watched
from helpdesk.events.operations import PLATFORM, TenantPurged
from helpdesk.events.ticket import AttachmentAdded, AttachmentRemoved
from helpdesk.eventstore.store import EventStore
from helpdesk.postgres.pool import UNAVAILABLE, Pool
from helpdesk.recorded import Stream
from helpdesk.storage.keys import file_key, file_prefix, incoming_key, tenant_prefix
from helpdesk.storage.objects import Objects, StoreUnavailable
from helpdesk.tasks import pause

EVERY_S: Final = 30.0
TENANTS_EVERY_S: Final = 3600.0
AT_ONCE: Final = 100
AGAIN: Final = timedelta(minutes=5)
log = logging.getLogger(__name__)


class Collector:
    """One process's share; `run` it. Several divide the work."""

    def __init__(self, pool: Pool, objects: Objects) -> None:
        self._pool, self._objects = pool, objects
        self._events = EventStore(pool, "events")

    async def run(self) -> None:
        """Collect for ever; while the database or the file store is away, try again."""
        tenants_at = time.monotonic()
        while True:
            try:
                while await self.collect() == AT_ONCE:
                    pass
                if time.monotonic() >= tenants_at:
                    await self.forget_tenants()
                    tenants_at = time.monotonic() + TENANTS_EVERY_S
            except (*UNAVAILABLE, StoreUnavailable) as error:
                log.warning("files wait to be collected", extra={"error": str(error)})
            await pause(EVERY_S)

    async def collect(self) -> int:
        """Settle what is due; how many files that were."""
        due = await store_files.claim(self._pool, AT_ONCE, AGAIN)
        for file in due:
            standing = await self._standing(file)
            keep = None if standing is None else file_key(file.tenant_id, file.id, standing)
            gone = await self._objects.remove_all(file_prefix(file.tenant_id, file.id), but=keep)
            await self._objects.remove(incoming_key(file.tenant_id, file.id))
            await store_files.settle(self._pool, file)
            ids = {"tenant": file.tenant_id, "ticket": file.ticket_id, "attachment": file.id}
            log.info("file settled", extra={**ids, "stands": standing is not None, "deleted": gone})
        return len(due)

    async def forget_tenants(self) -> int:
        """Delete the files of tenants that were purged; how many objects those were."""
        gone = 0
        for prefix in await self._objects.prefixes():
            with suppress(ValueError):  # not ours
                tenant_id = UUID(prefix.rstrip("/"))
                if await self._is_purged(tenant_id):
                    gone += await self._objects.remove_all(tenant_prefix(tenant_id))
                    log.info("files of a purged tenant deleted", extra={"tenant": tenant_id})
        return gone

    async def _standing(self, file: Watched) -> UUID | None:
        """The object that is the file now; None when the ticket has no such file (or is no more)."""
        standing: UUID | None = None
        for one in await self._events.read_stream(Stream(file.tenant_id, "ticket", file.ticket_id)):
            match one.event:
                case AttachmentAdded(attachment_id=file.id, object_id=object_id):
                    standing = object_id
                case AttachmentRemoved(attachment_id=file.id):
                    standing = None
                case _:
                    pass
        return standing

    async def _is_purged(self, tenant_id: UUID) -> bool:
        told = await self._events.read_stream(Stream(PLATFORM, "platform", tenant_id))
        return any(isinstance(one.event, TenantPurged) for one in told)
