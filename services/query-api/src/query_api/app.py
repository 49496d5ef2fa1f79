"""Wiring: the routes, the pool that they read through, and who waits for the views."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from starlette.routing import Mount

from helpdesk.auth.tokens import Verifier
from helpdesk.consistency import Applied
from helpdesk.eventstore.audit import Audit
from helpdesk.http.app import build_api
from helpdesk.http.health import health_routes
from helpdesk.http.judged import Entrance
from helpdesk.http.limits import Limiter
from helpdesk.paging.cursor import Cursors
from helpdesk.postgres.listening import Listener, Listeners
from helpdesk.postgres.migrate import Migrations
from helpdesk.postgres.migrate import migrate as run_migrations
from helpdesk.postgres.pool import open_pool, reachable
from helpdesk.storage.presign import signer
from helpdesk.tasks import beside
from query_api.reading import Files, Sources
from query_api.routes import attachments, comments, me, tenants, tickets, users
from query_api.routes.documents import Unknown, document_routes
from query_api.routes.public import public_routes
from query_api.settings import QueryMigrateSettings, QuerySettings
from query_api.views import people

SCHEMA = "access"
MIGRATIONS = (
    Migrations("helpdesk.eventstore.audit_alone.migrations", SCHEMA),
    Migrations("query_api.migrations", SCHEMA),
)


def build_app(settings: QuerySettings, applied: Applied | None = None) -> FastAPI:
    """The query API. `applied` says how far the views are; somebody runs it, and its listener, beside the server."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.verifier = Verifier(settings)
        async with (
            open_pool(settings.query_api_database_url, name="query-api") as pool,
            open_pool(
                settings.query_api_operator_database_url, name="query-operator", max_size=2, seldom=True
            ) as operator,
            open_pool(
                settings.query_api_webhooks_database_url, name="query-webhooks", max_size=2, seldom=True
            ) as webhooks,
        ):
            cursors = Cursors(settings.cursor_secret.get_secret_value())
            app.state.sources = Sources(
                pool, operator, webhooks, applied or progress(settings, listening(settings)), cursors, _files(settings)
            )
            app.state.judge = Entrance(pool, "views", partial(people.known, pool))
            app.state.audit = Audit(pool, SCHEMA)
            async with beside(app.state.audit.run()), beside(app.state.limiter.run()):
                yield

    async def database() -> str | None:
        sources: Sources = app.state.sources
        return None if await reachable(sources.pool) else "the database of the views does not answer"

    app = build_api("Acme Tickets", lifespan)
    app.state.limiter = Limiter(settings)
    for router in (tickets.router, comments.router, attachments.router):  # tried in this order: the most asked first
        app.include_router(router)
    app.include_router(me.router)
    app.include_router(users.router)
    app.include_router(tenants.router)
    app.include_router(public_routes(settings.jwt_jwks_file))
    app.include_router(health_routes({"database": database}))
    app.include_router(document_routes())
    app.router.routes.append(Mount("/", Unknown()))
    return app


def _files(settings: QuerySettings) -> Files:
    return Files(settings.public_origin, signer(settings))


def listening(settings: QuerySettings) -> Listener:
    """What hears the database of the views for this process; `run` it."""
    return Listeners("query-api").at(settings.query_api_database_url)


def progress(settings: QuerySettings, listener: Listener) -> Applied:
    """How far the views are; `run` it."""
    return Applied(listener, settings.query_api_database_url, "views")


async def migrate(settings: QueryMigrateSettings) -> None:
    """Create or update the schema `access`, and let the query API's roles log in. What they may read of the views, the
    views' owner grants."""
    logins = [
        settings.query_api_database_url,
        settings.query_api_operator_database_url,
        settings.query_api_webhooks_database_url,
    ]
    await run_migrations(settings.migrate_database_url, MIGRATIONS, logins)
