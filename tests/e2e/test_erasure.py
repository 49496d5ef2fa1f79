"""After redact and after purge the text is nowhere: in no row of a dump of everything, in no answer, in no log."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from aiohttp import web

from command_api.app import collector, service
from command_api.settings import CommandSettings, WorkerSettings
from helpdesk.ids import new_id
from helpdesk.storage.objects import Objects
from localstack.servers.postgres import postgres_tool
from localstack.stack import Stack
from support.invariants import Database, assert_all_hold
from support.people import PASSWORD, Json, People, Person, fresh_address
from support.shapes import WEBHOOK, answered
from support.uploads import Uploader
from support.waiting import eventually

CONSUMERS = ("views", "webhooks", "notices")
ANSWERED = "select count(*) from webhooks.delivery_attempt where head like %s"


@pytest.fixture
def marker() -> str:
    """What nobody else ever wrote."""
    return f"marker{uuid4().hex}"


def dump(stack: Stack) -> Iterator[str]:
    """Every row of the database as a line, bytes in hexadecimal; tables are announced by COPY."""
    done = subprocess.run([postgres_tool("pg_dump"), stack.admin_dsn], capture_output=True, text=True, check=True)
    yield from done.stdout.splitlines()


def places(stack: Stack, marker: str) -> set[str]:
    """The tables in which a text still stands, also within bytes."""
    found, table = set(), ""
    for line in dump(stack):
        if line.startswith("COPY "):
            table = line.split()[1]
        elif marker in line or marker.encode().hex() in line:
            found.add(table)
    return found


def logs(stack: Stack, marker: str) -> set[str]:
    """The logs in which a text stands: of services, servers and gateway."""
    files = (stack.servers.folder / "logs").iterdir()
    return {file.name for file in files if marker in file.read_text(errors="replace")}


def operate(stack: Stack, *words: str) -> subprocess.CompletedProcess[str]:
    """An operator's command, as a process of its own."""
    line = [sys.executable, "-m", "command_api", *words]
    return subprocess.run(line, env=dict(stack.environment), capture_output=True, text=True, check=False, timeout=60)


async def caught_up(stack: Stack) -> None:
    database = Database(stack.admin_dsn)

    async def all_of_them() -> bool:
        return all(database.all_applied(schema) for schema in CONSUMERS)

    await eventually(all_of_them, 30)


def count(stack: Stack, query: str, *params: Any) -> int:
    with psycopg.connect(stack.admin_dsn, autocommit=True) as connection:
        ((found,),) = connection.execute(query.encode(), params).fetchall()
    return int(found)


@asynccontextmanager
async def parrot() -> AsyncIterator[str]:
    """A receiver that answers with what it was told: so the text stands in the log of attempts too."""

    async def repeat(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    app = web.Application()
    app.router.add_post("/hook", repeat)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    finally:
        await runner.cleanup()


async def story(stack: Stack, by: Person, agent: Person, marker: str) -> Json:
    """A ticket in all of whose texts the marker stands, told to people and machines."""
    ticket = await by.opens_ticket(
        title=f"A {marker}", description=marker, metadata={"phone": marker}, tags=[marker], assignedToId=agent.id
    )
    comment = await agent.comments_on(ticket, f"Is it {marker}?")
    answered(await agent.put(f"/comments/{comment['id']}", {"content": f"{marker}!"}), 200)
    await Uploader(by, ticket).attaches(marker.encode(), f"{marker}.txt", "text/plain")
    await agent.edits(ticket, title=f"Another {marker}", description=f"More {marker}", metadata={"more": marker})
    return ticket


async def test_after_a_redaction_the_text_is_nowhere(
    stack: Stack, agent: Person, people: People, user: Person, marker: str
) -> None:
    async with parrot() as url:
        webhook = answered(
            await agent.post("/webhooks", {"url": url, "events": ["ticket.*", "comment.*"]}), 201, WEBHOOK
        )
        ticket = await story(stack, user, agent, marker)
        await caught_up(stack)
        answers = f"%{marker}%"
        await eventually(lambda: asyncio.to_thread(lambda: count(stack, ANSWERED, answers) >= 3), 30)
        before = await asyncio.to_thread(places, stack, marker)
        assert before >= {
            "events.event", "views.tickets", "views.comments", "views.attachments", "views.activities",
            "webhooks.ticket", "webhooks.delivery", "webhooks.delivery_attempt", "notices.ticket",
            "notices.notification"}  # fmt: skip

        done = await asyncio.to_thread(
            operate, stack, "redact", "--tenant", user.tenant_id, "--stream", f"ticket/{ticket['id']}",
            "--reason", "erasure_request")  # fmt: skip
        assert done.returncode == 0, done.stderr
        await caught_up(stack)
        assert await asyncio.to_thread(places, stack, marker) == set()
        assert await asyncio.to_thread(logs, stack, marker) == set()
        detail = (await agent.get(f"/tickets/{ticket['id']}")).json()
        assert marker not in str(detail)
        assert [one["content"] for one in detail["comments"]] == [""]
        assert {one["type"] for one in detail["activities"]} >= {"REDACTED", "CREATED", "COMMENT_EDITED"}
        assert (detail["title"], detail["description"], detail["metadata"], detail["tags"]) == ("", "", {}, [])
        (file,) = detail["attachments"]
        assert (file["filename"], file["mimeType"]) == ("", "")
        bearer = {"Authorization": f"Bearer {user.token}"}
        read = await agent.client.get(file["fileUrl"], headers=bearer, follow_redirects=True)
        assert (read.text, read.headers["content-type"]) == (marker, "application/octet-stream"), "the bytes stay"
        assert marker not in (await agent.get(f"/webhooks/{webhook['id']}/deliveries", limit=100)).text
        assert marker not in (await agent.get("/notifications", limit=100)).text
        await agent.delete(f"/webhooks/{webhook['id']}")
    await asyncio.to_thread(assert_all_hold, stack.admin_dsn)


async def test_a_redacted_account_is_nameless_and_cannot_be_signed_in_to(
    stack: Stack, people: People, client: httpx.AsyncClient, marker: str
) -> None:
    email = f"{marker}@example.org"
    person = await people.newcomer(email=email, name=f"Jane {marker}")
    done = await asyncio.to_thread(
        operate, stack, "redact", "--tenant", person.tenant_id, "--stream", f"user/{person.id}",
        "--reason", "erasure_request")  # fmt: skip
    assert done.returncode == 0, done.stderr
    await caught_up(stack)
    assert await asyncio.to_thread(places, stack, marker) == set()
    assert await asyncio.to_thread(logs, stack, marker) == set()
    body = {"email": email, "password": PASSWORD}
    assert (await client.post("/api/v1/auth/login", json=body)).status_code == 401


async def test_after_a_purge_a_tenant_is_an_id_and_nothing_more(
    stack: Stack, people: People, client: httpx.AsyncClient, marker: str
) -> None:
    tenant, slug = new_id(), f"t-{uuid4().hex[:12]}"
    values = {name.lower(): value for name, value in stack.environment.items()}
    async with service(CommandSettings.model_validate(values)) as parts:
        await parts.accounts.create_tenant(name=marker, slug=slug, id_=tenant, at=parts.commands.clock())
        await parts.accounts.register(
            email=(address := fresh_address()), password=PASSWORD, name=marker, role="ADMIN", slug=slug, by=UUID(int=9)
        )
    admin = await people.demo(address, slug)
    async with parrot() as url:
        answered(await admin.post("/webhooks", {"url": f"{url}?{marker}", "events": ["ticket.*"]}), 201, WEBHOOK)
        await story(stack, admin, admin, marker)
        await caught_up(stack)
        await eventually(lambda: asyncio.to_thread(lambda: count(stack, ANSWERED, f"%{marker}%") >= 2), 30)
    words = ("--tenant", str(tenant), "--reason", "contract_ended")

    refused = await asyncio.to_thread(operate, stack, "purge", *words)
    assert (refused.returncode, refused.stderr) == (1, "purge: the tenant is not closed\n")
    assert (await asyncio.to_thread(operate, stack, "close-tenant", *words)).returncode == 0
    early = await asyncio.to_thread(operate, stack, "purge", *words)
    assert "may be purged from" in early.stderr
    login = {"email": address, "password": PASSWORD, "tenantSlug": slug}
    assert (await client.post("/api/v1/auth/login", json=login)).status_code == 401

    done = await asyncio.to_thread(operate, stack, "purge", *words, "--grace-days", "0")
    assert done.returncode == 0, done.stderr
    await caught_up(stack)
    assert await asyncio.to_thread(places, stack, marker) == set()
    assert await asyncio.to_thread(logs, stack, marker) == set()
    assert await asyncio.to_thread(places, stack, str(tenant)) == {
        "events.event",
        *(f"{schema}.{table}" for schema in CONSUMERS for table in ("purged_tenant", "stream_guard")),
    }
    await asyncio.to_thread(assert_all_hold, stack.admin_dsn)
    settings = WorkerSettings.model_validate(values)
    objects = Objects(settings)
    assert f"{tenant}/" in await objects.prefixes()
    async with collector(settings) as worker:
        assert await worker.forget_tenants() == 2, "what was uploaded, and what was kept of it"
    assert f"{tenant}/" not in await objects.prefixes()
