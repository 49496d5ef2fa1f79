"""Tenants of their own for tests that try everything: an ADMIN, an AGENT and a USER, and what such a tenant has."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

from command_api.app import service
from command_api.settings import CommandSettings
from helpdesk.ids import new_id
from localstack.stack import Stack
from support.document import operation_at
from support.people import PASSWORD, People, Person
from support.shapes import answered

ROLES: Final = ("ADMIN", "AGENT", "USER")
OPERATOR: Final = UUID(int=0)


@dataclass(frozen=True)
class Cast:
    """The people of one tenant. `word` stands in all that they write and `secret` beside it: who searches for the one
    must not find the other."""

    tenant_id: str
    slug: str
    word: str
    secret: str
    people: Mapping[str, Person]

    @property
    def admin(self) -> Person:
        """Their ADMIN."""
        return self.people["ADMIN"]

    @property
    def user(self) -> Person:
        """Their USER."""
        return self.people["USER"]

    @property
    def text(self) -> str:
        """What they write."""
        return f"{self.word} {self.secret}"

    async def sign_in_again(self) -> None:
        """Whoever a probe has signed out."""
        for person in self.people.values():
            if (await person.get("/auth/me")).status_code != 200:
                body = {"email": person.email, "password": PASSWORD, "tenantSlug": self.slug}
                person.session.update(answered(await person.client.post("/api/v1/auth/login", json=body), 200))

    async def is_signed_in(self) -> bool:
        """Whether all of them still are: a probe may have logged one out."""
        asked = [one.get("/auth/me") for one in self.people.values()]
        return all(answer.status_code == 200 for answer in await asyncio.gather(*asked))


async def founded(stack: Stack, people: People) -> Cast:
    """A new tenant with one person of each role."""
    mark = uuid4().hex[:12]
    word, secret = f"word{mark}", f"secret{uuid4().hex[:12]}"
    tenant, slug = new_id(), f"t-{mark}"
    values = {name.lower(): value for name, value in stack.environment.items()}
    async with service(CommandSettings.model_validate(values)) as parts:
        await parts.accounts.create_tenant(name=f"{word} {secret}", slug=slug, id_=tenant, at=parts.commands.clock())
        for role in ROLES:
            await parts.accounts.register(
                email=_address(role, secret),
                password=PASSWORD,
                name=f"{word} {secret}",
                role=role,
                slug=slug,
                by=OPERATOR,
            )
    signed_in = {role: await people.demo(_address(role, secret), slug) for role in ROLES}
    return Cast(str(tenant), slug, word, secret, signed_in)


def _address(role: str, secret: str) -> str:
    return f"{role.lower()}.{secret}@example.org"


async def furnished(cast: Cast) -> dict[str, str]:
    """One of everything that a tenant can have, by its kind, two where lists shall have a second page."""
    admin, user = cast.admin, cast.user
    tickets = [
        await user.opens_ticket(title=cast.text, description=cast.text, metadata={"text": cast.text}, tags=[cast.word])
        for _ in range(2)
    ]
    ticket = tickets[0]
    comments = [await user.comments_on(ticket, cast.text), await admin.comments_on(ticket, cast.text)]
    for one in tickets:
        await admin.edits(one, assignedToId=admin.id)  # the admin is told of both
    hooks = [
        answered(await admin.post("/webhooks", {"url": f"http://127.0.0.1:9/{cast.secret}", "events": [type_]}), 201)
        for type_ in ("TICKET_CLOSED", "COMMENT_ADDED")
    ]
    notices = answered(await admin.get("/notifications"), 200)
    things = {
        "ticket": ticket["id"],
        "comment": comments[0]["id"],
        "user": user.id,
        "tenant": cast.tenant_id,
        "webhook": hooks[0]["id"],
        "notification": notices[0]["id"],
    }
    if operation_at("POST", f"/api/v1/tickets/{ticket['id']}/attachments") is not None:
        things["attachment"] = (await _attached(user, ticket["id"], cast.text))["id"]
    return things


async def _attached(user: Person, ticket_id: str, text: str) -> Any:
    """A file of a ticket, by the three steps of contract §8."""
    content, path = text.encode(), f"/tickets/{ticket_id}/attachments"
    file = {"filename": "notes.txt", "mimeType": "text/plain", "fileSize": len(content)}
    target = answered(await user.post(f"{path}/upload-url", file), 200)
    put = await user.client.put(target["uploadUrl"], content=content, headers={"Content-Type": "text/plain"})
    assert put.status_code == 200, put.text
    return answered(await user.post(path, {**file, "fileUrl": target["fileUrl"]}), 201)
