"""Wiring: the API and its health, intake, senders, relay, migrations."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from fastapi import FastAPI

from helpdesk.auth.tokens import Verifier
from helpdesk.bus.topics import ensure_topic
from helpdesk.consumer.history import History
from helpdesk.consumer.settings import ConsumerSettings
from helpdesk.consumer.subscriber import Subscriber
from helpdesk.eventstore import relay, restore
from helpdesk.eventstore.audit import Audit
from helpdesk.eventstore.idempotency import Answers
from helpdesk.eventstore.relay import RelaySettings, RelayState
from helpdesk.eventstore.store import EventStore
from helpdesk.http.app import build_api
from helpdesk.http.health import Check, consuming, health_routes
from helpdesk.http.judged import Entrance
from helpdesk.http.keys import Replays, accept_keys
from helpdesk.http.limits import Limiter
from helpdesk.http.server import Job
from helpdesk.paging.cursor import Cursors
from helpdesk.postgres.listening import Listeners
from helpdesk.postgres.migrate import Migrations
from helpdesk.postgres.migrate import migrate as run_migrations
from helpdesk.postgres.pool import Pool, open_pool, reachable
from webhook_dispatcher.routes import webhook_routes
from webhook_dispatcher.sender import Sender
from webhook_dispatcher.settings import IntakeSettings, SendSettings, WebhookMigrateSettings, WebhookSettings
from webhook_dispatcher.store import SCHEMA, people
from webhook_dispatcher.subscribers import is_awaited, refold, take_in
from webhook_dispatcher.vault import SealedAnswers, Vault

MIGRATIONS = (
    Migrations("helpdesk.eventstore.migrations", SCHEMA),
    Migrations("helpdesk.consumer.migrations", SCHEMA),
    Migrations("webhook_dispatcher.migrations", SCHEMA),
)
LOOK_EVERY_S: Final = 0.2


def build_app(settings: WebhookSettings, pool: Pool, checks: Mapping[str, Check] | None = None) -> FastAPI:
    """The API over `pool` (the serving role's). `checks` tell of what else runs in this process."""

    async def database() -> str | None:
        return None if await reachable(pool) else "the database of the webhooks does not answer"

    app = build_api("Acme Tickets: webhooks")
    app.state.verifier, app.state.limiter, app.state.audit = Verifier(settings), Limiter(settings), Audit(pool, SCHEMA)
    app.state.judge = Entrance(pool, SCHEMA, partial(people.known, pool))
    app.include_router(health_routes({"database": database, **(checks or {})}))
    cursors = Cursors(settings.cursor_secret.get_secret_value())
    vault = Vault(settings.secrets_key)
    replays = Replays(Answers(pool, SCHEMA), EventStore(pool, SCHEMA), seal=SealedAnswers(vault))
    accept_keys(app, replays)
    app.include_router(webhook_routes(pool, vault, settings.rules, cursors, replays))
    return app


def beside(app: FastAPI, pool: Pool) -> list[Job]:
    """What runs beside the API: writing the audit, counting calls, forgetting kept answers."""
    return [app.state.audit.run, app.state.limiter.run, Answers(pool, SCHEMA).forgetting]


@asynccontextmanager
async def serving_pool(settings: WebhookSettings) -> AsyncIterator[Pool]:
    """Connections of the role that serves."""
    async with open_pool(settings.webhook_dispatcher_database_url, name="webhook-dispatcher") as pool:
        yield pool


@asynccontextmanager
async def worker_pool(settings: IntakeSettings) -> AsyncIterator[Pool]:
    """Connections of the role that sends: a claim is on the disk before anything leaves."""
    async with open_pool(settings.webhook_dispatcher_worker_database_url, name="webhook-worker", max_size=8) as pool:
        yield pool


@asynccontextmanager
async def intake_pool(settings: IntakeSettings) -> AsyncIterator[Pool]:
    """Connections of the same role for intake. A sender's commit waits for the disk, and so for all that it claims."""
    dsn = settings.webhook_dispatcher_worker_database_url
    async with open_pool(dsn, name="webhook-intake", max_size=4, durable=False) as pool:
        yield pool


@asynccontextmanager
async def events_pool(settings: IntakeSettings) -> AsyncIterator[Pool]:
    """Connections of the role that reads history."""
    dsn = settings.webhook_dispatcher_events_database_url
    async with open_pool(dsn, name="webhook-events", max_size=2, seldom=True) as pool:
        yield pool


def intake(settings: IntakeSettings, pool: Pool, events: Pool) -> Subscriber:
    """The consumer of the event topic; `events` are connections that read history."""
    consumer = ConsumerSettings(
        schema=SCHEMA,
        bootstrap=settings.kafka_bootstrap_servers,
        topic=settings.events_topic,
        group=settings.group,
        max_records=1_000,  # its memory follows from the largest batch
        awaited=is_awaited,
        limits=settings.limits,
    )
    return Subscriber(consumer, pool, take_in, History(events), refold)


def sender(settings: SendSettings, pool: Pool, listeners: Listeners) -> Sender:
    """One process's senders."""
    listener = listeners.at(settings.webhook_dispatcher_worker_database_url)
    return Sender(pool, listener, Vault(settings.secrets_key), settings.rules)


def listening() -> Listeners:
    """What hears the database for a process; its `run` belongs to the jobs of whoever sends."""
    return Listeners("webhooks")


def relaying(settings: IntakeSettings, state: RelayState | None = None) -> Job:
    """The relay of this owner's events. Few, and nobody waits for them: so nobody wakes it, and it looks seldom."""
    route = RelaySettings(
        dsn=settings.webhook_dispatcher_worker_database_url,
        schema=SCHEMA,
        bootstrap=settings.kafka_bootstrap_servers,
        topic=settings.webhooks_topic,
        poll_s=LOOK_EVERY_S,
    )
    return partial(relay.run, route, state)


def worker_checks(consumer: Subscriber, sending: Sender, state: RelayState) -> Mapping[str, Check]:
    """How the workers are, for the health of a process that runs them all."""

    async def sends() -> str | None:
        return sending.state.error

    async def relays() -> str | None:
        return "the relay cannot reach its database or Kafka" if state.error else None

    return {"intake": consuming(consumer.state), "send": sends, "relay": relays}


async def migrate(settings: WebhookMigrateSettings) -> None:
    """Create or update the schema, its roles, and the topic of its events."""
    logins = [
        settings.webhook_dispatcher_database_url,
        settings.webhook_dispatcher_worker_database_url,
        settings.webhook_dispatcher_events_database_url,
    ]
    await run_migrations(settings.migrate_database_url, MIGRATIONS, logins)
    await ensure_topic(settings.kafka_bootstrap_servers, settings.webhooks_topic, 1, settings.topic_replication)


async def rebuild_topic(settings: WebhookMigrateSettings) -> None:
    """Fill the topic of this owner's events again from its store."""
    plan = restore.TopicPlan(
        dsn=settings.webhook_dispatcher_worker_database_url,
        schema=SCHEMA,
        bootstrap=settings.kafka_bootstrap_servers,
        topic=settings.webhooks_topic,
        partitions=1,
        replication=settings.topic_replication,
    )
    await restore.rebuild_topic(plan)


async def new_epoch(settings: WebhookMigrateSettings) -> None:
    """After a restore: make the store one of its own, and fill its topic again."""
    await restore.new_epoch(settings.migrate_database_url, SCHEMA)
    await rebuild_topic(settings)
