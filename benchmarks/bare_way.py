"""What row 3 takes with nothing of ours: insert, NOTIFY, select, produce, consume, insert, NOTIFY, all bare statements.

The least that the architecture can do, so that it is known which part of the distance to bare Kafka is the way itself:
one client, one relay, one consumer, each a process that does nothing else. No tenant, no version, no horizon (a number
that is not there yet is asked for again, which would not end where a transaction can fail), no order, no guard, no
fold, no progress: nothing of it could be relied on.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

import psycopg
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.kafka import FILLING, PARTITIONS
from helpdesk.bus.topics import ensure_topic

CLIENTS: Final = 16
NET_S: Final = 0.05
READY: Final = b"ready\n"
TABLES: Final = """
create table event (id bigint generated always as identity primary key, data bytea not null);
create table view (id bigint primary key, data bytea not null)"""
APPEND: Final = "insert into event (data) values (%s) returning id"
READ: Final = """
select id, data from event where id > %s union all select id, data from event where id = any(%s)"""
SHOW: Final = """
with shown as (insert into view (id, data) select * from unnest(%s::bigint[], %s::bytea[]))
select pg_notify('shown', %s)"""
Connection = psycopg.AsyncConnection[tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Passed:
    """Milliseconds from before the insert until it had committed, and until somebody was told that it is visible."""

    append: float
    whole: float


class BareWay:
    """The client: `once` sends one event the whole way."""

    def __init__(self, clients: asyncio.Queue[Connection], poking: Connection, hearing: Connection) -> None:
        self._clients, self._poking, self._hearing = clients, poking, hearing
        self._under_way: dict[int, asyncio.Future[None]] = {}
        self._early: set[int] = set()
        self._wanted = asyncio.Event()

    async def once(self) -> Passed:
        """One event of the size of an envelope."""
        begun = time.perf_counter()
        client = await self._clients.get()
        try:
            row = await (await client.execute(APPEND, (FILLING,))).fetchone()
        finally:
            self._clients.put_nowait(client)
        appended = time.perf_counter()
        self._wanted.set()
        number = row[0] if row else 0
        if number not in self._early:
            self._under_way[number] = asyncio.get_running_loop().create_future()
            await self._under_way[number]
        self._early.discard(number)
        return Passed((appended - begun) * 1000, (time.perf_counter() - begun) * 1000)

    async def poke(self) -> None:
        """For ever; beside `once`: coalesced, as the product does it."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            await self._poking.execute("notify appended")

    async def hear(self) -> None:
        """For ever; beside `once`."""
        async for note in self._hearing.notifies():
            for number in map(int, note.payload.split(",")):
                if coming := self._under_way.pop(number, None):
                    coming.set_result(None)
                else:
                    self._early.add(number)


@asynccontextmanager
async def bare_way(dsn: str, bootstrap: str) -> AsyncIterator[BareWay]:
    """In an empty database of its own, on a topic of its own."""
    topic = f"bench-{uuid4().hex[:8]}"
    await ensure_topic(bootstrap, topic, PARTITIONS)
    async with AsyncExitStack() as stack:
        clients: asyncio.Queue[Connection] = asyncio.Queue()
        poking, hearing, *others = [await stack.enter_async_context(await _connect(dsn)) for _ in range(CLIENTS + 2)]
        await poking.execute(TABLES)
        await hearing.execute("listen shown")
        for one in others:
            clients.put_nowait(one)
        for part in ("show", "relay"):
            await stack.enter_async_context(_beside(part, dsn, bootstrap, topic))
        way = BareWay(clients, poking, hearing)
        tasks = [asyncio.create_task(way.poke()), asyncio.create_task(way.hear())]
        try:
            yield way
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _beside(*arguments: str) -> AsyncIterator[None]:
    """A part in a process of its own, ready when this begins."""
    command = (sys.executable, "-m", "benchmarks.bare_way", *arguments)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        if process.stdout is None or await process.stdout.readline() != READY:
            raise RuntimeError(f"the part {arguments[0]} did not begin")
        yield
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _connect(dsn: str) -> Connection:
    return await psycopg.AsyncConnection.connect(dsn, autocommit=True, prepare_threshold=1)


async def _relay(dsn: str, bootstrap: str, topic: str) -> None:
    """The table → Kafka, with the settings of the product's relay."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, enable_idempotence=True, acks="all", compression_type="lz4", linger_ms=0
    )
    async with producer, await _connect(dsn) as reading:
        await reading.execute("listen appended")
        _ready()
        last, missing = 0, set[int]()
        while True:
            rows = await (await reading.execute(READ, (last, list(missing)))).fetchall()
            if not rows:
                async for _ in reading.notifies(timeout=NET_S, stop_after=1):
                    pass
                continue
            numbers = {number for number, _ in rows}
            missing = (missing | set(range(last + 1, max(last, *numbers)))) - numbers
            last = max(last, *numbers)
            sending = [
                await producer.send(topic, b"%d " % number + data, partition=number % PARTITIONS)
                for number, data in rows
            ]
            await asyncio.gather(*sending)


async def _show(dsn: str, bootstrap: str, topic: str) -> None:
    """Kafka → another table, told in the same transaction; it does not wait for the disk, as no view does."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    async with consumer, await _connect(dsn) as writing:
        places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(places)
        await consumer.seek_to_end(*places)
        await writing.execute("set synchronous_commit = off")
        _ready()
        while True:
            found = [record for records in (await consumer.getmany(timeout_ms=1000)).values() for record in records]
            if found:
                numbers = [int(record.value.partition(b" ")[0]) for record in found]
                values = [record.value for record in found]
                await writing.execute(SHOW, (numbers, values, ",".join(map(str, numbers))))


def _ready() -> None:
    sys.stdout.buffer.write(READY)
    sys.stdout.flush()


def main() -> None:
    """`python -m benchmarks.bare_way relay|show DSN BOOTSTRAP TOPIC`, until it is killed."""
    part, *arguments = sys.argv[1:]
    uvloop.run({"relay": _relay, "show": _show}[part](*arguments))


if __name__ == "__main__":
    main()
