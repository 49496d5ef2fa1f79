"""Commands and reads through the gateway while faults happen, and a record of what was acknowledged."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Final
from uuid import UUID, uuid4

import httpx
from aiohttp import web

from support.people import API, People, Person

UNCERTAIN: Final = frozenset({429, 500, 502, 503, 504})
"""Answers that leave open whether the command was carried out; the same key asks again."""
AGAIN_AFTER_S: Final = 0.1
KEPT_PER_WRITER: Final = 20
SENT_ONCE_MORE: Final = 0.05
"""The share of commands that are sent again under their key although they were acknowledged."""


@dataclass
class Figures:
    """What the report prints of the load."""

    acknowledged: int = 0
    tried_again: int = 0
    unanswered: int = 0
    """Commands whose outcome nobody knows: without a key that the API honours they cannot be asked again."""
    behind: int = 0
    reads: int = 0
    seconds: list[float] = field(default_factory=list)

    def summary(self) -> str:
        """One line."""
        took = sorted(self.seconds) or [0.0]
        p50, p99 = took[len(took) // 2], took[len(took) * 99 // 100]
        return (
            f"{self.acknowledged} commands acknowledged, {self.tried_again} tries repeated, "
            f"{self.unanswered} never answered, {self.behind} answered "
            f"'behind', {self.reads} reads of own writes, p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms"
        )


@dataclass
class Ledger:
    """What must be found at the end. A marker is a command's own word, so a repetition would show."""

    markers: set[str] = field(default_factory=set)
    versions: dict[UUID, int] = field(default_factory=dict)
    created: set[str] = field(default_factory=set)
    """Ids of the tickets whose creation was acknowledged."""
    told: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The ids of the deliveries that told of each ticket's creation: one effect has one id, however often it comes."""
    broken: list[str] = field(default_factory=list)
    """Promises that were broken towards a client: an own write that a later read did not show, a wrong answer."""


class Load:
    """Writers that go on through every fault, asking again under one idempotency key until they are answered."""

    def __init__(self, client: httpx.AsyncClient, random: Random, think_s: float) -> None:
        self.ledger, self.figures = Ledger(), Figures()
        self._client, self._random, self._think_s = client, random, think_s
        self._people: list[Person] = []
        self._keyed = False
        self._may_write = asyncio.Event()
        self._idle = asyncio.Condition()
        self._under_way = 0

    async def sign_in(self) -> None:
        """Staff and users of two tenants."""
        people = People(self._client)
        self._people = [
            await people.agent(),
            await people.stranger(),
            await people.newcomer(),
            await people.newcomer(tenantSlug="demo-company"),
        ]
        self._keyed = await self._keys_count()

    async def _keys_count(self) -> bool:
        """Whether the API honours idempotency keys. Where it does not, what was not answered cannot be asked again."""
        (who, *_), key = self._people, {"Idempotency-Key": str(uuid4())}
        both = [
            await who.ask("POST", "/tickets", json={"title": "twice", "description": ""}, headers=key) for _ in range(2)
        ]
        return len({one.json()["id"] for one in both}) == 1

    @property
    def staff(self) -> list[Person]:
        """One per tenant."""
        return self._people[:2]

    @asynccontextmanager
    async def running(self, writers: int) -> AsyncIterator[None]:
        """Writers for as long as the block."""
        async with asyncio.TaskGroup() as group, self._receiver():
            tasks = [group.create_task(self._write(self._people[n % len(self._people)])) for n in range(writers)]
            self._may_write.set()
            try:
                yield
            finally:
                self._may_write.set()
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)

    async def progresses(self, commands: int, within_s: float = 90) -> None:
        """Wait until so many more commands are acknowledged."""
        wanted = self.figures.acknowledged + commands
        async with asyncio.timeout(within_s), self._idle:
            await self._idle.wait_for(lambda: self.figures.acknowledged >= wanted)

    @asynccontextmanager
    async def paused(self, within_s: float = 90) -> AsyncIterator[None]:
        """Nobody writes within the block; every command that was begun before it is answered."""
        self._may_write.clear()
        try:
            async with asyncio.timeout(within_s), self._idle:
                await self._idle.wait_for(lambda: self._under_way == 0)
            yield
        finally:
            self._may_write.set()

    async def told_of_all(self, within_s: float = 60) -> None:
        """Wait until the receiver has heard of every ticket whose creation was acknowledged."""
        async with asyncio.timeout(within_s), self._idle:
            await self._idle.wait_for(lambda: self.ledger.told.keys() >= self.ledger.created)

    # --- writers ----------------------------------------------------------------------------------------------------

    async def _write(self, who: Person) -> None:
        tickets: list[str] = []
        while True:
            while not self._may_write.is_set():  # who is woken may find it cleared again
                await self._may_write.wait()
            self._under_way += 1
            try:
                await self._command(who, tickets)
            finally:
                self._under_way -= 1
                async with self._idle:
                    self._idle.notify_all()
            await asyncio.sleep(self._think_s * self._random.uniform(0.5, 1.5))

    async def _command(self, who: Person, tickets: list[str]) -> None:
        marker, kind = f"m-{uuid4().hex}", self._random.random()
        if not tickets or kind < 0.35:
            answer = await self._asked(who, "POST", "/tickets", {"title": marker, "description": ""})
            if answer.status_code == 201:
                tickets.append(answer.json()["id"])
                self.ledger.created.add(tickets[-1])
                del tickets[:-KEPT_PER_WRITER]
            return await self._acknowledged(who, answer, tickets[-1] if tickets else "", marker)
        ticket = self._random.choice(tickets)
        if kind < 0.7:
            answer = await self._asked(who, "POST", f"/tickets/{ticket}/comments", {"content": marker})
            return await self._acknowledged(who, answer, ticket, marker)
        if kind < 0.9 or who not in self.staff:
            answer = await self._asked(who, "PATCH", f"/tickets/{ticket}", {"title": marker})
            return await self._acknowledged(who, answer, ticket, marker)
        assignee = self._random.choice([who.id, None])
        answer = await self._asked(who, "PATCH", f"/tickets/{ticket}", {"assignedToId": assignee})
        return await self._acknowledged(who, answer, ticket, None)

    async def _asked(self, who: Person, method: str, path: str, body: object) -> httpx.Response:
        """The answer, however often the call must be made for it; it is one command, because its key is one."""
        key, begun = {"Idempotency-Key": str(uuid4())}, time.monotonic()
        while True:
            try:
                answer = await who.ask(method, path, json=body, headers=key)
            except httpx.HTTPError:
                if not self._keyed:
                    self.figures.unanswered += 1
                    return httpx.Response(503)
            else:
                if answer.status_code < 400:
                    self.figures.seconds.append(time.monotonic() - begun)
                    if self._keyed and self._random.random() < SENT_ONCE_MORE:
                        await self._repeated(who, method, path, body, key, answer)
                    return answer
                if not self._keyed and answer.status_code in UNCERTAIN:
                    self.figures.unanswered += 1
                    return answer
                if answer.status_code not in UNCERTAIN and answer.status_code != 409:
                    self.ledger.broken.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
                    return answer
            self.figures.tried_again += 1
            await asyncio.sleep(AGAIN_AFTER_S)

    async def _repeated(
        self, who: Person, method: str, path: str, body: object, key: dict[str, str], first: httpx.Response
    ) -> None:
        try:
            again = await who.ask(method, path, json=body, headers=key)
        except httpx.HTTPError:
            return
        same = (again.status_code, again.content) == (first.status_code, first.content)
        if again.status_code not in UNCERTAIN and not same:
            self.ledger.broken.append(f"{method} {path}: repeated, it answered {again.status_code} {again.text[:300]}")

    async def _acknowledged(self, who: Person, answer: httpx.Response, ticket: str, marker: str | None) -> None:
        if answer.status_code >= 400:
            return
        ledger, figures = self.ledger, self.figures
        figures.acknowledged += 1
        if marker is not None:
            ledger.markers.add(marker)
        behind = answer.headers.get("consistency") == "behind"
        figures.behind += behind
        if answer.request.method == "PATCH":  # a comment's tag is the comment's
            version = int(answer.headers["etag"].removeprefix('"v').split(".")[0])
            ledger.versions[UUID(ticket)] = max(version, ledger.versions.get(UUID(ticket), 0))
        if behind or marker is None:
            return
        try:
            seen = await who.get(f"/tickets/{ticket}")
        except httpx.HTTPError:
            return
        if seen.status_code in UNCERTAIN:
            return
        figures.reads += 1
        if marker not in seen.text:
            ledger.broken.append(f"ticket {ticket} does not show {marker}, which {who.email} wrote: {seen.text[:300]}")

    # --- webhooks ---------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _receiver(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_post("/", self._receive)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            hook = {"url": f"http://127.0.0.1:{runner.addresses[0][1]}/", "events": ["TICKET_CREATED"]}
            for one in self.staff:
                made = await self._client.post(
                    f"{API}/webhooks", json=hook, headers={"Authorization": f"Bearer {one.token}"}
                )
                made.raise_for_status()
            yield
        finally:
            await runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.json()
        async with self._idle:
            self.ledger.told[body["data"]["ticketId"]].add(request.headers["webhook-id"])
            self._idle.notify_all()
        return web.Response()
