"""Who may do what: the contract's table (§13), every route for every kind of caller, each status exact."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from support.people import API, Json, People, Person, fresh_address
from support.shapes import DEMO_COMPANY_ID, STATS, answered, page_of, refused
from support.uploads import Uploader

OWNER, OTHER, AGENT, ADMIN, STRANGER = CALLERS = ("its creator", "another user", "an agent", "an admin", "a stranger")
"""Of one tenant all but the last, who is an admin elsewhere."""


@dataclass(frozen=True)
class Row:
    """A call and what each caller is answered. Placeholders in path and body name what a fresh `Thing` has."""

    method: str
    path: str
    statuses: tuple[int, int, int, int, int]
    body: Json | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


TEXT = {"content": "Hello"}
TITLE = {"title": "Changed"}
FLAT = {"content": "Hello", "ticketId": "{ticket}"}
SCAN = {"filename": "scan.png", "mimeType": "image/png"}
HOOK = {"url": "http://127.0.0.1:9/", "events": ["TICKET_CLOSED"]}
ROWS = [
    #                                             owner other agent admin stranger
    Row("GET", "/auth/me", (200, 200, 200, 200, 200)),
    Row("GET", "/tickets", (200, 200, 200, 200, 200)),
    Row("GET", "/tickets/stats", (200, 200, 200, 200, 200)),
    Row("GET", "/tickets/export?format=csv&createdAfter=2100-01-01", (200, 200, 200, 200, 200)),
    Row("GET", "/tickets/bulk-update", (405, 405, 405, 405, 405)),
    Row("POST", "/tickets/bulk-update", (403, 403, 200, 200, 200), {"ids": ["{ticket}"], "changes": TITLE}),
    Row("POST", "/tickets", (201, 201, 201, 201, 201), {"title": "New", "description": ""}),
    Row("GET", "/tickets/{ticket}", (200, 403, 200, 200, 404)),
    Row("PUT", "/tickets/{ticket}", (200, 403, 200, 200, 404), TITLE),
    Row("PATCH", "/tickets/{ticket}", (200, 403, 200, 200, 404), TITLE),
    Row("PATCH", "/tickets/{ticket}", (200, 403, 200, 200, 404), {"status": "in_progress"}),
    Row("PATCH", "/tickets/{ticket}", (200, 403, 200, 200, 404), {"priority": "high"}),
    Row("PATCH", "/tickets/{ticket}", (200, 403, 200, 200, 404), {}),
    Row("DELETE", "/tickets/{ticket}", (403, 403, 403, 204, 404)),
    Row("GET", "/tickets/{ticket}/comments", (200, 403, 200, 200, 404)),
    Row("GET", "/tickets/{ticket}/comments?page=1", (200, 403, 200, 200, 404)),
    Row("POST", "/tickets/{ticket}/comments", (201, 403, 201, 201, 404), TEXT),
    Row("POST", "/tickets/{ticket}/comments", (403, 403, 201, 201, 404), TEXT | {"isInternal": True}),
    Row("PUT", "/tickets/{ticket}/comments/{comment}", (200, 404, 404, 404, 404), TEXT),
    Row("PATCH", "/tickets/{ticket}/comments/{comment}", (200, 404, 404, 404, 404), TEXT),
    Row("DELETE", "/tickets/{ticket}/comments/{comment}", (204, 404, 404, 404, 404)),
    Row("GET", "/comments?ticketId={ticket}", (200, 403, 200, 200, 404)),
    Row("POST", "/comments", (201, 403, 201, 201, 404), FLAT),
    Row("POST", "/comments", (403, 403, 201, 201, 404), FLAT | {"isInternal": True}),
    Row("PUT", "/comments/{comment}", (200, 404, 404, 404, 404), TEXT),
    Row("PATCH", "/comments/{comment}", (200, 404, 404, 404, 404), TEXT),
    Row("DELETE", "/comments/{comment}", (204, 404, 404, 404, 404)),
    Row("GET", "/tickets/{ticket}/attachments", (200, 403, 200, 200, 404)),
    Row("POST", "/tickets/{ticket}/attachments/upload-url", (200, 403, 200, 200, 404), SCAN),
    Row("POST", "/tickets/{ticket}/attachments", (400, 403, 400, 400, 404), SCAN | {"fileUrl": "x", "fileSize": 1}),
    Row("GET", "/tickets/{ticket}/attachments/{attachment}/download-url", (200, 403, 200, 200, 404)),
    Row("GET", "/tickets/{ticket}/attachments/{attachment}/file", (302, 403, 302, 302, 404)),
    Row("DELETE", "/tickets/{ticket}/attachments/{attachment}", (204, 403, 204, 204, 404)),
    Row("GET", "/webhooks", (403, 403, 200, 200, 200)),
    Row("GET", "/webhooks/{webhook}", (403, 403, 200, 200, 404)),
    Row("PUT", "/webhooks/{webhook}", (403, 403, 200, 200, 404), {"isActive": False}),
    Row("PATCH", "/webhooks/{webhook}", (403, 403, 200, 200, 404), {"isActive": False}),
    Row("DELETE", "/webhooks/{webhook}", (403, 403, 200, 200, 404)),
    Row("GET", "/webhooks/{webhook}/deliveries", (403, 403, 200, 200, 404)),
    Row("GET", "/tenants", (403, 403, 403, 200, 200)),
    Row("POST", "/tenants", (403, 403, 403, 201, 403), {"name": "New", "slug": "{slug}"}),
    Row("GET", "/tenants/{tenant}", (403, 403, 403, 200, 404)),
    Row("PUT", "/tenants/{tenant}", (403, 403, 403, 200, 404), {"name": "Default"}),
    Row("PATCH", "/tenants/{tenant}", (403, 403, 403, 200, 404), {}),
    Row("DELETE", "/tenants/{tenant}", (403, 403, 403, 409, 404)),
    Row("GET", "/tenants/me/settings", (403, 403, 403, 200, 200)),
    Row("PUT", "/tenants/me/settings", (403, 403, 403, 200, 200), {"openRegistration": True}),
    Row("GET", "/notifications", (200, 200, 200, 200, 200)),
    Row("GET", "/notifications/unread-count", (200, 200, 200, 200, 200)),
    Row("PUT", "/notifications/read-all", (200, 200, 200, 200, 200)),
    Row("PUT", "/notifications/{notification}/read", (200, 404, 404, 404, 404)),
    Row("DELETE", "/notifications/{notification}", (204, 404, 404, 404, 404)),
]


@dataclass(frozen=True)
class World:
    """The callers by what they are, and how something fresh comes about for each call."""

    callers: Mapping[str, Person]

    async def thing(self, row: Row) -> Mapping[str, str]:
        """As much of a creator's ticket, its parts, a notification and the tenant's webhook as the row names."""
        text = f"{row.path}{row.body}"
        owner, made = self.callers[OWNER], {}
        if "{ticket}" in text or "{comment}" in text:
            ticket = await owner.opens_ticket()
            made["ticket"] = ticket["id"]
            if "{attachment}" in text:
                made["attachment"] = (await Uploader(owner, ticket).attaches())["id"]
            if "{comment}" in text:
                made["comment"] = (await owner.comments_on(ticket))["id"]
        if "{notification}" in text:
            ticket = await owner.opens_ticket(assignedToId=owner.id)
            notifications = answered(await owner.get("/notifications"), 200)
            made["notification"] = next(one["id"] for one in notifications if one["data"]["ticketId"] == ticket["id"])
        if "{tenant}" in text:
            made["tenant"] = owner.tenant_id
        if "{slug}" in text:
            made["slug"] = f"t-{uuid4().hex}"
        if "{webhook}" in text:
            made["webhook"] = answered(await self.callers[ADMIN].post("/webhooks", HOOK), 201)["id"]
        return made

    async def forget(self, thing: Mapping[str, str]) -> None:
        if "webhook" in thing:
            await self.callers[ADMIN].delete(f"/webhooks/{thing['webhook']}")


@pytest.fixture
def world(somebody: Person, somebody_else: Person, agent: Person, admin: Person, stranger: Person) -> World:
    return World(dict(zip(CALLERS, (somebody, somebody_else, agent, admin, stranger), strict=True)))


def filled(template: Any, thing: Mapping[str, str]) -> Any:
    """The path or body with the thing's ids in their places."""
    if isinstance(template, dict):
        return {name: filled(value, thing) for name, value in template.items()}
    if isinstance(template, list):
        return [filled(value, thing) for value in template]
    return template.format(**thing) if isinstance(template, str) else template


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_every_caller_is_answered_as_the_table_says(world: World, client: httpx.AsyncClient, row: Row) -> None:
    found = []
    for caller, status in zip(CALLERS, row.statuses, strict=True):
        thing = await world.thing(row)
        response = await world.callers[caller].ask(
            row.method, filled(row.path, thing), json=filled(row.body, thing) if row.body is not None else None
        )
        found.append((caller, response.status_code))
        if response.status_code == status:
            answered(response, status)
        if caller == OWNER:
            nobody = await client.request(row.method, API + filled(row.path, thing), json=row.body)
            refused(nobody, 401, "missing_token")
            assert nobody.headers["WWW-Authenticate"] == "Bearer"
        await world.forget(thing)
    assert found == list(zip(CALLERS, row.statuses, strict=True))


@pytest.mark.route("POST /api/v1/webhooks")
async def test_only_staff_make_webhooks(world: World) -> None:
    for caller, status in zip(CALLERS, (403, 403, 201, 201, 201), strict=True):
        person = world.callers[caller]
        made = answered(await person.post("/webhooks", HOOK), status)
        if status == 201:
            assert made["tenantId"] == person.tenant_id
            answered(await person.delete(f"/webhooks/{made['id']}"), 200)


async def test_nothing_of_a_tenant_shows_in_another(user: Person, stranger: Person) -> None:
    word = fresh_address()
    ticket = await user.opens_ticket(title=word)
    await user.comments_on(ticket, word)
    before = answered(await stranger.get("/tickets/stats"), 200, STATS)
    for query in ("", "?page=1&limit=100&sortOrder=desc", f"?search={word}", f"?createdById={user.id}", "?cursor="):
        response = await stranger.get(f"/tickets{query}")
        answered(response, 200)
        assert word not in response.text
        assert user.tenant_id not in response.text
    assert answered(await stranger.get("/tickets", page=1, search=word), 200, page_of({}))["meta"]["total"] == 0
    await user.opens_ticket()
    assert answered(await stranger.get("/tickets/stats"), 200, STATS) == before


async def test_a_foreign_id_reads_like_an_unknown_one(user: Person, stranger: Person) -> None:
    ticket = await user.opens_ticket()
    unknown = "018f3a5c-7b1e-7c3d-9e5f-0123456789ab"
    for path in ("/tickets/{}", "/tickets/{}/comments", "/comments?ticketId={}"):
        bodies = []
        for id_ in (ticket["id"], unknown):
            body = refused(await stranger.get(path.format(id_)), 404)
            bodies.append({name: body[name] for name in ("code", "reason", "message", "title", "status")})
        assert bodies[0] == bodies[1]


async def test_headers_from_outside_lend_no_rights(user: Person, stranger: Person) -> None:
    ticket = await user.opens_ticket()
    lies = {
        "X-Tenant-Id": stranger.tenant_id,
        "X-Roles": "ROLE_ADMIN",
        "X-Scopes": "tickets:delete:any users:write:any",
        "X-User-Id": stranger.id,
        "X-HTTP-Method-Override": "GET",
        "X-Original-URL": "/api/v1/auth/me",
        "X-Forwarded-Prefix": "/admin",
    }
    refused(await user.ask("DELETE", f"/tickets/{ticket['id']}", headers=lies), 403)
    assert [one["id"] for one in answered(await user.ask("GET", "/tickets", headers=lies), 200)] == [ticket["id"]]
    theirs = {"X-Tenant-Id": user.tenant_id, "X-Roles": "ROLE_ADMIN"}
    refused(await stranger.ask("GET", f"/tickets/{ticket['id']}", headers=theirs), 404)
    own = answered(await user.ask("POST", "/tickets", headers=lies, json={"title": "x", "description": ""}), 201)
    assert own["tenantId"] == user.tenant_id


async def test_numbers_belong_to_each_tenant(people: People) -> None:
    newcomer = await people.newcomer(tenantSlug="demo-company")
    ticket = await newcomer.opens_ticket()
    assert ticket["tenantId"] == DEMO_COMPANY_ID
    assert ticket["tenant"]["name"] == "Demo Company"
    assert (await newcomer.opens_ticket())["number"] > ticket["number"]
