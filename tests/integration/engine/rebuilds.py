"""What tests of the rebuild share: views with a history, the command as it is run, and the projector beside it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg

import projector.app
from helpdesk.events.ticket import TicketRetitled
from helpdesk.eventstore.store import StreamAppend
from helpdesk.recorded import Stream
from integration.engine.rig import NOBODY, NOON, Engine, beside, engine, eventually_true, relaying
from localstack.stack import Servers
from projector.rebuild.build import Databases
from projector.rebuild.run import main
from projector.settings import ProjectorSettings
from support.history import copied

TENANT = UUID(int=21)
EVENTS = 1_500
BEHIND = """
select count(*)
from (select tenant_id, stream_type, stream_id, max(version) as version from events.event group by 1, 2, 3) e
left join views.stream_guard g using (tenant_id, stream_type, stream_id) where e.version is distinct from g.version"""
WAITS = """
select count(*) from pg_stat_activity
where datname = current_database() and application_name like 'rebuild%%' and wait_event_type = 'Lock'"""


async def projected(one: Engine, within_s: float = 60) -> None:
    await eventually_true(lambda: _caught_up(one), timeout_s=within_s)


async def _caught_up(one: Engine) -> bool:
    return bool(await one.value(BEHIND) == 0)


@asynccontextmanager
async def projecting(one: Engine) -> AsyncIterator[None]:
    """Relay and projector as they are deployed, for as long as the block."""
    settings = ProjectorSettings.model_validate({name.lower(): value for name, value in one.variables.items()})
    async with relaying(one), projector.app.subscriber(settings) as (consumer, *_), beside(consumer.run()):
        yield


@asynccontextmanager
async def lived_views(servers: Servers) -> AsyncIterator[Engine]:
    """A history that the projector has applied."""
    async with engine(servers) as one:
        copied(one.admin_dsn, TENANT, EVENTS)
        async with projecting(one):
            await projected(one)
        yield one


def databases(one: Engine) -> Databases:
    return Databases(one.admin_dsn, one.dsn("projector_events"))


async def rebuild(one: Engine, *argv: str) -> tuple[int, str]:
    """Its exit code, and what it said."""
    said: list[str] = []
    words = [*argv, "--workers", "1", "--chunk-events", "400"]
    code = await asyncio.to_thread(main, databases(one), words, said.append)
    return code, "\n".join(said)


async def retitle(one: Engine, count: int = 1) -> list[Stream]:
    """One more event on some tickets."""
    rows = await one.sql(
        "select stream_id, max(version) from events.event where tenant_id = %s and stream_type = 'ticket' "
        "group by 1 order by 1 limit %s",
        TENANT,
        count,
    )
    for id_, version in rows:
        event = TicketRetitled(title=f"Retitled at {version}", previous="?", by=uuid4(), at=NOON)
        await one.store.append(uuid4(), [StreamAppend(Stream(TENANT, "ticket", id_), version, [event])], NOBODY)
    return [Stream(TENANT, "ticket", id_) for id_, _ in rows]


# --- what it does -----------------------------------------------------------------------------------------------------


async def has_step(one: Engine, step: str) -> bool:
    return bool(await one.value("select count(*) from views.rebuild where step = %s", step))


@contextmanager
def holding(one: Engine, statement: str) -> Iterator[Any]:
    """A transaction of somebody else's that holds a lock until `release` or the block's end."""
    with psycopg.connect(one.admin_dsn) as connection:
        connection.execute(statement)
        yield connection.rollback
        connection.rollback()
