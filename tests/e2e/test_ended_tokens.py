"""Who may act now is exact: after the answer of what ends a token no service answers it once more (ADR 28).

Every round asks all services with the token just before, so that whatever they keep of its person is warm, and again as
soon as the answer is there, all at once and without any pause.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from localstack.stack import Stack
from support.people import API, DEFAULT_TENANT, PASSWORD, Person, fresh_address
from support.shapes import AUTH, USER, answered

ROUNDS = 100
LANES = 4
"""So many people at the same time, each with a share of the rounds of a test."""
READS = ("/tickets?limit=1", "/auth/me", "/webhooks", "/notifications/unread-count")
"""Of query-api, webhook-dispatcher and notifier; an agent may ask all of them."""


@dataclass
class Warm:
    """A person whose token every service has just answered, and the entity tags of these answers."""

    person: Person
    tags: dict[str, str] = field(default_factory=dict)

    async def up(self) -> "Warm":
        for path, response in zip(READS, await asyncio.gather(*map(self.person.get, READS)), strict=True):
            assert response.status_code == 200, (path, response.text)
            self.tags[path] = response.headers["ETag"]
        answered(await self.person.put("/auth/me", {}), 200)
        return self

    async def asked_everywhere(self) -> dict[str, httpx.Response]:
        """By name of the call: every read, every read again by its tag, a change at each service that takes any."""
        calls = {path: self.person.get(path) for path in READS}
        calls |= {f"{path} again": self._again(path) for path in READS}
        calls["command"] = self.person.put("/auth/me", {})
        calls["webhook"] = self.person.post("/webhooks", {"url": "http://127.0.0.1:9/", "events": ["TICKET_CLOSED"]})
        calls["notices"] = self.person.put("/notifications/read-all", {})
        return dict(zip(calls, await asyncio.gather(*calls.values()), strict=True))

    async def _again(self, path: str) -> httpx.Response:
        return await self.person.ask("GET", path, headers={"If-None-Match": self.tags[path]})

    async def demand_end(self, reason: str = "ended_token") -> None:
        """All of them refuse the token."""
        for call, response in (await self.asked_everywhere()).items():
            assert response.status_code == 401, f"{call} answered {response.status_code} to a token that had ended"
            assert response.json()["reason"] == reason


@pytest_asyncio.fixture(scope="module")
async def client(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who does not look at each answer, so as to be quick."""
    async with httpx.AsyncClient(base_url=stack.origin, timeout=30, trust_env=False) as client:
        yield client


@pytest_asyncio.fixture(scope="module")
async def admin(client: httpx.AsyncClient) -> Person:
    """ADMIN of the default tenant."""
    return await session(client, "admin@example.com")


async def session(
    client: httpx.AsyncClient, email: str, password: str = PASSWORD, slug: str = DEFAULT_TENANT
) -> Person:
    body = {"email": email, "password": password, "tenantSlug": slug}
    return Person(client, answered(await client.post(f"{API}/auth/login", json=body), 200, AUTH))


async def agent_of(admin: Person) -> str:
    """The address of a new agent."""
    body = {"email": fresh_address(), "password": PASSWORD, "firstName": "Ada", "lastName": "Byron", "role": "AGENT"}
    return str(answered(await admin.post("/users", body), 201, USER)["email"])


async def in_lanes(admin: Person, a_round: Callable[[str], Awaitable[None]]) -> None:
    """`ROUNDS` rounds, each with the address of its lane's agent."""

    async def lane() -> None:
        email = await agent_of(admin)
        for _ in range(ROUNDS // LANES):
            await a_round(email)

    async with asyncio.TaskGroup() as lanes:
        for _ in range(LANES):
            lanes.create_task(lane())


async def test_no_service_answers_a_token_once_its_owner_has_logged_out(
    client: httpx.AsyncClient, admin: Person
) -> None:
    async def a_round(email: str) -> None:
        warm = await Warm(await session(client, email)).up()
        answered(await warm.person.post("/auth/logout", {}), 204)
        await warm.demand_end()

    await in_lanes(admin, a_round)


async def test_no_service_answers_a_token_of_before_another_password(client: httpx.AsyncClient, admin: Person) -> None:
    async def a_round(email: str) -> None:
        warm = await Warm(await session(client, email)).up()
        change = {"currentPassword": PASSWORD, "newPassword": PASSWORD}
        answered(await warm.person.put("/auth/me/password", change), 204)
        await warm.demand_end()

    await in_lanes(admin, a_round)


async def test_no_service_answers_a_token_whose_account_is_switched_off(
    client: httpx.AsyncClient, admin: Person
) -> None:
    async def a_round(email: str) -> None:
        warm = await Warm(await session(client, email)).up()
        answered(await admin.delete(f"/users/{warm.person.id}"), 204)
        await warm.demand_end()
        answered(await admin.patch(f"/users/{warm.person.id}", {"isActive": True}), 200)
        await warm.demand_end()

    await in_lanes(admin, a_round)


async def test_no_service_answers_by_a_role_that_was(client: httpx.AsyncClient, admin: Person) -> None:
    """One token all the way: of an agent, who becomes a user and an agent again."""
    theirs = await admin.opens_ticket()
    ticket = f"/tickets/{theirs['id']}"
    for_agents: Sequence[tuple[str, str]] = (
        ("GET", "/users"),
        ("GET", "/webhooks"),
        ("GET", ticket),
        ("PATCH", ticket),
        ("DELETE", f"/webhooks/{uuid4()}"),
    )
    people: dict[str, Warm] = {}

    async def statuses(warm: Warm) -> list[int]:
        asked = (warm.person.ask(method, path, json={} if method == "PATCH" else None) for method, path in for_agents)
        lists = warm.person.get("/tickets/stats")
        *found, seen = await asyncio.gather(*asked, lists)
        assert answered(seen, 200)["total"] > 0 or found[0].status_code == 403, "an agent sees the tenant's tickets"
        assert answered(seen, 200)["total"] == 0 or found[0].status_code != 403, "a user sees no ticket of others"
        return [one.status_code for one in found]

    async def a_round(email: str) -> None:
        if email not in people:
            people[email] = await Warm(await session(client, email)).up()
        warm = people[email]
        assert await statuses(warm) == [200, 200, 200, 200, 404]
        answered(await admin.patch(f"/users/{warm.person.id}", {"role": "USER"}), 200)
        assert await statuses(warm) == [403, 403, 403, 403, 403]
        answered(await admin.patch(f"/users/{warm.person.id}", {"role": "AGENT"}), 200)

    await in_lanes(admin, a_round)


@pytest.mark.parametrize("rounds", [20])
async def test_no_service_answers_a_token_of_a_tenant_that_is_closed(
    client: httpx.AsyncClient, admin: Person, rounds: int
) -> None:
    for _ in range(rounds):
        slug, email = f"closing-{uuid4().hex[:12]}", fresh_address()
        first = {"email": email, "password": PASSWORD, "name": "Ada Byron"}
        made = answered(await admin.post("/tenants", {"name": "Closing", "slug": slug, "admin": first}), 201)
        warm = await Warm(await session(client, email, slug=slug)).up()
        answered(await admin.delete(f"/tenants/{made['id']}"), 204)
        await warm.demand_end("tenant_closed")
