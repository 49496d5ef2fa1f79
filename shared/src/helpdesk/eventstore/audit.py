"""The audit of what is no event: denied and failed attempts, sign-ins, failed logins, what operators read (behaviours
§11).

Rows are written beside the requests and never in their way: what waits is bounded, and so is what one caller, one
tenant and all of them can bring about in a minute.
"""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson
from opentelemetry import metrics

from helpdesk.clock import utc_now
from helpdesk.ids import new_id
from helpdesk.postgres.pool import UNAVAILABLE, Pool
from helpdesk.tasks import pause

log = logging.getLogger(__name__)
WAITING: Final = 10_000
AT_ONCE: Final = 500
OF_ONE_CALLER: Final = 60
"""Rows that one caller of a tenant can bring about in a minute; the rest are counted and dropped."""
OF_ONE_TENANT: Final = 600
OF_ALL: Final = 6_000
"""The same of all callers of a tenant, and of all tenants: accounts are made faster than disks are filled."""
TOGETHER_S: Final = 0.2
"""What is noted within this time is written at once."""
LONGEST: Final = 200
_DROPPED: Final = metrics.get_meter("helpdesk.audit").create_counter(
    "helpdesk.audit.dropped",
    "1",
    "Rows of the audit that were not written: too many of one caller or tenant, or in all.",
)
_SET_TENANTS: Final = "select set_config('app.tenants', %s, true)"


@dataclass(frozen=True, slots=True)
class Entry:
    """Somebody tried something. `actor_id` is None where nobody has proved who they are; names are not copied, for the
    person's own stream knows them at every time. `outcome`: succeeded, denied or failed."""

    tenant_id: UUID
    actor_id: UUID | None
    action: str
    target: str
    outcome: str
    status: int
    reason: str | None = None
    request_id: UUID | None = None
    address: str | None = None
    at: datetime = field(default_factory=utc_now)
    id: UUID = field(default_factory=new_id)

    @property
    def caller(self) -> tuple[UUID, object]:
        """Whose share of the audit it takes."""
        return self.tenant_id, self.actor_id or self.address


Later = Callable[[], Awaitable[Sequence[Entry]]]
"""Entries for which something must be looked up first: not in the way of the request, whose time would tell of it."""


class Audit:
    """The audit of one owner. `run` it beside the server; what is noted is written within a fraction of a second."""

    def __init__(self, pool: Pool, schema: str) -> None:
        self._pool = pool
        self._insert: str = f"""
            insert into {schema}.audit (
                id, tenant_id, at, actor_id, action, target, outcome, status, reason, request_id, address)
            select * from json_to_recordset(%s) as a(
                id uuid, tenant_id uuid, at timestamptz, actor_id uuid, action text, target text, outcome text,
                status smallint, reason text, request_id uuid, address text)
            on conflict do nothing"""
        self._waiting: deque[Entry | Later] = deque()
        self._noted = asyncio.Event()
        self._minute, self._counts = 0, Counter[object]()

    def note(self, entry: Entry | Later) -> None:
        """Have it written; never waits, never fails."""
        if len(self._waiting) >= WAITING or (isinstance(entry, Entry) and not self._has_room(entry)):
            _DROPPED.add(1)
        else:
            self._waiting.append(entry)
            self._noted.set()

    async def run(self) -> None:
        """Write what is noted, for ever; while the database is away it waits here. What waits at the end is written."""
        try:
            while True:
                await self._noted.wait()
                await pause(TOGETHER_S)
                with suppress(*UNAVAILABLE):
                    await self.write()
        finally:
            with suppress(*UNAVAILABLE):
                await self.write()

    async def write(self) -> None:
        """Write what waits now. What cannot be written yet goes on waiting."""
        while self._waiting:
            some = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
            try:
                entries = [entry for one in some for entry in await self._resolved(one)]
                if entries:
                    await self._write(entries)
            except (*UNAVAILABLE, asyncio.CancelledError):
                self._waiting.extendleft(reversed(some))
                raise
            except Exception:  # whatever a stranger sent must not end the process
                log.exception("rows of the audit could not be written")
                _DROPPED.add(len(some))
        self._noted.clear()

    async def _resolved(self, one: Entry | Later) -> Iterable[Entry]:
        return [one] if isinstance(one, Entry) else [entry for entry in await one() if self._has_room(entry)]

    def _has_room(self, entry: Entry) -> bool:
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute = minute
            self._counts.clear()
        shares = ((entry.caller, OF_ONE_CALLER), (entry.tenant_id, OF_ONE_TENANT), (None, OF_ALL))
        if any(self._counts[whose] >= most for whose, most in shares):
            return False
        self._counts.update(whose for whose, _ in shares)
        return True

    async def _write(self, entries: Sequence[Entry]) -> None:
        rows = [asdict(one) | {"target": one.target[:LONGEST], "action": one.action[:LONGEST]} for one in entries]
        tenants = ",".join(sorted({str(one.tenant_id) for one in entries}))
        async with self._pool.connection() as connection, connection.pipeline(), connection.transaction():
            await connection.execute(_SET_TENANTS, (f"{{{tenants}}}",))
            await connection.execute(self._insert, (orjson.dumps(rows).decode(),))
