"""After a restore, or when a topic is to be filled again: the operators' commands `new-epoch` and `rebuild-topic`.

What Kafka holds can always be made from the store. docs/operators/relay.md tells when to use which.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Final

from psycopg import errors

from helpdesk.bus.topics import recreate_topic
from helpdesk.eventstore.checkpoint import topic_lock
from helpdesk.postgres.pool import connect

PATIENCE_S: Final = 30.0
log = logging.getLogger(__name__)


class StillRelaying(RuntimeError):
    """A relay does not give up its lead."""


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """The topic of the events of `schema`; `dsn` is the relay's. The last two count if the topic does not exist."""

    dsn: str
    schema: str
    bootstrap: str
    topic: str
    partitions: int
    replication: int


async def new_epoch(admin_dsn: str, schema: str) -> int:
    """Make a restored store one of its own: cursors of before mean nothing in it, and readers will know.

    `admin_dsn` is the migrations'. Returns how many events were given a new place in the feed. The topic must be
    rebuilt afterwards: relays refuse until then.
    """
    async with await connect(admin_dsn, name="new-epoch") as connection:
        cursor = await connection.execute(f"select {schema}.new_epoch()")
        ((moved,),) = await cursor.fetchall()
        if moved:
            await connection.execute(f"vacuum analyze {schema}.event")
    log.info("store has a new epoch", extra={"schema": schema, "events": moved})
    return int(moved)


async def rebuild_topic(plan: TopicPlan, patience_s: float = PATIENCE_S) -> None:
    """Delete the topic, create it with the settings that it had, and let the relays send everything again, in order.

    Relays and consumers may run meanwhile. Killed at any point it can be run again. Raises StillRelaying, KafkaError.
    """
    async with _alone(plan, patience_s):
        await recreate_topic(plan.bootstrap, plan.topic, plan.partitions, plan.replication)
    log.info("topic was made anew", extra={"topic": plan.topic})


@asynccontextmanager
async def _alone(plan: TopicPlan, patience_s: float) -> AsyncIterator[None]:
    """While nobody leads, and with every checkpoint at the beginning.

    The reset fences: a leader sees it before its next page, closes its connection and cannot lead again, for whoever
    waits for a lock goes before those who only try. A leader that did so between reset and lock is fenced by the next.
    """
    until = monotonic() + patience_s
    async with await connect(plan.dsn, name=f"{plan.schema}-rebuild-topic") as connection:
        await connection.execute("set lock_timeout = '2s'")
        while True:
            await connection.execute(f"select {plan.schema}.relay_reset(%s)", (plan.topic,))
            try:
                await connection.execute(
                    "select pg_advisory_lock(hashtextextended(%s, 0))", (topic_lock(plan.schema, plan.topic),)
                )
            except errors.LockNotAvailable:
                if monotonic() > until:
                    raise StillRelaying(f"a relay of {plan.topic} does not give up its lead: is it paused?") from None
                continue
            await connection.execute(f"select {plan.schema}.relay_reset(%s)", (plan.topic,))
            break
        yield
