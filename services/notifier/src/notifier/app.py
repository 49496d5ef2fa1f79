"""Wiring: the API on one pool, the intake on another, whose role sees every tenant."""

from functools import partial

from fastapi import FastAPI

from helpdesk.auth.tokens import Verifier
from helpdesk.consumer.history import History
from helpdesk.consumer.settings import ConsumerSettings
from helpdesk.consumer.subscriber import Subscriber
from helpdesk.eventstore.audit import Audit
from helpdesk.eventstore.idempotency import Answers
from helpdesk.http.app import build_api
from helpdesk.http.health import Check, consuming, health_routes
from helpdesk.http.judged import Entrance
from helpdesk.http.keys import Replays, accept_keys
from helpdesk.http.limits import Limiter
from helpdesk.http.server import Job
from helpdesk.paging.cursor import Cursors
from helpdesk.postgres.migrate import Migrations
from helpdesk.postgres.migrate import migrate as run_migrations
from helpdesk.postgres.pool import Pool, reachable
from notifier.routes import notification_routes
from notifier.settings import IntakeSettings, NotifierMigrateSettings, NotifierSettings
from notifier.store import SCHEMA, people
from notifier.subscribers import is_awaited, refold, take_in

MIGRATIONS = (
    Migrations("helpdesk.consumer.migrations", SCHEMA),
    Migrations("helpdesk.eventstore.audit_alone.migrations", SCHEMA),
    Migrations("notifier.migrations", SCHEMA),
)


def build_intake(settings: IntakeSettings, pool: Pool, events: Pool) -> Subscriber:
    """The consumer of the event topic, not yet running; `events` are connections that read history."""
    consumer = ConsumerSettings(
        schema=SCHEMA,
        bootstrap=settings.kafka_bootstrap_servers,
        topic=settings.events_topic,
        group=f"{settings.topic_prefix}.notifier",
        max_records=1_000,  # its memory follows from the largest batch
        awaited=is_awaited,
        limits=settings.limits,
    )
    return Subscriber(consumer, pool, take_in, History(events), refold)


def build_app(settings: NotifierSettings, pool: Pool, intake: Subscriber | None = None) -> FastAPI:
    """The API; `beside` it runs what it needs. Where the intake runs in the same process, its state is
    part of the health."""
    app = build_api("Acme Tickets: notifier")
    app.state.verifier, app.state.limiter = Verifier(settings), Limiter(settings)
    app.state.audit = Audit(pool, SCHEMA)
    app.state.judge = Entrance(pool, SCHEMA, partial(people.known, pool))
    accept_keys(app, Replays(Answers(pool, SCHEMA, counts=False), store=None))
    app.include_router(notification_routes(pool, Cursors(settings.cursor_secret.get_secret_value())))
    app.include_router(health_routes(_checks(pool, intake)))
    return app


def beside(app: FastAPI, pool: Pool) -> list[Job]:
    """What runs beside the server of `app`."""
    return [app.state.audit.run, app.state.limiter.run, Answers(pool, SCHEMA).forgetting]


def _checks(pool: Pool, intake: Subscriber | None) -> dict[str, Check]:
    async def database() -> str | None:
        return None if await reachable(pool) else "the database of the notifications does not answer"

    checks: dict[str, Check] = {"database": database}
    if intake is not None:
        checks["intake"] = consuming(intake.state)
    return checks


async def migrate(settings: NotifierMigrateSettings) -> None:
    """Create or update the schema and its roles. The event topic is its owner's to create."""
    logins = [
        settings.notifier_database_url,
        settings.notifier_worker_database_url,
        settings.notifier_events_database_url,
        settings.command_api_notices_database_url,
    ]
    await run_migrations(settings.migrate_database_url, MIGRATIONS, logins)
