"""The people of the end-to-end tests: demo users, who are there already, and newcomers, whom nobody else knows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from uuid import uuid4

import httpx

from support.shapes import AUTH, COMMENT, CREATED_TICKET, TICKET, TICKET_DETAIL, answered

Json: TypeAlias = dict[str, Any]

PASSWORD: Final = "SecurePass123!"
DEFAULT_TENANT: Final = "default"
DEMO_COMPANY: Final = "demo-company"
API: Final = "/api/v1"


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in, and asks with their token."""

    client: httpx.AsyncClient
    session: Json

    @property
    def id(self) -> str:
        return str(self.session["user"]["id"])

    @property
    def email(self) -> str:
        return str(self.session["user"]["email"])

    @property
    def tenant_id(self) -> str:
        return str(self.session["user"]["tenantId"])

    @property
    def token(self) -> str:
        return str(self.session["accessToken"])

    async def ask(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """Any call. A path without `/api` in front is one of `/api/v1`."""
        address = path if path.startswith("/api") else API + path
        bearer = {"Authorization": f"Bearer {self.token}"}
        return await self.client.request(method, address, headers={**bearer, **(headers or {})}, **more)

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.ask("GET", path, params=query or None)

    async def post(self, path: str, body: object, **headers: str) -> httpx.Response:
        return await self.ask("POST", path, json=body, headers=headers)

    async def put(self, path: str, body: object, **headers: str) -> httpx.Response:
        return await self.ask("PUT", path, json=body, headers=headers)

    async def patch(self, path: str, body: object, **headers: str) -> httpx.Response:
        return await self.ask("PATCH", path, json=body, headers=headers)

    async def delete(self, path: str, **headers: str) -> httpx.Response:
        return await self.ask("DELETE", path, headers=headers)

    async def opens_ticket(self, **fields: Any) -> Json:
        """A new ticket of theirs."""
        body = {"title": "The printer is on fire", "description": "Since this morning.", **fields}
        ticket: Json = answered(await self.post("/tickets", body), 201, CREATED_TICKET)
        return ticket

    async def edits(self, ticket: Json, **changes: Any) -> Json:
        """A change that must succeed."""
        edited: Json = answered(await self.patch(f"/tickets/{ticket['id']}", changes), 200, TICKET)
        return edited

    async def reads(self, ticket: Json) -> Json:
        """The ticket's detail."""
        detail: Json = answered(await self.get(f"/tickets/{ticket['id']}"), 200, TICKET_DETAIL)
        return detail

    async def comments_on(self, ticket: Json, content: str = "Any news?", **fields: Any) -> Json:
        """A new comment of theirs."""
        response = await self.post(f"/tickets/{ticket['id']}/comments", {"content": content, **fields})
        comment: Json = answered(response, 201, COMMENT)
        return comment


@dataclass(frozen=True)
class People:
    """Everybody behind one address. Who has signed in stays so, because a password takes long to check."""

    client: httpx.AsyncClient
    _known: dict[str, Person] = field(default_factory=dict)

    async def demo(self, email: str, slug: str) -> Person:
        """One of the seeded people."""
        if email not in self._known:
            body = {"email": email, "password": PASSWORD, "tenantSlug": slug}
            session = answered(await self.client.post(f"{API}/auth/login", json=body), 200, AUTH)
            self._known[email] = Person(self.client, session)
        return self._known[email]

    async def admin(self) -> Person:
        return await self.demo("admin@example.com", DEFAULT_TENANT)

    async def agent(self) -> Person:
        return await self.demo("agent@example.com", DEFAULT_TENANT)

    async def user(self) -> Person:
        return await self.demo("user@example.com", DEFAULT_TENANT)

    async def stranger(self) -> Person:
        """An admin, of another tenant."""
        return await self.demo("admin@demo.com", DEMO_COMPANY)

    async def newcomer(self, **fields: Any) -> Person:
        """A fresh account of role USER, in the default tenant unless told otherwise."""
        body = {"email": fresh_address(), "password": PASSWORD, "name": "Nora New Comer", **fields}
        return Person(self.client, answered(await self.client.post(f"{API}/auth/signup", json=body), 201, AUTH))


def fresh_address() -> str:
    """An address that nobody has."""
    return f"nora-{uuid4().hex}@example.org"
