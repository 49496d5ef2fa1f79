"""Demo data (contract §4): two tenants, four people, a few dozen tickets with a history. Twice is as good as once.

Every row comes about by the same commands that the HTTP routes carry out, only with a clock of the past.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

from command_api import store
from command_api.accounts import OPERATOR, Accounts
from command_api.domain.rejected import Rejected
from command_api.domain.ticket.commands import Actor, AddComment, CreateTicket, EditTicket, TicketCommand
from command_api.execute import Commands, new_command
from helpdesk.ids import derived_id
from helpdesk.recorded import Stream

PASSWORD: Final = "SecurePass123!"  # noqa: S105 - the contract publishes it
DEFAULT: Final = UUID("019400e0-8c00-7000-8000-000000000001")
DEMO_COMPANY: Final = UUID("550e8400-e29b-41d4-a716-446655440000")
"""The contract names this one: the only id of ours that is not of version 7."""
TENANTS: Final = ((DEFAULT, "default", "Default"), (DEMO_COMPANY, "demo-company", "Demo Company"))
PEOPLE: Final = (
    ("default", "admin@example.com", "Ada Admin", "ADMIN"),
    ("default", "agent@example.com", "Grace Agent", "AGENT"),
    ("default", "user@example.com", "Uma User", "USER"),
    ("demo-company", "admin@demo.com", "Dora Demo", "ADMIN"),
)
SUBJECTS: Final = (
    "Cannot log in after the password change",
    "Invoice of last month shows the wrong address",
    "Export stops at 10,000 rows",
    "Please add a second admin",
    "App crashes when a photo is attached",
    "Webhook answers 502 since this morning",
    "How do I change the language?",
    "Dark mode hides the save button",
    "Search finds nothing in closed tickets",
    "Refund for a duplicate payment",
    "SSO certificate expires next week",
    "Mails arrive an hour late",
)
TICKETS_PER_TENANT: Final = 18


@dataclass(frozen=True, slots=True)
class _Cast:
    requester: Actor
    agent: Actor


async def seed(commands: Commands, accounts: Accounts, say: Callable[[str], None]) -> None:
    """Make what is missing. Ids follow from names, so what stands is not made again."""
    now = commands.clock()
    for id_, slug, name in TENANTS:
        if await store.tenant(commands.pool, slug=slug) is None:
            await accounts.create_tenant(name=name, slug=slug, id_=id_, at=now - timedelta(days=60))
            say(f"tenant {slug}")
    for slug, email, name, role in PEOPLE:
        try:
            await accounts.register(email=email, password=PASSWORD, name=name, role=role, slug=slug, by=OPERATOR)
            say(f"{role.lower()} {email}")
        except Rejected:
            continue
    for _, slug, _ in TENANTS:
        await _tickets(commands, slug, now)
        say(f"tickets of {slug}")


async def _tickets(commands: Commands, slug: str, now: datetime) -> None:
    tenant = await store.tenant(commands.pool, slug=slug)
    if tenant is None:
        raise RuntimeError(f"tenant {slug} is gone again")
    tenant_id, actors = tenant.tenant_id, await _actors(commands, slug)
    begun = (await commands.events.read_stream(Stream(tenant_id, "tenant", tenant_id)))[0]
    cast = _Cast(requester=actors.get("USER", actors["ADMIN"]), agent=actors.get("AGENT", actors["ADMIN"]))
    chance = random.Random(slug)  # noqa: S311 - demo data, the same at every seeding
    for place in range(TICKETS_PER_TENANT):
        name = f"demo ticket {place}"
        ticket_id = begun.effect_id(name)
        if any([await commands.has_history(tenant_id, one) for one in (ticket_id, uuid5(tenant_id, name))]):
            continue  # by this release, or by one whose derived ids were of version 5
        number = await commands.numbers.take(tenant_id)
        at = now - timedelta(days=30 - place, hours=chance.randrange(12))
        for command in _story(place, number, ticket_id, cast, at, chance):
            await commands.record(new_command(tenant_id, command.by.id), ticket_id, command)


def _story(
    place: int, number: int, ticket_id: UUID, cast: _Cast, at: datetime, chance: random.Random
) -> Iterator[TicketCommand]:
    requester, agent = cast.requester, cast.agent
    subject = SUBJECTS[place % len(SUBJECTS)]
    yield CreateTicket(
        number=number,
        title=subject,
        description=f"{subject}. It began on {at:%A}; a colleague sees the same.",
        priority=chance.choice(("low", "medium", "medium", "high", "critical")),
        metadata={"channel": chance.choice(("web", "mail", "phone"))},
        tags=tuple(chance.sample(("billing", "login", "mobile", "export", "vip"), k=chance.randrange(3))),
        assignee_id=None,
        by=requester,
        at=at,
    )
    at += timedelta(minutes=chance.randrange(5, 90))
    if place % 6 == 5:
        return
    yield EditTicket(by=agent, at=at, assignee_id=agent.id, status="in_progress")
    at += timedelta(minutes=chance.randrange(5, 90))
    yield AddComment(
        comment_id=derived_id(at, ticket_id, "note"),
        content="Seen before: see the runbook.",
        is_internal=True,
        by=agent,
        at=at,
    )
    at += timedelta(minutes=chance.randrange(5, 90))
    yield AddComment(
        comment_id=derived_id(at, ticket_id, "reply"),
        content="Thank you for writing. Which version do you use?",
        is_internal=False,
        by=agent,
        at=at,
    )
    yield EditTicket(by=agent, at=at + timedelta(seconds=1), waiting_on="requester")
    if place % 3 == 0:
        return
    at += timedelta(hours=chance.randrange(1, 20))
    yield AddComment(
        comment_id=derived_id(at, ticket_id, "answer"),
        content="The newest one.",
        is_internal=False,
        by=requester,
        at=at,
    )
    at += timedelta(hours=chance.randrange(1, 20))
    yield EditTicket(by=agent, at=at, status="resolved", resolution="solved")
    if place % 4 == 0:
        yield EditTicket(by=agent, at=at + timedelta(hours=30), status="closed")


async def _actors(commands: Commands, slug: str) -> dict[str, Actor]:
    actors = {}
    for tenant, email, _, role in PEOPLE:
        if tenant == slug:
            login = next(one for one in await store.logins(commands.pool, email) if one.slug == slug)
            actors[role] = Actor(login.user_id, role)
    return actors
