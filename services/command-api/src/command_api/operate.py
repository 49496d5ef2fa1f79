"""Operators' commands that destroy: close-tenant, redact, purge, purge-due.

docs/operators/privacy.md says when to use which.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, get_args
from uuid import UUID

from command_api import store
from command_api.accounts import OPERATOR
from command_api.domain.rejected import Rejected
from command_api.domain.tenant import CloseTenant, decide
from command_api.execute import utc_now
from helpdesk.events.operations import TenantPurged
from helpdesk.events.tenant import TenantEvent
from helpdesk.eventstore import erasure
from helpdesk.eventstore.erasure import NotErased
from helpdesk.eventstore.store import EventStore, StreamAppend, WrongVersion
from helpdesk.ids import new_id
from helpdesk.postgres.pool import UNAVAILABLE, Pool, open_pool
from helpdesk.recorded import Metadata, Stream
from helpdesk.settings import MigrateSettings

COMMANDS: Final = ("close-tenant", "redact", "purge", "purge-due")
REASONS: Final = ("erasure_request", "contract_ended", "legal_order", "secret_leaked", "mistake")
"""One word and no sentence: a sentence about whom it was for would have to be destroyed next."""
TRIES: Final = 5
SCHEMA: Final = "events"


@dataclass(frozen=True, slots=True)
class Act:
    """Who destroys, and why."""

    reason: str
    by: UUID

    @property
    def metadata(self) -> Metadata:
        """What stands beside the event that records it."""
        return Metadata(actor=self.by, causation_id=None, correlation_id=None)


async def operate(settings: MigrateSettings, argv: Sequence[str]) -> str:
    """Carry out one command as the role of MIGRATE_DATABASE_URL and tell what was done; SystemExit tells why not."""
    wanted = arguments().parse_args(argv)
    act = Act(wanted.reason, wanted.by)
    async with open_pool(settings.migrate_database_url, name="operate", max_size=1) as pool:
        try:
            match wanted.command:
                case "close-tenant":
                    return await close_tenant(pool, wanted.tenant, act)
                case "redact":
                    stream = Stream(wanted.tenant, *wanted.stream)
                    return await redact(pool, stream, act, events=wanted.event, fields=wanted.field)
                case "purge-due":
                    return await purge_due(pool, act, timedelta(days=wanted.grace_days))
                case _:
                    return await purge(pool, wanted.tenant, act, timedelta(days=wanted.grace_days))
        except NotErased as error:
            raise SystemExit(f"{wanted.command}: {error}") from None
        except UNAVAILABLE as error:
            raise SystemExit(f"{wanted.command}: the database cannot be asked: {type(error).__name__}") from None


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m command_api", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    why = argparse.ArgumentParser(add_help=False)
    why.add_argument("--reason", choices=REASONS, required=True, help="recorded for ever")
    why.add_argument("--by", type=UUID, default=OPERATOR, help="who answers for it; the operator by default")
    common = argparse.ArgumentParser(add_help=False, parents=[why])
    common.add_argument("--tenant", type=UUID, required=True, help="the tenant's id")
    grace = argparse.ArgumentParser(add_help=False)
    grace.add_argument("--grace-days", type=int, default=erasure.GRACE.days, help="closed for at least so long")
    commands.add_parser("close-tenant", parents=[common], help="nobody signs in any more; the grace period begins")
    redact_ = commands.add_parser("redact", parents=[common], help="empty personal fields of one stream")
    redact_.add_argument("--stream", type=_stream, required=True, help="ticket/<id> or user/<id>")
    redact_.add_argument("--event", type=UUID, action="append", default=[], help="only this event (can be repeated)")
    redact_.add_argument("--field", action="append", default=[], help="only this field (can be repeated)")
    commands.add_parser("purge", parents=[common, grace], help="destroy a closed tenant")
    commands.add_parser("purge-due", parents=[why, grace], help="destroy every tenant that was closed long enough ago")
    return parser


async def close_tenant(pool: Pool, tenant_id: UUID, act: Act) -> str:
    """Record that the tenant is closed. Raises NotErased for an unknown tenant; twice is as good as once."""
    written, stream = EventStore(pool, SCHEMA), Stream(tenant_id, "tenant", tenant_id)
    history = await written.read_stream(stream)
    past = [one.event for one in history if isinstance(one.event, get_args(TenantEvent))]
    try:
        events = decide(past, CloseTenant(reason=act.reason, by=act.by, at=utc_now()))
    except Rejected as error:
        raise NotErased(str(error)) from error
    if not events:
        return f"tenant {tenant_id} was closed already"
    await written.append(new_id(), [StreamAppend(stream, len(history), events)], act.metadata)
    return f"tenant {tenant_id} is closed; tokens that were given out end within seconds"


async def redact(
    pool: Pool, stream: Stream, act: Act, *, events: Sequence[UUID] = (), fields: Sequence[str] = ()
) -> str:
    """Empty fields of one stream: of these events (none: of all), these fields (none: all). Raises NotErased."""
    written = EventStore(pool, SCHEMA)
    for _ in range(TRIES):
        history = await written.read_stream(stream)
        recorded = erasure.redactions(history, events=events, fields=fields, reason=act.reason, by=act.by, at=utc_now())
        if not recorded:
            return f"{stream}: nothing of this is left"
        try:
            await erasure.redact(pool, SCHEMA, stream, len(history), recorded, act.metadata)
        except WrongVersion:
            continue
        emptied = "\n".join(f"  {one.event_id}: {', '.join(one.fields)}" for one in recorded)
        return f"{stream}: emptied for ever\n{emptied}"
    raise NotErased("others write to this stream at this moment: try again")


async def purge(pool: Pool, tenant_id: UUID, act: Act, grace: timedelta = erasure.GRACE) -> str:
    """Destroy every event and private row of a tenant that was closed for `grace`. Raises NotErased."""
    record = TenantPurged(tenant_id=tenant_id, reason=act.reason, by=act.by, at=utc_now())
    gone = await erasure.purge(pool, SCHEMA, record, act.metadata, grace)
    return f"tenant {tenant_id} is purged: {gone} rows; the other services follow as soon as they read of it"


async def purge_due(pool: Pool, act: Act, grace: timedelta = erasure.GRACE) -> str:
    """Destroy every tenant that was closed for `grace`, one after the other. Raises NotErased."""
    due = await store.closed_tenants(pool, grace)
    told = [await purge(pool, tenant_id, act, grace) for tenant_id in due]
    return "\n".join(told) or "no tenant is due"


def _stream(text: str) -> tuple[str, UUID]:
    type_, _, id_ = text.partition("/")
    try:
        if type_ in erasure.REDACTABLE:
            return type_, UUID(id_)
    except ValueError:
        pass  # the same answer
    raise argparse.ArgumentTypeError(f"{text} is no {' or '.join(f'{one}/<id>' for one in erasure.REDACTABLE)}")
