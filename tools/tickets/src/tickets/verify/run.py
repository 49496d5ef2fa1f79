"""All checks, one after the other, each told as soon as it is known."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

import psycopg
from psycopg import sql

from helpdesk.settings import KafkaSettings
from tickets.verify import bus, effects, folds, refused, stored, tenants
from tickets.verify.report import Outcome
from tickets.verify.snapshot import Snapshot, snapshot

CONSUMERS: Final = ("views", "webhooks", "notices")
_BEHIND: Final = """
select count(*)
from (select tenant_id, stream_type, stream_id, max(version) as version from events.event group by 1, 2, 3) e
left join {schema}.stream_guard g using (tenant_id, stream_type, stream_id) where e.version > coalesce(g.version, 0)"""
_ON_SNAPSHOT: Final[dict[str, Callable[[Snapshot], Outcome]]] = {
    "I1": stored.check,
    "I2": refused.check,
    "I4": folds.check,
    "I5": tenants.check,
    "I6": effects.check,
}
_LOOK_AGAIN_S: Final = 0.2
T = TypeVar("T")


def verify(dsn: str, kafka: KafkaSettings | None, only: Sequence[str], wait_s: float) -> Iterator[Outcome]:
    """The outcome of each invariant of `only`; without `kafka` I3 is left out. Raises NotAllowed, psycopg.Error."""
    _wait(dsn, wait_s)
    with snapshot(dsn) as moment:
        for name, check in _ON_SNAPSHOT.items():
            if name in only:
                yield _timed(check, moment)
    if "I3" in only and kafka is not None:
        topics = bus.topics_of(kafka.topic_prefix, kafka.events_topic)
        bootstrap = kafka.kafka_bootstrap_servers
        yield _timed(lambda at: bus.check(at, bootstrap, topics), dsn)


def _wait(dsn: str, seconds: float) -> None:
    """Give consumers that are behind some time: being behind is no fault, but what is applied proves more."""
    deadline = time.monotonic() + seconds
    with psycopg.connect(dsn, autocommit=True, application_name="tickets-verify") as connection:
        while time.monotonic() < deadline and any(_behind(connection, schema) for schema in CONSUMERS):
            time.sleep(_LOOK_AGAIN_S)


def _behind(connection: psycopg.Connection, schema: str) -> int:
    row = connection.execute(sql.SQL(_BEHIND).format(schema=sql.Identifier(schema))).fetchone()
    return int(row[0]) if row else 0


def _timed(check: Callable[[T], Outcome], at: T) -> Outcome:
    began = time.monotonic()
    outcome = check(at)
    outcome.seconds = time.monotonic() - began
    return outcome
