"""Wiring: the one place that puts the command API together."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import Depends, FastAPI

from command_api.accounts import Accounts
from command_api.collector import Collector
from command_api.directory import Directory
from command_api.execute import Clock, Commands, utc_now
from command_api.files import Files
from command_api.passwords import Passwords
from command_api.routes import attachments, auth, bulk, comments, me, tenants, tickets, users
from command_api.settings import CommandMigrateSettings, CommandSettings, RelaySettings, WorkerSettings
from command_api.tenants import Tenants
from command_api.users import Users
from helpdesk.auth.keys import keyed
from helpdesk.auth.tokens import Issuer, Verifier
from helpdesk.bus.topics import ensure_topic
from helpdesk.consistency import Applied
from helpdesk.eventstore import relay, restore
from helpdesk.eventstore.audit import Audit
from helpdesk.eventstore.grouping import Group
from helpdesk.eventstore.idempotency import Answers
from helpdesk.eventstore.relay import Poke, RelayState
from helpdesk.http.app import build_api, problems
from helpdesk.http.counting import POSTGRESQL
from helpdesk.http.health import Check, health_routes
from helpdesk.http.judged import Asking
from helpdesk.http.keys import Replays, accept_keys
from helpdesk.http.limits import Limiter
from helpdesk.http.server import Job
from helpdesk.postgres import counts
from helpdesk.postgres.listening import Listener, Listeners
from helpdesk.postgres.migrate import Migrations
from helpdesk.postgres.migrate import migrate as run_migrations
from helpdesk.postgres.pool import open_pool, reachable
from helpdesk.storage.objects import Objects

MIGRATIONS = (
    Migrations("helpdesk.eventstore.migrations", "events"),
    Migrations("command_api.migrations", "events"),
    counts.MIGRATIONS,
)


@dataclass(frozen=True, slots=True)
class Service:
    """What a process of the command API consists of: the shell, the accounts, and the tasks that run beside them."""

    commands: Commands
    accounts: Accounts
    files: Files
    users: Users
    verifier: Verifier
    limiter: Limiter
    audit: Audit
    views: Applied
    listeners: Listeners
    jobs: list[Job]


@asynccontextmanager
async def service(settings: CommandSettings, *, clock: Clock = utc_now) -> AsyncIterator[Service]:
    """Everything but the doors."""
    passwords = Passwords(settings)
    issuer = Issuer(settings.jwt_signing_key_file, settings, settings.access_token_seconds)
    listeners = Listeners("command-api")
    views = _progress(listeners, settings.command_api_views_database_url, "views")
    notices = _progress(listeners, settings.command_api_notices_database_url, "notices")
    webhooks = _progress(listeners, settings.command_api_webhooks_database_url, "webhooks")
    poke = Poke(settings.command_api_database_url, "events")
    async with open_pool(settings.command_api_database_url, name="command-api") as pool:
        directory = Directory(pool, listeners.at(settings.command_api_database_url))
        group = Group(pool, "events", settings.append_caps)
        commands = Commands(pool, group, directory, views, notices, webhooks, poke, clock)
        accounts = Accounts(commands, passwords, issuer, settings)
        users = Users(commands, passwords)
        files = Files(pool, settings, clock)
        audit = Audit(pool, "events")
        jobs: list[Job] = [listeners.run, views.run, notices.run, webhooks.run, poke.run, audit.run]
        limiter = Limiter(settings)
        jobs += [Answers(pool, "events").forgetting, limiter.run, commands.histories.run]
        try:
            yield Service(commands, accounts, files, users, Verifier(settings), limiter, audit, views, listeners, jobs)
        finally:
            await group.close()
            passwords.close()
            files.close()


def _progress(listeners: Listeners, dsn: str, schema: str) -> Applied:
    return Applied(listeners.at(dsn), dsn, schema)


def build_app(parts: Service | None = None, relaying: RelayState | None = None) -> FastAPI:
    """The application; without its parts it is only good for its OpenAPI document."""
    app = build_api("Acme Tickets: command API", appends=True)
    for router in (bulk.router, tickets.router, comments.router, attachments.router, tenants.router, users.router):
        app.include_router(router, dependencies=[Depends(keyed)], responses=problems(409, 422))
    for router in (auth.router, me.router):  # what shows or ends a token takes no key
        app.include_router(router)
    if parts is not None:
        commands = parts.commands
        replays = Replays(
            Answers(commands.pool, "events"),
            commands.events,
            commands.visible,
            redacted=commands.directory.redacted,
        )
        accept_keys(app, replays)
        app.state.commands, app.state.accounts, app.state.verifier = parts.commands, parts.accounts, parts.verifier
        app.state.limiter, app.state.audit = parts.limiter, parts.audit
        app.state.files = parts.files
        app.state.users, app.state.tenants = parts.users, Tenants(parts.commands)
        app.state.judge = Asking(commands.directory.known)
        app.include_router(health_routes(_checks(parts, relaying)))
    return app


def _checks(parts: Service, relaying: RelayState | None) -> Mapping[str, Check]:
    async def database() -> str | None:
        return None if await reachable(parts.commands.pool) else "the database of the events does not answer"

    async def relay_works() -> str | None:
        return relaying.error if relaying else None

    return {"database": database} | ({"relay": relay_works} if relaying else {})


def relay_job(settings: RelaySettings, state: RelayState, listener: Listener) -> Job:
    """The relay of the event topic, which `listener` wakes."""
    wanted = relay.RelaySettings(
        dsn=settings.command_api_relay_database_url,
        schema="events",
        bootstrap=settings.kafka_bootstrap_servers,
        topic=settings.events_topic,
        shares=settings.relay_shards,
    )
    return lambda: relay.run(wanted, state, listener)


@asynccontextmanager
async def collector(settings: WorkerSettings) -> AsyncIterator[Collector]:
    """The worker for files, not yet running."""
    objects = Objects(settings)
    async with open_pool(settings.command_api_worker_database_url, name="command-worker", max_size=2) as pool:
        try:
            yield Collector(pool, objects)
        finally:
            objects.close()


async def migrate(settings: CommandMigrateSettings) -> None:
    """Create or update the schema `events`, the logins that use it, and the event topic."""
    logins = [
        settings.command_api_database_url,
        settings.command_api_relay_database_url,
        settings.command_api_worker_database_url,
        settings.command_api_views_database_url,
        settings.command_api_notices_database_url,
        settings.command_api_webhooks_database_url,
    ]
    if settings.rate_limit_storage_url.startswith(POSTGRESQL):
        logins.append(settings.rate_limit_storage_url)
    await run_migrations(settings.migrate_database_url, MIGRATIONS, logins)
    await ensure_topic(
        settings.kafka_bootstrap_servers, settings.events_topic, settings.topic_partitions, settings.topic_replication
    )


async def rebuild_topic(settings: CommandMigrateSettings) -> None:
    """Fill the event topic again from the store."""
    plan = restore.TopicPlan(
        dsn=settings.command_api_relay_database_url,
        schema="events",
        bootstrap=settings.kafka_bootstrap_servers,
        topic=settings.events_topic,
        partitions=settings.topic_partitions,
        replication=settings.topic_replication,
    )
    await restore.rebuild_topic(plan)


async def new_epoch(settings: CommandMigrateSettings) -> None:
    """After a restore: make the store one of its own, and fill its topic again."""
    await restore.new_epoch(settings.migrate_database_url, "events")
    await rebuild_topic(settings)
