"""A whole stack of its own, every part in its own process, its time-outs short; and hands to harm it with."""

import asyncio
import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from random import Random
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import httpx
import psycopg
from aiokafka import TopicPartition
from psycopg.rows import TupleRow

from faults.load import Load
from helpdesk.settings import KafkaSettings
from localstack.stack import Stack
from localstack.temporary import temporary_servers
from support.invariants import assert_all_hold
from tickets.verify.run import verify

SHORT: Final = {
    "CONSUMER_SESSION_TIMEOUT_MS": "1500",
    "CONSUMER_MAX_POLL_INTERVAL_MS": "2000",
    "CONSUMER_WATCHDOG_S": "15",
}
"""Settings under which a fault is noticed in seconds; production takes its time."""
SERVING: Final = ("command-api", "query-api", "projector", "webhook-dispatcher", "notifier")
CONSUMERS: Final = ("views", "webhooks", "notices")
MARKED: Final = """
select coalesce(data->>'title', data->>'content') as marker, count(*) from events.event
where coalesce(data->>'title', data->>'content') like 'm-%%' group by 1"""
HEADS: Final = "select stream_id, max(version) from events.event where stream_type = 'ticket' group by 1"
LAG: Final = """
select coalesce(extract(epoch from max(clock_timestamp() - e.recorded_at)), 0)
from (select * from events.event order by xid desc, position desc limit 500) e
left join views.stream_guard g using (tenant_id, stream_type, stream_id)
where coalesce(g.version, 0) < e.version"""
LOOK_S: Final = 0.05


class CannotRun(Exception):
    """This machine does not allow the fault."""


@dataclass
class World:
    """The stack, its load, and a superuser's view of its database."""

    stack: Stack
    load: Load
    random: Random
    long: bool = False
    """Whether faults take their whole time, as in `make chaos`, or are over as soon as they have happened."""
    lag_s: float = 0.0
    """The longest that the views were behind since it was last set to nought, looked at a few times a second."""
    measured: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """What faults have measured, for the report."""

    @property
    def bootstrap(self) -> str:
        """Kafka's address."""
        return self.stack.kafka_bootstrap

    @property
    def topic(self) -> str:
        """The topic of the command API's events."""
        return f"{self.stack.environment['TOPIC_PREFIX']}.events"

    @property
    def partitions(self) -> int:
        """How many the topic has."""
        return int(self.stack.environment["TOPIC_PARTITIONS"])

    @property
    def places(self) -> list[TopicPartition]:
        """All partitions of the topic."""
        return [TopicPartition(self.topic, number) for number in range(self.partitions)]

    def group(self, consumer: str) -> str:
        """A consumer's group."""
        return f"{self.stack.environment['TOPIC_PREFIX']}.{consumer}"

    async def lasts(self, seconds: float) -> None:
        """Let a fault that is measured in time take its time."""
        await asyncio.sleep(seconds)

    # --- processes --------------------------------------------------------------------------------------------------

    async def process(
        self, *words: str, settings: Mapping[str, str] = MappingProxyType({})
    ) -> asyncio.subprocess.Process:
        """Python with these words, as an operator would run it, in a session of its own."""
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *words,
            env={**os.environ, **self.stack.environment, **settings},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )

    async def tool(
        self, module: str, *words: str, settings: Mapping[str, str] = MappingProxyType({}), within_s: float = 90
    ) -> tuple[int, str]:
        """An operator's command to its end: its code and what it said."""
        process = await self.process("-m", module, *words, settings=settings)
        try:
            async with asyncio.timeout(within_s):
                said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        return process.returncode or 0, said.decode(errors="replace")

    # --- asking -----------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[psycopg.AsyncConnection[TupleRow]]:
        """The superuser's."""
        async with await psycopg.AsyncConnection.connect(self.stack.admin_dsn, autocommit=True) as connection:
            yield connection

    async def rows(self, query: str, *params: Any) -> list[tuple[Any, ...]]:
        """The rows of one statement, by the superuser."""
        async with self.connection() as connection:
            cursor = await connection.execute(query, params or None)
            return await cursor.fetchall() if cursor.description else []

    async def value(self, query: str, *params: Any) -> Any:
        """The one value of one statement."""
        ((value,),) = await self.rows(query, *params)
        return value

    async def until(
        self, condition: Callable[[], Awaitable[object]], within_s: float = 30, look_s: float = LOOK_S
    ) -> None:
        """Wait until it holds; nobody tells when another process's state changes. Raises AssertionError."""
        deadline = time.monotonic() + within_s
        while not await condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {within_s:g} s in vain for {condition}")
            await asyncio.sleep(look_s)

    async def in_thread(self, action: Callable[..., object], *arguments: object) -> None:
        """Do what blocks while the load goes on."""
        await asyncio.to_thread(action, *arguments)

    async def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """As a fault would; returns when it is dead."""
        await self.in_thread(self.stack.kill, name, number)

    async def ready(self, *names: str) -> None:
        """Until all these serve."""
        await asyncio.gather(*(asyncio.to_thread(self.stack.wait_ready, name) for name in names or SERVING))

    @asynccontextmanager
    async def standby(
        self, part: str, name: str, settings: Mapping[str, str] = MappingProxyType({})
    ) -> AsyncIterator[None]:
        """A second process of a part for the block."""
        await self.in_thread(self.stack.another, part, name, settings)
        try:
            yield
        finally:
            await self.in_thread(self.stack.stop, name)

    # --- breakpoints ------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def held(self, statement: str) -> AsyncIterator[psycopg.AsyncConnection[TupleRow]]:
        """Keep the locks that a statement takes: who needs them stops right there, as at a breakpoint.

        Prefer `lock table`: a row lock takes a transaction id, which is a fault of its own.
        """
        options = "-c idle_in_transaction_session_timeout=0"
        async with await psycopg.AsyncConnection.connect(self.stack.admin_dsn, options=options) as connection:
            await connection.execute(statement)
            try:
                yield connection
            finally:
                await connection.rollback()

    async def waits_for_lock(self, application: str) -> bool:
        """Whether a session of that name stands before a lock."""
        return bool(
            await self.value(
                "select exists (select from pg_locks l join pg_stat_activity a using (pid) "
                "where not l.granted and l.locktype <> 'advisory' and a.application_name like %s)",
                application,
            )
        )

    async def cut(self, application: str) -> int:
        """End the database sessions of that name."""
        query = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name like %s"
        return int(await self.value(query, application))

    async def applied(self, type_: str, id_: UUID, version: int, schema: str = "views") -> bool:
        """Whether a consumer has brought a stream to a version."""
        query = f"select max(version) from {schema}.stream_guard where stream_type = %s and stream_id = %s"
        return (await self.value(query, type_, id_) or 0) >= version

    # --- the end of each fault --------------------------------------------------------------------------------------

    async def holds(self) -> None:
        """Commands are answered again; then, with nobody writing, everything that must hold holds."""
        await self.ready()
        await self.load.progresses(12)
        async with self.load.paused():
            await self.in_thread(assert_all_hold, self.stack.admin_dsn)
            await self.in_thread(self._kafka_holds_the_store)
            await self._nothing_is_lost_or_doubled()

    def _kafka_holds_the_store(self) -> None:
        kafka = KafkaSettings.model_validate({name.lower(): value for name, value in self.stack.environment.items()})
        (outcome,) = verify(self.stack.admin_dsn, kafka, ("I3",), wait_s=0)
        if outcome.wrong:
            raise AssertionError(str(outcome))

    async def _nothing_is_lost_or_doubled(self) -> None:
        ledger = self.load.ledger
        broken, ledger.broken = ledger.broken, []
        _none("a promise to a client was broken", broken)
        found = dict(await self.rows(MARKED))
        _none("a command was carried out twice", [marker for marker, count in found.items() if count != 1])
        _none("an acknowledged command is lost", ledger.markers - found.keys())
        heads = dict(await self.rows(HEADS))
        _none("a stream is shorter than acknowledged", [i for i, n in ledger.versions.items() if heads.get(i, 0) < n])
        await self.load.told_of_all()
        _none("an effect has two ids", [ticket for ticket, ids in ledger.told.items() if len(ids) != 1])

    async def watch_lag(self) -> None:
        """Look at the lag of the views, for ever."""
        while True:
            try:
                async with self.connection() as connection:
                    while True:
                        cursor = await connection.execute(LAG)
                        row = await cursor.fetchone()
                        self.lag_s = max(self.lag_s, float(row[0]) if row else 0.0)
                        await asyncio.sleep(0.2)
            except psycopg.Error:
                await asyncio.sleep(0.5)


def _none(what: str, found: Collection[object]) -> None:
    if found:
        raise AssertionError(f"{what}, {len(found)} times: {list(found)[:5]}")


@contextmanager
def harmed_stack() -> Iterator[Stack]:
    """On servers of its own: faults of a server are nobody else's."""
    with temporary_servers() as servers:
        stack = Stack(servers, split=True, settings=SHORT)
        stack.begin()
        stack.serve()
        yield stack


@asynccontextmanager
async def world_of(stack: Stack, seed: int, *, writers: int, think_s: float, long: bool) -> AsyncIterator[World]:
    """The stack under load."""
    limits = httpx.Limits(max_connections=4 * writers + 8)
    random = Random(seed)
    async with httpx.AsyncClient(base_url=stack.origin, timeout=20, limits=limits, trust_env=False) as client:
        load = Load(client, random, think_s)
        await load.sign_in()
        world = World(stack, load, random, long)
        watching = asyncio.create_task(world.watch_lag())
        try:
            async with load.running(writers):
                await load.progresses(8)
                yield world
        finally:
            watching.cancel()
            await asyncio.wait([watching])
