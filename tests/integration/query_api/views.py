"""A query API over views that tests fill as they like, and sentences to speak to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID, uuid4

import httpx

from helpdesk.auth.tokens import Issuer
from helpdesk.http.app import edge
from helpdesk.postgres.migrate import migrate as run_migrations
from helpdesk.postgres.pool import Connection, connect
from localstack.environment import environment
from localstack.stack import Servers
from projector.app import MIGRATIONS
from query_api.app import build_app, listening, migrate, progress
from query_api.settings import QueryMigrateSettings

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
_PERSON: LiteralString = """
insert into views.people (tenant_id, id, email, name, role, enabled, created_at, updated_at, version)
values (%s, %s, %s, %s, %s, %s, %s, %s, 1)"""
_TICKET: LiteralString = """
insert into views.tickets (tenant_id, id, number, title, description, status, priority, waiting_on, resolution, tags,
                           metadata, created_by_id, assignee_id, created_at, updated_at, deleted, version)
values (%(tenant_id)s, %(id)s, %(number)s, %(title)s, %(description)s, %(status)s, %(priority)s, %(waiting_on)s,
        %(resolution)s, %(tags)s, %(metadata)s, %(created_by_id)s, %(assignee_id)s, %(created_at)s, %(updated_at)s,
        %(deleted)s, %(version)s)"""
_COMMENT: LiteralString = """
insert into views.comments (tenant_id, ticket_id, id, content, is_internal, author_id, created_at, updated_at, deleted)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s)"""
_ACTIVITY: LiteralString = """
insert into views.activities (tenant_id, ticket_id, version, id, type, changes, is_internal, actor_id, created_at)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s)"""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a token."""

    tenant_id: UUID
    id: UUID
    role: str
    headers: dict[str, str]


@dataclass(slots=True)
class Views:
    """One installation whose projector is the test."""

    settings: QueryMigrateSettings
    admin: Connection
    issuer: Issuer
    client: httpx.AsyncClient
    number: int = 0

    def token(self, tenant_id: UUID, user_id: UUID, role: str, age: timedelta = timedelta()) -> dict[str, str]:
        """The header that proves who asks."""
        token = self.issuer.issue(
            tenant_id=tenant_id, user_id=user_id, email=f"{user_id}@example.com", role=role, now=datetime.now(UTC) - age
        )
        return {"Authorization": f"Bearer {token}"}

    async def person(
        self, role: str, tenant_id: UUID | None = None, name: str = "Ada King Lovelace", *, enabled: bool = True
    ) -> Person:
        """An account of the tenant (of a new one without any)."""
        tenant, id_ = tenant_id or uuid4(), uuid4()
        values = (tenant, id_, f"{id_}@example.com", name, role, enabled, NOON, NOON)
        await self.admin.execute(_PERSON, values)
        return Person(tenant, id_, role, self.token(tenant, id_, role))

    async def ticket(self, by: Person, title: str = "The printer burns", **values: Any) -> UUID:
        """A ticket of `by`, each a second later than the one before."""
        self.number += 1
        id_ = uuid4()
        at = NOON + timedelta(seconds=self.number)
        usual: dict[str, Any] = {
            "tenant_id": by.tenant_id,
            "id": id_,
            "number": self.number,
            "title": title,
            "description": "",
            "status": "open",
            "priority": "medium",
            "waiting_on": None,
            "resolution": None,
            "tags": [],
            "metadata": None,
            "created_by_id": by.id,
            "assignee_id": None,
            "created_at": at,
            "updated_at": values.get("created_at", at),
            "deleted": False,
            "version": 1,
        }
        await self.admin.execute(_TICKET, usual | values)
        return id_

    async def comment(
        self, ticket_id: UUID, by: Person, content: str = "Smoke!", *, internal: bool = False, deleted: bool = False
    ) -> UUID:
        """A comment, each a second later than the one before."""
        self.number += 1
        id_, at = uuid4(), NOON + timedelta(seconds=self.number)
        await self.admin.execute(_COMMENT, (by.tenant_id, ticket_id, id_, content, internal, by.id, at, at, deleted))
        return id_

    async def activity(self, ticket_id: UUID, by: Person, type_: str, version: int, *, internal: bool = False) -> None:
        """Something that happened to the ticket."""
        at = NOON + timedelta(seconds=version)
        await self.admin.execute(
            _ACTIVITY, (by.tenant_id, ticket_id, version, uuid4(), type_, '{"a": 1}', internal, by.id, at)
        )

    async def ask(
        self, person: Person | None, path: str, headers: dict[str, str] | None = None, **query: Any
    ) -> httpx.Response:
        """Any answer of a GET beneath /api/v1."""
        who = person.headers if person else {}
        return await self.client.get(f"/api/v1{path}", params=query or None, headers=who | (headers or {}))

    async def get(self, person: Person, path: str, **query: Any) -> Any:
        """The JSON of a successful GET."""
        answer = await self.ask(person, path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refused(self, person: Person | None, path: str, **query: Any) -> tuple[int, str]:
        """Status and reason of a refusal, which has the contract's body."""
        answer = await self.ask(person, path, **query)
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        body = answer.json()
        assert body["status"] == answer.status_code
        return answer.status_code, body["reason"]


@asynccontextmanager
async def running(servers: Servers) -> AsyncIterator[Views]:
    """Migrated and serving."""
    variables = environment(servers.ports, servers.new_database(), servers.secrets, servers.folder)
    values = {name.lower(): value for name, value in variables.items()}
    settings = QueryMigrateSettings.model_validate(values | {"log_level": "info"})
    await run_migrations(settings.migrate_database_url, MIGRATIONS, [])
    await migrate(settings)
    listener = listening(settings)
    applied = progress(settings, listener)
    app = build_app(settings, applied)
    transport = httpx.ASGITransport(edge(app))
    tasks = [asyncio.create_task(listener.run()), asyncio.create_task(applied.run())]
    async with (
        app.router.lifespan_context(app),
        await connect(settings.migrate_database_url, name="test") as admin,
        httpx.AsyncClient(transport=transport, base_url="http://tickets.test") as client,
    ):
        issuer = Issuer(Path(values["jwt_signing_key_file"]), settings, 3600)
        yield Views(settings, admin, issuer, client)
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
