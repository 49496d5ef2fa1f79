"""Wiring: the subscriber that folds the event topic into the views, and its health."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from helpdesk.consumer.history import History
from helpdesk.consumer.settings import ConsumerSettings
from helpdesk.consumer.subscriber import Subscriber
from helpdesk.http.app import build_api
from helpdesk.http.health import consuming, health_routes
from helpdesk.postgres.migrate import Migrations
from helpdesk.postgres.migrate import migrate as run_migrations
from helpdesk.postgres.pool import Pool, open_pool, reachable
from projector.settings import ProjectorMigrateSettings, ProjectorSettings
from projector.subscribers import project, refold

MIGRATIONS = (Migrations("helpdesk.consumer.migrations", "views"), Migrations("projector.migrations", "views"))


@asynccontextmanager
async def subscriber(settings: ProjectorSettings) -> AsyncIterator[tuple[Subscriber, Pool]]:
    """The consumer of the event topic, not yet running, and its pool."""
    async with (
        open_pool(settings.projector_database_url, name="projector", max_size=4, durable=False) as pool,
        open_pool(settings.projector_events_database_url, name="projector-events", max_size=2, seldom=True) as events,
    ):
        consumer = ConsumerSettings(
            schema="views",
            bootstrap=settings.kafka_bootstrap_servers,
            topic=settings.events_topic,
            group=f"{settings.topic_prefix}.projector",
            switch="views.switch",
            limits=settings.limits,
        )
        yield Subscriber(consumer, pool, project, History(events), refold), pool


def build_app(consumer: Subscriber, pool: Pool) -> FastAPI:
    """The projector has no API; it tells how it is."""

    async def database() -> str | None:
        return None if await reachable(pool) else "the database of the views does not answer"

    app = build_api("Acme Tickets: projector")
    app.include_router(health_routes({"database": database, "consumer": consuming(consumer.state)}))
    return app


async def migrate(settings: ProjectorMigrateSettings) -> None:
    """Create or update the views' schema and the role that writes it."""
    logins = [settings.projector_database_url, settings.projector_events_database_url]
    await run_migrations(settings.migrate_database_url, MIGRATIONS, logins)
