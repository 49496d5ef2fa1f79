"""The whole system under measurement: every part in a process of its own, and what a benchmark asks of it."""

import asyncio
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final
from uuid import UUID

import httpx
import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.processes import cpu_s, tree_cpu_s
from localstack.child import Child, Spec
from localstack.paths import ROOT
from localstack.process import Command
from localstack.services import processes
from localstack.stack import Servers, Stack

PASSWORD: Final = "SecurePass123!"
PEOPLE: Final = ("admin@example.com", "admin@demo.com")
"""One of each tenant: load comes from two."""
CONSUMERS: Final = ("views", "webhooks", "notices")
PARTS: Final = tuple(name for name, _, _ in processes(split=True))
PATIENCE_S: Final = 240.0


@dataclass(frozen=True)
class System:
    """A running stack."""

    stack: Stack

    @property
    def topic(self) -> str:
        """Of the command API's events."""
        return f"{self.stack.environment['TOPIC_PREFIX']}.events"

    @property
    def command_port(self) -> int:
        """The command API itself, without the gateway."""
        return self.stack.servers.ports.command_api

    @property
    def gateway_port(self) -> int:
        """What clients see."""
        return self.stack.servers.ports.gateway

    @cached_property
    def tokens(self) -> Sequence[str]:
        """Access tokens of PEOPLE."""
        with httpx.Client(base_url=self.stack.origin, timeout=10, trust_env=False) as http:
            answers = [
                http.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD}).raise_for_status()
                for email in PEOPLE
            ]
        return [str(answer.json()["token"]) for answer in answers]

    def pid(self, name: str) -> int:
        """The process of one part."""
        pid = self.stack.child(name).pid
        if pid is None:
            raise RuntimeError(f"{name} does not run")
        return pid

    def sql(self, query: str, params: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        """As the superuser."""
        with psycopg.connect(self.stack.admin_dsn, autocommit=True) as connection:
            return connection.execute(query, params).fetchall()

    async def settled(self, consumers: Sequence[str] = CONSUMERS) -> None:
        """Return when every event is on the bus and every one of `consumers` has applied it. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE_S), self.ends() as ends:
            while await ends.total() < self.sql("select count(*) from events.event")[0][0]:  # noqa: ASYNC110 - of servers
                await asyncio.sleep(0.1)
            records = await ends.total()
            while any(self.applied(schema) < records for schema in consumers):  # noqa: ASYNC110 - of a server
                await asyncio.sleep(0.05)

    def applied(self, schema: str) -> int:
        """How many records of the bus one consumer has applied."""
        query = f"select coalesce(sum(next_offset), 0)::bigint from {schema}.progress where topic = %s"
        return int(self.sql(query, (self.topic,))[0][0])

    def ends(self) -> "Ends":
        """Asks Kafka how much it holds; an asynchronous context manager."""
        partitions = int(self.stack.environment["TOPIC_PARTITIONS"])
        places = [TopicPartition(self.topic, number) for number in range(partitions)]
        return Ends(self.stack.kafka_bootstrap, places)

    @contextmanager
    def beside(
        self, name: str, module: Sequence[str], port: int, variable: str = "COMMAND_API_PORT", *, wait: bool = True
    ) -> Iterator[Child]:
        """A process more that is told the same as a part of the system, but listens at `port`."""
        environment = {**self.stack.environment, variable: str(port)}
        command = Command((sys.executable, "-m", *module), environment, ROOT)
        with self._started(Spec(name, command, lambda: _answers(port), port, tier=1), wait=wait) as child:
            yield child

    @contextmanager
    def instead(self, name: str, module: Sequence[str]) -> Iterator[Child]:
        """Another process in the place of one part."""
        usual = self.stack.child(name)
        command = Command((sys.executable, "-m", *module), self.stack.environment, ROOT)
        usual.stop()
        try:
            with self._started(replace(usual.spec, name=f"{name}-instead", command=command)) as child:
                yield child
        finally:
            self.stack.start(name)

    @contextmanager
    def _started(self, spec: Spec, *, wait: bool = True) -> Iterator[Child]:
        child = self.stack.supervisor.start(spec)
        try:
            if wait:
                child.wait_ready()
            yield child
        finally:
            child.stop()

    def cpu_s(self) -> dict[str, float]:
        """What every part that runs has computed so far, the servers and their children included."""
        names = [name for name in (*PARTS, "postgres", "kafka") if self.stack.child(name).pid is not None]
        return {name: tree_cpu_s(self.pid(name)) for name in names} | self._backends_cpu_s()

    def _backends_cpu_s(self) -> dict[str, float]:
        """PostgreSQL's share of each client that is still connected, by the name that it connected with."""
        query = "select application_name, pid from pg_stat_activity where backend_type = 'client backend'"
        spent: defaultdict[str, float] = defaultdict(float)
        for name, pid in self.sql(query):
            with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
                spent[f"postgres for {name}"] += cpu_s(pid)
        return spent


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


class Ends:
    """The end offsets of one topic."""

    def __init__(self, bootstrap: str, places: Sequence[TopicPartition]) -> None:
        self._consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
        self._places = places

    async def __aenter__(self) -> "Ends":
        await self._consumer.start()
        self._consumer.assign(self._places)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def total(self) -> int:
        """Records that the topic has been given so far."""
        ends = await self._consumer.end_offsets(self._places)
        return sum(ends.values())


@contextmanager
def running(servers: Servers) -> Iterator[System]:
    """All services, part by part, until a probe has reached the views."""
    stack = Stack(servers, split=True)
    stack.begin()
    stack.serve()
    yield System(stack)


def tenants(system: System) -> Sequence[UUID]:
    """The tenants of PEOPLE, in their order."""
    query = """
select p.tenant_id from unnest(%s::text[]) with ordinality as w(email, n)
join events.person p using (email) order by w.n"""
    return [tenant for (tenant,) in system.sql(query, (list(PEOPLE),))]
