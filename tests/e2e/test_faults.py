"""What dies and comes back loses nothing, doubles nothing: each fault under a run of commands through the gateway."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest
from aiohttp import web

from localstack.stack import Stack
from support.invariants import assert_all_hold

API = "/api/v1"
WRITERS = 4


@dataclass
class Run:
    """Commands under way: `acknowledged` ids by title; a title is tried once, so a repetition would show."""

    http: httpx.AsyncClient
    who: dict[str, str]
    acknowledged: dict[str, str] = field(default_factory=dict)
    failed: int = 0
    behind: int = 0
    stop: bool = False
    progress: asyncio.Condition = field(default_factory=asyncio.Condition)
    delivered: dict[str, set[str]] = field(default_factory=dict)
    """The ids of the webhook deliveries that told of each ticket: one effect has one id, however often it is sent."""

    async def receive(self, request: web.Request) -> web.Response:
        """A receiver of webhooks."""
        body = await request.json()
        self.delivered.setdefault(body["data"]["ticketId"], set()).add(request.headers["webhook-id"])
        async with self.progress:
            self.progress.notify_all()
        return web.Response()

    async def write(self) -> None:
        """Create tickets and comment on them until told to stop."""
        while not self.stop:
            title = f"fault {uuid4()}"
            try:
                created = await self.http.post(
                    f"{API}/tickets", headers=self.who, json={"title": title, "description": ""}
                )
                if created.status_code == 201:
                    self.acknowledged[title] = created.json()["id"]
                    self.behind += created.headers.get("consistency") == "behind"
                else:
                    assert created.status_code in (500, 502, 503, 504), created.text
                    self.failed += 1
            except httpx.HTTPError:
                self.failed += 1
            async with self.progress:
                self.progress.notify_all()

    async def reaches(self, wanted: Callable[[], bool]) -> None:
        """Wait until the run has come so far."""
        async with asyncio.timeout(60), self.progress:
            await self.progress.wait_for(wanted)

    async def listed(self) -> list[dict[str, Any]]:
        """All of the caller's tickets, by cursor."""
        found: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            page = await self.http.get(f"{API}/tickets", headers=self.who, params={"cursor": cursor, "limit": 100})
            assert page.status_code == 200, page.text
            found += page.json()["data"]
            cursor = page.json()["meta"]["nextCursor"]
        return found


@pytest.fixture
async def run(stack: Stack) -> AsyncIterator[Run]:
    limits = httpx.Limits(max_connections=32)
    async with httpx.AsyncClient(base_url=stack.origin, timeout=30, limits=limits, trust_env=False) as http:
        person = {"email": f"fault-{uuid4()}@example.com", "password": "SecurePass123!", "name": "Faulty Tester"}
        signed_up = await http.post(f"{API}/auth/signup", json=person)
        assert signed_up.status_code == 201, signed_up.text
        run = Run(http, {"Authorization": f"Bearer {signed_up.json()['token']}"})
        async with _receiver(run) as url:
            agent = await http.post(
                f"{API}/auth/login", json={"email": "agent@example.com", "password": "SecurePass123!"}
            )
            staff = {"Authorization": f"Bearer {agent.json()['token']}"}
            hook = await http.post(f"{API}/webhooks", headers=staff, json={"url": url, "events": ["TICKET_CREATED"]})
            assert hook.status_code == 201, hook.text
            yield run
            gone = await http.delete(f"{API}/webhooks/{hook.json()['id']}", headers=staff)
            assert gone.status_code == 200, gone.text


@asynccontextmanager
async def _receiver(run: Run) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/", run.receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def _around(run: Run, fault: Callable[[], None]) -> None:
    """Let commands run before, during and after the fault."""
    async with asyncio.TaskGroup() as group:
        writers = [group.create_task(run.write()) for _ in range(WRITERS)]
        await run.reaches(lambda: len(run.acknowledged) >= 20)
        await asyncio.to_thread(fault)
        after = len(run.acknowledged)
        await run.reaches(lambda: len(run.acknowledged) >= after + 20)
        run.stop = True
        await asyncio.wait(writers)


async def _every_acknowledged_command_shows_once(run: Run, stack: Stack) -> None:
    await asyncio.to_thread(assert_all_hold, stack.admin_dsn)
    listed = await run.listed()
    titles = [one["title"] for one in listed]
    assert len(set(titles)) == len(titles)
    by_title = {one["title"]: one["id"] for one in listed}
    assert {title: by_title.get(title) for title in run.acknowledged} == run.acknowledged
    await run.reaches(lambda: run.delivered.keys() >= set(run.acknowledged.values()))
    assert [ids for ids in run.delivered.values() if len(ids) != 1] == []


@pytest.mark.parametrize("victim", ["command-api", "query-api", "projector", "webhook-dispatcher", "notifier", "kafka"])
async def test_killed_and_restarted_under_commands_every_acknowledged_one_shows_once(
    stack: Stack, run: Run, victim: str
) -> None:
    def kill() -> None:
        stack.kill(victim)
        stack.wait_ready(victim)

    await _around(run, kill)
    for service in ("command-api", "query-api", "projector", "webhook-dispatcher", "notifier"):
        await asyncio.to_thread(stack.wait_ready, service)
    await _every_acknowledged_command_shows_once(run, stack)


async def test_without_kafka_commands_go_on_and_say_that_the_views_are_behind(stack: Stack, run: Run) -> None:
    await asyncio.to_thread(stack.stop, "kafka")
    try:
        for number in range(10):
            title = f"no kafka {number} {uuid4()}"
            created = await run.http.post(f"{API}/tickets", headers=run.who, json={"title": title, "description": ""})
            assert created.status_code == 201, created.text
            assert created.headers["consistency"] == "behind"
            run.acknowledged[title] = created.json()["id"]
        assert await run.listed() == []
    finally:
        await asyncio.to_thread(stack.start, "kafka")
    await _every_acknowledged_command_shows_once(run, stack)
    again = await run.http.post(f"{API}/tickets", headers=run.who, json={"title": "with kafka", "description": ""})
    assert again.status_code == 201
    assert "consistency" not in again.headers


async def test_without_postgresql_every_call_answers_503_and_nothing_is_half_written(stack: Stack, run: Run) -> None:
    before = await run.listed()
    await asyncio.to_thread(stack.stop, "postgres")
    try:
        for method, path, body in (
            ("POST", "/tickets", {"title": "never", "description": ""}),
            ("GET", "/tickets", None),
            ("GET", "/webhooks", None),
            ("GET", "/notifications", None),
            ("POST", "/auth/login", {"email": "admin@example.com", "password": "SecurePass123!"}),
        ):
            answer = await run.http.request(method, API + path, headers=run.who, json=body)
            if path == "/webhooks":
                assert answer.status_code in (403, 503)
                continue
            assert answer.status_code == 503, answer.text
            assert answer.headers["retry-after"]
            assert answer.headers["content-type"] == "application/problem+json"
            problem = answer.json()
            assert (problem["code"], problem["status"]) == ("INTERNAL_ERROR", 503)
    finally:
        await asyncio.to_thread(stack.start, "postgres")

    async def back() -> None:
        async with asyncio.timeout(30):
            # Nothing tells a client when a server is back.
            while (await run.http.get(f"{API}/tickets", headers=run.who)).status_code != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    await back()
    assert await run.listed() == before
    created = await run.http.post(f"{API}/tickets", headers=run.who, json={"title": "after", "description": ""})
    assert created.status_code == 201, created.text
    run.acknowledged["after"] = created.json()["id"]
    await _every_acknowledged_command_shows_once(run, stack)
