"""A notifier behind a real event store, relay and Kafka, and sentences to speak to it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx

from helpdesk.auth.tokens import Issuer
from helpdesk.bus.topics import ensure_topic
from helpdesk.consistency import Applied, Position
from helpdesk.consumer.subscriber import Subscriber
from helpdesk.events import Event
from helpdesk.events.ticket import CommentAdded, TicketAssigned, TicketCreated, TicketResolved
from helpdesk.events.user import UserRegistered
from helpdesk.eventstore import relay
from helpdesk.eventstore.store import EventStore, StreamAppend
from helpdesk.http.app import edge
from helpdesk.postgres.listening import Listener
from helpdesk.postgres.migrate import Migrations
from helpdesk.postgres.migrate import migrate as run_migrations
from helpdesk.postgres.pool import Pool, connect, open_pool
from helpdesk.recorded import Metadata, Stream
from localstack.environment import environment
from localstack.stack import Servers
from notifier.app import build_app, build_intake, migrate
from notifier.settings import NotifierMigrateSettings

GRANT = "grant events_appender to command_api; grant events_relay to command_relay"
OFFSET = "select coalesce(sum(next_offset), 0)::int from notices.progress"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a token of their own; whether the notifier knows them is another matter."""

    tenant_id: UUID
    id: UUID
    role: str
    headers: dict[str, str]


@dataclass(slots=True)
class Running:
    """Tasks that a test may end and begin again."""

    begin: Callable[[], Any]
    task: "asyncio.Task[None] | None" = None

    def start(self) -> None:
        self.task = asyncio.create_task(self.begin())

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with suppress(asyncio.CancelledError):
                await self.task


@dataclass(slots=True)
class World:
    """One installation with fresh data."""

    settings: NotifierMigrateSettings
    relay_dsn: str
    events: EventStore
    issuer: Issuer
    applied: Applied
    worker_pool: Pool
    events_pool: Pool
    client: httpx.AsyncClient
    versions: dict[Stream, int] = field(default_factory=dict)
    intake: Subscriber = field(init=False)
    consuming: Running = field(init=False)
    relaying: Running = field(init=False)

    def __post_init__(self) -> None:
        self.consuming = Running(self._consume)
        self.relaying = Running(self._relay)

    async def _consume(self) -> None:
        self.intake = build_intake(self.settings, self.worker_pool, self.events_pool)
        await self.intake.run()

    async def _relay(self) -> None:
        settings = self.settings
        await relay.run(
            relay.RelaySettings(self.relay_dsn, "events", settings.kafka_bootstrap_servers, settings.events_topic)
        )

    # --- people and tickets -----------------------------------------------------------------------------------------

    def stranger(self, role: str, tenant_id: UUID | None = None, id_: UUID | None = None) -> Person:
        """Somebody with a valid token whose account never arrived here."""
        tenant, user = tenant_id or uuid4(), id_ or uuid4()
        token = self.issuer.issue(
            tenant_id=tenant, user_id=user, email=f"{user}@example.com", role=role, now=datetime.now(UTC)
        )
        return Person(tenant, user, role, {"Authorization": f"Bearer {token}"})

    async def register(self, person: Person, name: str = "Ada Lovelace") -> Person:
        """The account arrives."""
        registered = UserRegistered(
            email=f"{person.id}@example.com", name=name, role=person.role, by=person.id, at=now()
        )
        await self.append(Stream(person.tenant_id, "user", person.id), registered)
        return person

    async def person(self, role: str, tenant_id: UUID | None = None) -> Person:
        """Somebody who is known."""
        return await self.register(self.stranger(role, tenant_id))

    async def ticket(self, by: Person, title: str = "The printer burns", assignee: Person | None = None) -> Stream:
        """A new ticket."""
        stream = Stream(by.tenant_id, "ticket", uuid4())
        events: list[Event] = [opened(by, title)]
        if assignee is not None:
            events.append(assigned(assignee, by))
        await self.append(stream, *events)
        return stream

    async def append(self, stream: Stream, *events: Event, settle: bool = True) -> None:
        """One command; returns when the notifier has taken it in."""
        version = self.versions.get(stream, 0)
        await self.events.append(uuid4(), [StreamAppend(stream, version, events)], Metadata(None, None, None))
        self.versions[stream] = version + len(events)
        if settle:
            await self.taken_in(Position(stream, self.versions[stream]))

    async def taken_in(self, position: Position) -> None:
        """Return when the notifier has come so far; of most that it does it tells nobody, so it is asked."""
        async with asyncio.timeout(15):
            while not await self.applied.wait([position], 0.05, ours=False):  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.01)

    # --- what people see --------------------------------------------------------------------------------------------

    async def get(self, person: Person, path: str = "", **query: str) -> Any:
        """The JSON of a successful read."""
        answer = await self.client.get(f"/api/v1/notifications{path}", params=query, headers=person.headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def ask(self, method: str, person: Person, path: str, **headers: str) -> httpx.Response:
        """Any answer."""
        return await self.client.request(method, f"/api/v1/notifications{path}", headers=person.headers | headers)

    async def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """As an operator would look."""
        async with await connect(self.settings.migrate_database_url, name="test") as connection:
            cursor = await connection.execute(statement)
            return await cursor.fetchall() if cursor.description else []


def now() -> datetime:
    """In whole milliseconds, as decisions have it."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def opened(by: Person, title: str = "The printer burns") -> TicketCreated:
    return TicketCreated(
        number=1, title=title, description="", priority="low", metadata=None, tags=(), by=by.id, at=now()
    )


def assigned(to: Person, by: Person) -> TicketAssigned:
    return TicketAssigned(assignee_id=to.id, previous=None, by=by.id, at=now())


def commented(by: Person, *, internal: bool = False) -> CommentAdded:
    return CommentAdded(comment_id=uuid4(), content="Smoke!", is_internal=internal, by=by.id, at=now())


def resolved(by: Person) -> TicketResolved:
    return TicketResolved(resolution="solved", previous="open", by=by.id, at=now())


async def eventually(condition: Callable[[], object], timeout_s: float = 15) -> None:
    """Return when it holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - what is asked has no event of its own
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(servers: Servers) -> AsyncIterator[World]:
    """Migrated, relaying, taking in, serving."""
    variables = environment(servers.ports, servers.new_database(), servers.secrets, servers.folder)
    values = {name.lower(): value for name, value in variables.items()}
    prefix = f"test-{uuid4().hex[:8]}"
    settings = NotifierMigrateSettings.model_validate(
        values | {"log_level": "info", "topic_prefix": prefix, "topic_partitions": "3"}
    )
    logins = [values["command_api_database_url"], values["command_api_relay_database_url"]]
    await run_migrations(
        settings.migrate_database_url, [Migrations("helpdesk.eventstore.migrations", "events")], logins
    )
    await migrate(settings)
    async with await connect(settings.migrate_database_url, name="test") as connection:
        await connection.execute(GRANT)
    await ensure_topic(settings.kafka_bootstrap_servers, settings.events_topic, settings.topic_partitions)
    async with (
        open_pool(values["command_api_database_url"], name="test-append") as append_pool,
        open_pool(settings.notifier_worker_database_url, name="test-intake") as worker_pool,
        open_pool(settings.notifier_events_database_url, name="test-history") as events_pool,
        open_pool(settings.notifier_database_url, name="test-serve") as pool,
    ):
        app = build_app(settings, pool)
        listener = Listener(settings.command_api_notices_database_url, "notices-listen")
        applied = Applied(listener, settings.command_api_notices_database_url, "notices")
        client = httpx.AsyncClient(transport=httpx.ASGITransport(edge(app)), base_url="http://test")
        world = World(
            settings=settings,
            relay_dsn=values["command_api_relay_database_url"],
            events=EventStore(append_pool, "events"),
            issuer=Issuer(Path(values["jwt_signing_key_file"]), settings, 3600),
            applied=applied,
            worker_pool=worker_pool,
            events_pool=events_pool,
            client=client,
        )
        parts = (Running(listener.run), Running(applied.run), world.relaying, world.consuming)
        for part in parts:
            part.start()
        try:
            await asyncio.sleep(0)
            await eventually(lambda: world.intake.state.reason is None)
            yield world
        finally:
            for part in parts:
                await part.stop()
            await client.aclose()
