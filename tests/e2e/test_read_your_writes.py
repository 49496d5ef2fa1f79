"""A client that knows nothing of CQRS sees its own writes: every write route, each followed by its reads."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from localstack.stack import Stack

CLIENTS = 8
API = "/api/v1"


@dataclass
class Tally:
    """What a run of rounds saw. `behind` answers said themselves that the views had not caught up."""

    writes: int = 0
    behind: int = 0
    stale: list[str] = field(default_factory=list)


@dataclass
class Caller:
    """One client with its own account, and the staff of its tenant."""

    http: httpx.AsyncClient
    name: str
    user: dict[str, str]
    user_id: str
    agent: dict[str, str]
    agent_id: str
    admin: dict[str, str]
    tally: Tally

    async def write(self, who: dict[str, str], method: str, path: str, **kwargs: Any) -> httpx.Response:
        """A write that must succeed."""
        response = await self.http.request(method, API + path, headers=who, **kwargs)
        assert response.is_success, (method, path, response.status_code, response.text)
        self.tally.writes += 1
        self.tally.behind += response.headers.get("consistency") == "behind"
        return response

    async def sees(self, who: dict[str, str], path: str, wanted: Callable[[Any], bool], why: str) -> None:
        """A read that must show what was just written."""
        response = await self.http.get(API + path, headers=who)
        body = response.json() if response.content else None
        if not (response.is_success and wanted(body)):
            self.tally.stale.append(f"{why}: GET {path} → {response.status_code} {response.text[:300]}")

    async def misses(self, who: dict[str, str], path: str, why: str) -> None:
        """A read that must find nothing any more."""
        response = await self.http.get(API + path, headers=who)
        if response.status_code != 404:
            self.tally.stale.append(f"{why}: GET {path} → {response.status_code}")


@pytest.fixture
async def http(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=32)
    async with httpx.AsyncClient(base_url=stack.origin, timeout=30, limits=limits, trust_env=False) as client:
        yield client


async def test_a_hundred_rounds_of_eight_clients_show_no_stale_read(http: httpx.AsyncClient) -> None:
    await _no_stale_read(http, rounds=100)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_ten_thousand_writes_of_eight_clients_show_no_stale_read(http: httpx.AsyncClient) -> None:
    assert await _no_stale_read(http, rounds=2_800) >= 10_000


async def _no_stale_read(http: httpx.AsyncClient, rounds: int) -> int:
    """How many writes there were."""
    tally, numbers = Tally(), iter(range(rounds))
    callers = await asyncio.gather(*(_caller(http, f"ryw{n}-{id(tally)}", tally) for n in range(CLIENTS)))
    await asyncio.gather(*(_rounds(caller, numbers) for caller in callers))
    assert tally.stale == []
    assert tally.writes >= rounds
    assert tally.behind <= tally.writes // 100, f"{tally.behind} of {tally.writes} answers were behind"
    return tally.writes


async def _rounds(caller: Caller, numbers: "itertools.count[int] | Any") -> None:
    stories = itertools.cycle((_ticket_story, _comment_story, _webhook_story, _account_story))
    for number in numbers:
        await next(stories)(caller, number)


async def _ticket_story(caller: Caller, number: int) -> None:
    user, agent = caller.user, caller.agent
    title = f"{caller.name} round {number}"
    created = await caller.write(user, "POST", "/tickets", json={"title": title, "description": ""})
    ticket = created.json()["id"]
    await caller.sees(user, f"/tickets/{ticket}", lambda body: body["title"] == title, "created")
    await caller.sees(user, "/tickets", lambda body: body[0]["id"] == ticket, "created, bare list")
    await caller.sees(
        user, f"/tickets?limit=1&sortOrder=desc&search={number}", lambda body: body["meta"]["total"] >= 1, "page"
    )
    await caller.sees(user, "/tickets?cursor=&limit=100&sortOrder=desc", _has(ticket), "created, cursor")
    await caller.write(user, "PATCH", f"/tickets/{ticket}", json={"title": title + "!", "priority": "high"})
    await caller.sees(user, f"/tickets/{ticket}", lambda body: body["title"].endswith("!"), "edited")
    await caller.write(agent, "PUT", f"/tickets/{ticket}", json={"assignedToId": caller.agent_id})
    await caller.sees(agent, f"/tickets/{ticket}", lambda body: body["assignedToId"] == caller.agent_id, "assigned")
    await caller.sees(agent, "/notifications", _tells_of(ticket), "told of itself")
    many = {"ids": [ticket], "changes": {"tags": ["many"]}}
    await caller.write(agent, "POST", "/tickets/bulk-update", json=many)
    asked = f"q=tag:many+assignee:me+%23{created.json()['number']}"
    await caller.sees(agent, f"/tickets?{asked}", lambda body: [one["id"] for one in body] == [ticket], "in bulk")
    await caller.sees(agent, f"/tickets/stats?{asked}", lambda body: body["total"] == 1, "in bulk, counted")
    await caller.write(agent, "PATCH", f"/tickets/{ticket}", json={"status": "resolved"})
    await caller.sees(agent, f"/tickets/{ticket}", lambda body: body["status"] == "resolved", "resolved")
    await caller.write(caller.admin, "DELETE", f"/tickets/{ticket}")
    await caller.misses(caller.admin, f"/tickets/{ticket}", "deleted")


def _has(ticket: str) -> Callable[[Any], bool]:
    return lambda body: any(one["id"] == ticket for one in body["data"])


def _tells_of(ticket: str) -> Callable[[Any], bool]:
    return lambda body: any(one["data"]["ticketId"] == ticket for one in body)


async def _comment_story(caller: Caller, number: int) -> None:
    user, agent = caller.user, caller.agent
    created = await caller.write(user, "POST", "/tickets", json={"title": f"talk {number}", "description": "x"})
    ticket = created.json()["id"]
    for path, extra in ((f"/tickets/{ticket}/comments", {}), ("/comments", {"ticketId": ticket})):
        added = await caller.write(user, "POST", path, json={"content": "first", **extra})
        comment = added.json()["id"]
        where = f"/tickets/{ticket}/comments"
        await caller.sees(user, where, _begins_with(comment), "added")
        one = f"{path}/{comment}"
        await caller.write(user, "PUT", one, json={"content": "second"})
        await caller.sees(user, where, lambda body: body[0]["content"] == "second", "replaced")
        await caller.write(user, "PATCH", one, json={"content": "third"})
        await caller.sees(
            user, f"/comments?ticketId={ticket}", lambda body: body["data"][-1]["content"] == "third", "edited"
        )
        await caller.write(user, "DELETE", one)
        await caller.sees(user, where, _lacks(comment), "gone")
    note = await caller.write(
        agent, "POST", f"/tickets/{ticket}/comments", json={"content": "note", "isInternal": True}
    )
    await caller.sees(agent, f"/tickets/{ticket}", lambda body: body["comments"][0]["id"] == note.json()["id"], "noted")


def _begins_with(id_: str) -> Callable[[Any], bool]:
    return lambda body: body[0]["id"] == id_


def _lacks(id_: str) -> Callable[[Any], bool]:
    return lambda body: all(one["id"] != id_ for one in body)


async def _webhook_story(caller: Caller, number: int) -> None:
    agent = caller.agent
    url = f"http://127.0.0.1:9/{caller.name}/{number}"
    created = await caller.write(agent, "POST", "/webhooks", json={"url": url, "events": ["TICKET_CLOSED"]})
    hook = created.json()["id"]
    await caller.sees(agent, "/webhooks", lambda body: any(one["id"] == hook for one in body), "hooked")
    await caller.write(agent, "PATCH", f"/webhooks/{hook}", json={"isActive": False})
    await caller.sees(
        agent, "/webhooks", lambda body: any(one["id"] == hook and not one["isActive"] for one in body), "paused"
    )
    await caller.write(agent, "DELETE", f"/webhooks/{hook}")
    await caller.sees(agent, "/webhooks", lambda body: all(one["id"] != hook for one in body), "unhooked")


async def _account_story(caller: Caller, number: int) -> None:
    email = f"{caller.name}-{number}@example.com"
    signed_up = await caller.http.post(
        f"{API}/auth/signup", json={"email": email, "password": "SecurePass123!", "name": "Round About"}
    )
    assert signed_up.status_code == 201, signed_up.text
    caller.tally.writes += 1
    own = _bearer(signed_up.json()["token"])
    await caller.sees(own, "/auth/me", lambda body: body["email"] == email, "signed up")
    await caller.sees(own, "/tickets", lambda body: body == [], "signed up, sees nothing of others")


async def _caller(http: httpx.AsyncClient, name: str, tally: Tally) -> Caller:
    signed_up = await http.post(
        f"{API}/auth/signup",
        json={"email": f"{name}@example.com", "password": "SecurePass123!", "name": f"{name} Tester"},
    )
    assert signed_up.status_code == 201, signed_up.text
    agent, admin = await asyncio.gather(_log_in(http, "agent@example.com"), _log_in(http, "admin@example.com"))
    body = signed_up.json()
    return Caller(
        http=http,
        name=name,
        user=_bearer(body["token"]),
        user_id=body["user"]["id"],
        agent=_bearer(agent["token"]),
        agent_id=agent["user"]["id"],
        admin=_bearer(admin["token"]),
        tally=tally,
    )


async def _log_in(http: httpx.AsyncClient, email: str) -> dict[str, Any]:
    response = await http.post(f"{API}/auth/login", json={"email": email, "password": "SecurePass123!"})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_who_prefers_a_quick_answer_gets_it_with_a_token_to_read_by(http: httpx.AsyncClient) -> None:
    caller = await _caller(http, f"quick-{id(http)}", Tally())
    quick = await http.post(
        f"{API}/tickets", headers={**caller.user, "Prefer": "respond-async"}, json={"title": "quick", "description": ""}
    )
    assert quick.status_code == 201
    assert quick.headers["preference-applied"] == "respond-async"
    assert "consistency" not in quick.headers
    token = {"Consistency-Token": quick.headers["consistency-token"]}
    await caller.sees({**caller.user, **token}, f"/tickets/{quick.json()['id']}", lambda _: True, "token")
    assert caller.tally.stale == []
