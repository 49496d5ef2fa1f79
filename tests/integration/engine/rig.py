"""An event store, views and a topic of one's own on the shared servers, and the verbs to speak of them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

import command_api.app
import projector.app
from command_api import store as private
from command_api.settings import CommandMigrateSettings
from helpdesk.bus import envelope
from helpdesk.bus.clients import connected
from helpdesk.bus.topics import ensure_topic
from helpdesk.consumer.apply import Handler, Refold
from helpdesk.consumer.batch import StreamBatch
from helpdesk.consumer.history import History
from helpdesk.consumer.settings import ConsumerSettings, Limits
from helpdesk.consumer.subscriber import Subscriber
from helpdesk.events import Event
from helpdesk.events.operations import SystemProbed
from helpdesk.eventstore import relay
from helpdesk.eventstore.store import EventStore, StreamAppend
from helpdesk.postgres.migrate import migrate as run_migrations
from helpdesk.postgres.pool import Connection, Pool, connect, open_pool
from helpdesk.recorded import Metadata, RecordedEvent, Stream, event_id_of
from localstack.stack import Servers
from projector.settings import ProjectorMigrateSettings

PARTITIONS = 3
NOBODY = Metadata(None, None, None)
EPOCH = UUID(int=1)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def eventually(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    """Return when it holds: for what happens in this process."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - what is asked has no event of its own
            await asyncio.sleep(0.01)


async def eventually_true(condition: Callable[[], Awaitable[object]], timeout_s: float = 20.0) -> None:
    """Return when it holds: for what must be asked of a server."""
    async with asyncio.timeout(timeout_s):
        while not await condition():  # noqa: ASYNC110 - nobody tells when another server's answer changes
            await asyncio.sleep(0.02)


def new_stream(tenant_id: UUID | None = None, type_: str = "system") -> Stream:
    return Stream(tenant_id or uuid4(), type_, uuid4())


def events(count: int = 1) -> list[Event]:
    return [SystemProbed(at=NOON)] * count


@asynccontextmanager
async def beside(task: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """It runs for as long as the block, and must not have failed."""
    running = asyncio.create_task(task)
    try:
        yield
        if running.done():
            running.result()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def account(one: "Engine", tenant: UUID, person: UUID) -> None:
    """Ada's private rows, without any event."""
    async with await connect(one.dsn("command_api"), name="test") as connection, connection.transaction():
        await private.enter_tenant(connection, tenant)
        await private.insert_account(
            connection, tenant_id=tenant, id_=person, email="a@b.c", name="Ada", role="USER", password_hash="", at=NOON
        )


@dataclass(slots=True)
class Engine:
    """`dsns` by role; `pool` and `store` are the command API's."""

    servers: Servers
    admin_dsn: str
    variables: Mapping[str, str]
    pool: Pool
    store: EventStore
    topic: str
    versions: dict[Stream, int] = field(default_factory=dict)

    def dsn(self, role: str) -> str:
        return self.servers.dsn(role, self.admin_dsn)

    @property
    def bootstrap(self) -> str:
        return self.servers.kafka_bootstrap

    async def append(self, stream: Stream, count: int = 1, version: int | None = None) -> None:
        """One command on one stream."""
        expected = self.versions.get(stream, 0) if version is None else version
        await self.store.append(uuid4(), [StreamAppend(stream, expected, events(count))], NOBODY)
        self.versions[stream] = expected + count

    async def sql(self, statement: str, *params: Any) -> list[tuple[Any, ...]]:
        """As an operator would look: the owner, whom row-level security binds too, unless superuser."""
        async with await connect(self.admin_dsn, name="test") as connection:
            cursor = await connection.execute(statement, params or None)
            return await cursor.fetchall() if cursor.description else []

    async def value(self, statement: str, *params: Any) -> Any:
        ((value,),) = await self.sql(statement, *params)
        return value


@asynccontextmanager
async def engine(servers: Servers) -> AsyncIterator[Engine]:
    """Migrated by the services themselves."""
    admin_dsn = servers.new_database()
    topic_prefix = f"test-{uuid4().hex[:8]}"
    variables = {
        **servers.environment(admin_dsn),
        "TOPIC_PREFIX": topic_prefix,
        "TOPIC_PARTITIONS": str(PARTITIONS),
    }
    values = {name.lower(): value for name, value in variables.items()}
    values["log_level"] = "info"
    settings = CommandMigrateSettings.model_validate(values)
    await command_api.app.migrate(settings)
    await projector.app.migrate(ProjectorMigrateSettings.model_validate(values))
    await run_migrations(admin_dsn, [], [values["query_api_database_url"], values["query_api_operator_database_url"]])
    async with open_pool(settings.command_api_database_url, name="test-engine", max_size=20) as pool:
        yield Engine(servers, admin_dsn, variables, pool, EventStore(pool, "events"), settings.events_topic)


# --- relays -----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def relaying(engine: Engine, topic: str | None = None) -> AsyncIterator[relay.RelayState]:
    """A relay that runs for as long as the block."""
    state = relay.RelayState()
    settings = relay.RelaySettings(engine.dsn("command_relay"), "events", engine.bootstrap, topic or engine.topic)
    task = asyncio.create_task(relay.run(settings, state))
    try:
        yield state
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def records_of(bootstrap: str, topic: str, partitions: int = PARTITIONS) -> dict[int, list[RecordedEvent]]:
    """Everything that the topic holds, by partition."""
    async with consumer_of(bootstrap) as consumer:
        places = [TopicPartition(topic, n) for n in range(partitions)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        found: dict[int, list[RecordedEvent]] = {n: [] for n in range(partitions)}
        async with asyncio.timeout(20):
            while sum(map(len, found.values())) < sum(ends.values()):
                for place, records in (await consumer.getmany(timeout_ms=200)).items():
                    for record in records:
                        event, _ = envelope.decode(record.value)
                        assert record.key == envelope.key_of(event.stream)
                        found[place.partition].append(event)
        return found


@asynccontextmanager
async def consumer_of(bootstrap: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    async with connected(consumer):
        yield consumer


def without_duplicates(records: Sequence[RecordedEvent]) -> dict[Stream, list[int]]:
    """The versions of each stream in the order of their first coming; a later one before its time fails."""
    seen: dict[Stream, list[int]] = {}
    for one in records:
        versions = seen.setdefault(one.stream, [])
        if one.version > len(versions):
            assert one.version == len(versions) + 1, f"{one.stream}: {one.version} after {versions}"
            versions.append(one.version)
    return seen


# --- consumers --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Topic:
    """A topic that a test fills itself."""

    bootstrap: str
    name: str
    producer: AIOKafkaProducer

    async def send(self, *values: bytes | None, partition: int = 0) -> None:
        """Records in this order; returns when Kafka has them."""
        for value in values:
            await self.producer.send_and_wait(self.name, value=value, key=b"k", partition=partition)


@asynccontextmanager
async def topic(engine: Engine, partitions: int = PARTITIONS) -> AsyncIterator[Topic]:
    name = f"test-{uuid4().hex[:8]}.events"
    await ensure_topic(engine.bootstrap, name, partitions)
    producer = AIOKafkaProducer(bootstrap_servers=engine.bootstrap)
    async with connected(producer):
        yield Topic(engine.bootstrap, name, producer)


def record(stream: Stream, version: int, remaining: int = 0, **changes: Any) -> bytes:
    """One event as the relay writes it."""
    plain = {
        "event_id": event_id_of(stream.id, version),
        "type": "system.probed",
        "schema_version": 1,
        "tenant_id": stream.tenant_id,
        "stream_type": stream.type,
        "stream_id": stream.id,
        "version": version,
        "xid": "700",
        "position": version,
        "store_epoch": EPOCH,
        "command_id": None,
        "ordinal": 1,
        "remaining": remaining,
        "recorded_at": NOON,
        "metadata": {},
        "data": {"at": NOON},
    }
    return orjson.dumps(plain | changes)


def records(stream: Stream, last: int, first: int = 1) -> list[bytes]:
    """Commands of one event each."""
    return [record(stream, version) for version in range(first, last + 1)]


LEDGER = """
create table views.ledger (
    tenant_id uuid, stream_id uuid, version integer, who text, primary key (tenant_id, stream_id, version));
grant select, insert, delete on views.ledger to views_background"""
INSERT = "insert into views.ledger values (%s, %s, %s, %s)"


def ledger(who: str = "", pause_s: float = 0.0) -> Handler:
    """A handler that writes each event down, and would fail at a second time."""

    async def write(connection: Connection, batches: Sequence[StreamBatch]) -> None:
        async with connection.cursor() as cursor:
            await cursor.executemany(
                INSERT, [(b.stream.tenant_id, b.stream.id, one.version, who) for b in batches for one in b.events]
            )
        if pause_s:
            await connection.execute("select pg_sleep(%s)", (pause_s,))

    return write


async def written(engine: Engine, stream: Stream) -> list[int]:
    """The versions of a stream that the ledger holds, in order."""
    found = await engine.sql("select version from views.ledger where stream_id = %s order by version", stream.id)
    return [version for (version,) in found]


@dataclass
class Views:
    """A projector's logins on a database with a ledger, whose store is the one that `record` names."""

    engine: Engine
    pool: Pool
    history: History


@asynccontextmanager
async def ledgered(servers: Servers) -> AsyncIterator[Views]:
    async with (
        engine(servers) as one,
        open_pool(one.dsn("projector"), name="test-consumer", max_size=8) as pool,
        open_pool(one.dsn("projector_events"), name="test-history", max_size=2) as events_pool,
    ):
        await one.sql(LEDGER)
        await one.sql("update events.store set epoch = %s", EPOCH)
        yield Views(one, pool, History(events_pool))


async def refold_ledger(connection: Connection, history: StreamBatch) -> None:
    """What was written of a stream, again."""
    stream = history.stream
    await connection.execute("delete from views.ledger where stream_id = %s", (stream.id,))
    await ledger("again")(connection, [history])


async def stored(engine: Engine, stream: Stream, after: int = 0) -> list[bytes]:
    """What the store has of a stream, as the relay writes it."""
    rows = await engine.sql(
        "select version, remaining, event_id, xid::text, position from events.event"
        " where stream_id = %s and version > %s order by version",
        stream.id,
        after,
    )
    return [
        record(stream, version, remaining, event_id=event_id, xid=xid, position=position)
        for version, remaining, event_id, xid, position in rows
    ]


def partition_of(stream: Stream) -> int:
    """Where the relay puts it."""
    return stream.shard % PARTITIONS


@asynccontextmanager
async def subscribed(
    views: Views,
    topic: Topic,
    handler: Handler,
    group: str | None = None,
    max_records: int = 500,
    limits: Limits = Limits(look_s=0.2),  # noqa: B008 - frozen
    refold: Refold = refold_ledger,
) -> AsyncIterator[Subscriber]:
    """A consumer that runs for as long as the block."""
    name = group or f"g-{uuid4().hex[:8]}"
    settings = ConsumerSettings("views", topic.bootstrap, topic.name, name, max_records, "views.switch", limits)
    consumer = Subscriber(settings, views.pool, handler, views.history, refold)
    task = asyncio.create_task(consumer.run())
    try:
        yield consumer
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def handled(consumer: Subscriber, count: int) -> None:
    """Until that many records were applied or dropped; a halt fails at once."""
    state = consumer.state
    await eventually(lambda: state.halted or state.applied + state.dropped >= count)
    assert state.halted is None, state.halted


async def halted(consumer: Subscriber) -> str:
    await eventually(lambda: consumer.state.halted is not None)
    assert consumer.state.reason == f"halted: {consumer.state.halted}"
    return str(consumer.state.halted)
