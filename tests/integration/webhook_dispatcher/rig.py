"""The dispatcher on real servers, and a command side that writes history as the command API does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
from starlette.types import ASGIApp

from helpdesk.auth.tokens import Issuer
from helpdesk.bus.topics import ensure_topic
from helpdesk.events import Event
from helpdesk.events.ticket import TicketCreated
from helpdesk.eventstore import relay
from helpdesk.eventstore.relay import RelaySettings
from helpdesk.eventstore.store import EventStore, StreamAppend
from helpdesk.http.app import edge
from helpdesk.http.server import Job
from helpdesk.postgres.listening import Listener
from helpdesk.postgres.migrate import Migrations
from helpdesk.postgres.migrate import migrate as run_migrations
from helpdesk.postgres.pool import open_pool
from helpdesk.recorded import Metadata, Stream
from localstack.credentials import JWKS, SIGNING_KEY
from localstack.environment import dsn_of
from localstack.stack import Servers
from webhook_dispatcher import app
from webhook_dispatcher.domain.schedule import SCHEDULE
from webhook_dispatcher.sender import Sender
from webhook_dispatcher.settings import WebhookMigrateSettings
from webhook_dispatcher.vault import Vault

REQUESTER, AGENT = uuid4(), uuid4()
A_HUNDRED_TIMES_FASTER = tuple(step / 100 for step in SCHEDULE)


def created(title: str = "Printer on fire", **fields: Any) -> TicketCreated:
    """A ticket's beginning, with what a test doesn't mention supplied."""
    plain: dict[str, Any] = {
        "number": 1,
        "description": "",
        "priority": "medium",
        "metadata": None,
        "tags": (),
        "by": REQUESTER,
        "at": datetime.now(UTC),
    }
    return TicketCreated(title=title, **plain | fields)


@dataclass
class Rig:
    """One dispatcher with a database and topics of its own, as seen by one tenant."""

    settings: WebhookMigrateSettings
    api: ASGIApp
    issuer: Issuer
    store: EventStore
    environment: dict[str, str]
    tenant: UUID = field(default_factory=uuid4)

    def another_tenant(self) -> "Rig":
        """The same dispatcher, seen by a tenant of which nobody has heard."""
        return replace(self, tenant=uuid4())

    def client(self, role: str = "ADMIN") -> httpx.AsyncClient:
        """Somebody of the tenant at the API."""
        token = self.issuer.issue(
            tenant_id=self.tenant, user_id=AGENT, email="somebody@example.com", role=role, now=datetime.now(UTC)
        )
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.api),
            base_url="http://dispatcher",
            headers={"Authorization": f"Bearer {token}"},
        )

    async def endpoint(self, url: str, *events: str, **fields: Any) -> dict[str, Any]:
        """A new endpoint, as the API answers it."""
        async with self.client() as admin:
            answer = await admin.post("/api/v1/webhooks", json={"url": url, "events": events, **fields})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def happened(self, ticket: UUID, *events: Event, version: int = 0) -> None:
        """One command on a ticket that is at `version`."""
        stream = Stream(self.tenant, "ticket", ticket)
        await self.store.append(uuid4(), [StreamAppend(stream, version, events)], Metadata(REQUESTER, None, uuid4()))

    async def deliveries(self, endpoint: dict[str, Any]) -> list[dict[str, Any]]:
        """The endpoint's log."""
        async with self.client() as admin:
            answer = await admin.get(f"/api/v1/webhooks/{endpoint['id']}/deliveries")
        found: list[dict[str, Any]] = answer.json()["data"]
        return found

    async def settled(self, endpoint: dict[str, Any]) -> dict[str, Any]:
        """The endpoint's only delivery once it is delivered or failed. (Its record follows the answer to its POST.)"""
        async with asyncio.timeout(20):
            while True:
                found = await self.deliveries(endpoint)
                if found and found[0]["state"] in ("delivered", "failed"):
                    assert len(found) == 1
                    return found[0]
                await asyncio.sleep(0.02)

    async def sql(self, query: str, params: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """As the superuser, for looking behind the API."""
        async with await psycopg.AsyncConnection.connect(
            self.settings.migrate_database_url, autocommit=True
        ) as connection:
            cursor = await connection.execute(query, params)
            return await cursor.fetchall() if cursor.description else []

    @asynccontextmanager
    async def taking_in(self) -> AsyncIterator[None]:
        """Relay of the command side and intake run."""
        events = RelaySettings(
            dsn=self.settings.migrate_database_url,
            schema="events",
            bootstrap=self.settings.kafka_bootstrap_servers,
            topic=self.settings.events_topic,
        )
        async with app.worker_pool(self.settings) as pool, app.events_pool(self.settings) as history:
            consumer = app.intake(self.settings, pool, history)
            async with running(consumer.run, lambda: relay.run(events)):
                yield

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """A sender runs, on a clock that is a hundred times faster between attempts."""
        async with app.worker_pool(self.settings) as pool:
            listener = Listener(self.settings.webhook_dispatcher_worker_database_url, "webhooks-listen")
            sender = Sender(
                pool,
                listener,
                Vault(self.settings.secrets_key),
                self.settings.rules,
                schedule=A_HUNDRED_TIMES_FASTER,
            )
            async with running(listener.run, sender.run):
                yield


@asynccontextmanager
async def running(*jobs: Job) -> AsyncIterator[None]:
    """Jobs beside a test; one that dies fails the test."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_job(job)) for job in jobs]
        yield
        for task in tasks:
            task.cancel()


async def _job(job: Job) -> None:
    await job()


@asynccontextmanager
async def dispatcher(servers: Servers) -> AsyncIterator[Rig]:
    """A migrated dispatcher and its API; intake and sending are started by the tests."""
    admin = servers.new_database()
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": servers.kafka_bootstrap,
        "TOPIC_PREFIX": f"webhooks-{uuid4().hex[:8]}",
        "JWT_JWKS_FILE": str(servers.folder / JWKS),
        "MIGRATE_DATABASE_URL": admin,
        "WEBHOOK_DISPATCHER_DATABASE_URL": dsn_of("webhook_dispatcher", admin, servers.secrets),
        "WEBHOOK_DISPATCHER_WORKER_DATABASE_URL": dsn_of("webhook_worker", admin, servers.secrets),
        "WEBHOOK_DISPATCHER_EVENTS_DATABASE_URL": dsn_of("webhook_events", admin, servers.secrets),
        "CURSOR_SECRET": servers.secrets.cursor_secret,
        "WEBHOOK_SECRETS_KEY": servers.secrets.webhook_secrets_key,
        "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
        "WEBHOOK_ALLOW_HTTP": "true",
    }
    settings = WebhookMigrateSettings(**{name.lower(): value for name, value in environment.items()})  # type: ignore[arg-type] # values are parsed
    await app.migrate(settings)
    await run_migrations(admin, [Migrations("helpdesk.eventstore.migrations", "events")], [])
    await ensure_topic(settings.kafka_bootstrap_servers, settings.events_topic, 2)
    async with app.serving_pool(settings) as pool, open_pool(admin, name="test") as events:
        issuer = Issuer(servers.folder / SIGNING_KEY, settings, 3600)
        api = edge(app.build_app(settings, pool))
        yield Rig(settings, api, issuer, EventStore(events, "events"), environment)
