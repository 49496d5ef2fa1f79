"""No call of the API reaches into another tenant: every operation of the document, with foreign ids in its path, query
and body, foreign cursors and tokens (contract §3: another tenant's is 404).

Each probe is judged three times: by its status, by what its answer tells, and by whether the other tenant still is as
it was. A route that is new in the document is probed without a line here.
"""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from helpdesk.ids import new_id
from localstack.stack import Stack
from support.casts import Cast, founded, furnished
from support.document import Json, Operation, is_id, is_text, operations, put, sample, spots
from support.people import People, Person

HIDDEN = (401, 403, 404)
SIGNED = re.compile(r'\?X-Amz-[^"]*')
"""What differs from second to second in the addresses of files."""
SECURED = [one for one in operations() if one.is_secured]
WITH_IDS = [one for one in SECURED if any(map(is_id, one.parameters("path").values()))]
WITH_QUERY = [one for one in SECURED if one.parameters("query")]
WITH_CURSOR = [one for one in SECURED if "cursor" in one.parameters("query")]
READS = [one for one in SECURED if one.is_read]
WITH_BODY_IDS = [
    one for one in operations() if one.body is not None and any(is_id(leaf) for _, leaf in spots(one.body))
]
FOR_EVERYBODY = {
    "POST /api/v1/auth/register": "a stranger may register where the tenant's own setting says so",
    "POST /api/v1/auth/refresh": "who has a refresh token is its owner",
}
MAY_SUCCEED = {"POST /api/v1/auth/logout": "it ends the caller's own session, whatever else the body names"}


@dataclass
class World:
    """Two tenants that know nothing of each other; `before` is what the victim's admin reads, where it stands still."""

    victim: Cast
    theirs: Mapping[str, str]
    attacker: Cast
    own: Mapping[str, str]
    before: dict[str, str] = field(default_factory=dict)

    @property
    def callers(self) -> list[Person]:
        """Who tries: the two ends of the roles."""
        return [self.attacker.admin, self.attacker.user]

    async def seen_by_the_victim(self) -> dict[str, str]:
        """Every read of the victim's things by their admin."""
        answers = {}
        for one in READS:
            if (ids := filled(one, self.theirs)) is not None:
                answer = await self.victim.admin.get(one.address(ids), **needed(one, self.theirs))
                if answer.status_code == 200:
                    answers[str(one)] = SIGNED.sub("", answer.text)
        return answers

    async def nothing_has_changed(self) -> None:
        """Fails when the victim's things are not as they were."""
        now = await self.seen_by_the_victim()
        assert {name: now.get(name) for name in self.before} == self.before

    def tells_nothing(self, response: httpx.Response, *sent: str) -> None:
        """Fails when an answer, its headers included, has a word or id of the victim's that was not in the request."""
        told = response.text + str(response.headers)
        known = {self.victim.secret, *self.theirs.values()} - set(sent)
        found = {word for word in known if word in told}
        assert not found, f"{described(response)} tells {found} of another tenant"


@pytest_asyncio.fixture(scope="module")
async def world(stack: Stack, people: People) -> AsyncIterator[World]:
    victim, attacker = await founded(stack, people), await founded(stack, people)
    theirs, own = await furnished(victim), await furnished(attacker)
    world = World(victim, theirs, attacker, own)
    first, second = await world.seen_by_the_victim(), await world.seen_by_the_victim()
    world.before = {name: text for name, text in first.items() if second.get(name) == text}
    assert len(world.before) >= 8, "hardly anything stands still: the probes would prove little"
    assert sum(victim.secret in text for text in world.before.values()) >= 5
    yield world


@pytest_asyncio.fixture(autouse=True)
async def still_signed_in(world: World) -> None:
    """A probe may have ended the attackers' sessions; whoever is not signed in proves nothing."""
    await world.attacker.sign_in_again()


def described(response: httpx.Response) -> str:
    """A call and its answer, for people."""
    sent = response.request.content.decode(errors="replace")[:300]
    return f"{response.request.method} {response.request.url} {sent} → {response.status_code} {response.text[:300]}"


def filled(operation: Operation, things: Mapping[str, str]) -> dict[str, str] | None:
    """The path's parameters from these things; None when it wants something else."""
    kinds = operation.kinds()
    schemas = operation.parameters("path")
    found = {
        name: things.get(kind) or (None if is_id(schemas[name]) else str(sample(schemas[name], name)))
        for name, kind in kinds.items()
    }
    return None if None in found.values() else {name: str(value) for name, value in found.items()}


def needed(operation: Operation, things: Mapping[str, str]) -> dict[str, str]:
    """The query parameters without which the operation is no good question."""
    wanted = {
        one["name"]: one["schema"]
        for one in operation.spec.get("parameters", ())
        if one["in"] == "query" and one.get("required")
    }
    return {name: things.get(name.removesuffix("Id")) or str(sample(schema, name)) for name, schema in wanted.items()}


def bodied(operation: Operation) -> Json | None:
    """A body that the operation would accept."""
    return None if operation.body is None else sample(operation.body)


def foreign_paths(operation: Operation, world: World) -> list[dict[str, str]]:
    """The ways to fill the path with something of the victim's: each kind in each place with own things beside it, and
    what belongs together."""
    schemas, kinds = operation.parameters("path"), operation.kinds()
    ids = [name for name in kinds if is_id(schemas[name])]
    unknown = str(new_id())
    own = {
        name: world.own.get(kind, unknown) if name in ids else str(sample(schemas[name], name))
        for name, kind in kinds.items()
    }
    ways = [{**own, name: foreign} for name in ids for foreign in world.theirs.values()]
    together = filled(operation, world.theirs)
    return [together, *ways] if together is not None else ways


@pytest.mark.parametrize("operation", WITH_IDS, ids=str)
async def test_a_foreign_id_in_the_path_is_unknown(world: World, operation: Operation) -> None:
    for caller in world.callers:
        for ids in foreign_paths(operation, world):
            response = await caller.ask(
                operation.method,
                operation.address(ids),
                params=needed(operation, world.own),
                json=bodied(operation),
            )
            assert response.status_code in HIDDEN, f"{described(response)}; if its body is wrong, give it `examples`"
            assert response.status_code != 403 or caller is not world.attacker.admin, described(response)
            world.tells_nothing(response, *ids.values())
    await world.nothing_has_changed()


@pytest.mark.parametrize("operation", WITH_IDS, ids=str)
async def test_a_foreign_id_reads_like_one_that_nobody_has(world: World, operation: Operation) -> None:
    together = filled(operation, world.theirs)
    if together is None:
        pytest.skip("nothing of this kind in the tenants here")
    nobodys = {name: str(new_id()) if value in world.theirs.values() else value for name, value in together.items()}
    for caller in world.callers:
        told = []
        for ids in (together, nobodys):
            response = await caller.ask(
                operation.method,
                operation.address(ids),
                params=needed(operation, world.own),
                json=bodied(operation),
            )
            body = response.json()
            told.append([response.status_code, *(body[name] for name in ("code", "reason", "message", "title"))])
        assert told[0] == told[1]


@pytest.mark.parametrize("operation", WITH_QUERY, ids=str)
async def test_a_foreign_value_in_the_query_finds_nothing(world: World, operation: Operation) -> None:
    ids = filled(operation, world.own)
    if ids is None:
        pytest.skip("nothing of this kind in the tenants here")
    for name, schema in operation.parameters("query").items():
        values = [*world.theirs.values()] if is_id(schema) or is_text(schema) else []
        values += (
            [world.victim.word, f'"{world.victim.word}"', f"id:{world.theirs['ticket']}"] if is_text(schema) else []
        )
        for value in values:
            for caller in world.callers:
                query = {**needed(operation, world.own), name: value}
                response = await caller.ask(
                    operation.method, operation.address(ids), params=query, json=bodied(operation)
                )
                assert response.status_code < 500, described(response)
                world.tells_nothing(response, value)
    if not operation.is_read:
        await world.nothing_has_changed()


@pytest.mark.parametrize("operation", WITH_BODY_IDS, ids=str)
async def test_a_foreign_id_in_the_body_does_nothing(world: World, operation: Operation) -> None:
    if str(operation) in FOR_EVERYBODY:
        pytest.skip(FOR_EVERYBODY[str(operation)])
    assert operation.body is not None
    ids = filled(operation, world.own)
    if ids is None:
        pytest.skip("nothing of this kind in the tenants here")
    foreign = [*world.theirs.values(), world.victim.user.session["refreshToken"]]
    for way in [way for way, leaf in spots(operation.body) if is_id(leaf)]:
        for value in foreign:
            for caller in world.callers:
                body = put(bodied(operation), way, value)
                response = await caller.ask(operation.method, operation.address(ids), json=body)
                is_each_by_itself = 0 in way or str(operation) in MAY_SUCCEED
                assert response.status_code >= 400 or is_each_by_itself, described(response)
                assert response.status_code < 500, described(response)
                world.tells_nothing(response, value)
    await world.nothing_has_changed()
    refreshed = await world.victim.user.client.post(
        "/api/v1/auth/refresh", json={"refreshToken": world.victim.user.session["refreshToken"]}
    )
    assert refreshed.status_code == 200, "the victim's session has ended"


@pytest.mark.parametrize("operation", WITH_CURSOR, ids=str)
async def test_a_foreign_cursor_leads_nowhere(world: World, operation: Operation) -> None:
    theirs, own = filled(operation, world.theirs), filled(operation, world.own)
    if theirs is None or own is None:
        pytest.skip("nothing of this kind in the tenants here")
    query = {**needed(operation, world.theirs), "limit": 1, "cursor": ""}
    page = (await world.victim.admin.get(operation.address(theirs), **query)).json()
    cursor = page["meta"]["nextCursor"]
    if cursor is None:
        pytest.skip("one page")
    for caller in world.callers:
        query = {**needed(operation, world.own), "limit": 1, "cursor": cursor}
        response = await caller.get(operation.address(own), **query)
        assert response.status_code in (400, *HIDDEN), described(response)
        world.tells_nothing(response, cursor)


@pytest.mark.parametrize("operation", SECURED, ids=str)
async def test_a_token_whose_tenant_was_rewritten_opens_nothing(world: World, operation: Operation) -> None:
    head, payload, signature = world.attacker.admin.token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    claims |= {"tenant_id": world.victim.tenant_id, "tenantId": world.victim.tenant_id, "uid": world.victim.admin.id}
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    ids = {name: world.theirs.get(kind, str(new_id())) for name, kind in operation.kinds().items()}
    for token in (f"{head}.{forged}.{signature}", f"{head}.{forged}.", f"{head}.{forged}.{'A' * len(signature)}"):
        headers = {"Authorization": f"Bearer {token}"}
        response = await world.attacker.admin.client.request(
            operation.method, operation.address(ids), headers=headers, json=bodied(operation)
        )
        assert response.status_code == 401, described(response)
        world.tells_nothing(response, *ids.values())


async def test_a_foreign_consistency_token_tells_nothing(world: World) -> None:
    written = await world.victim.user.post("/tickets", {"title": world.victim.text, "description": ""})
    token = {"Consistency-Token": written.headers["Consistency-Token"]}
    id_ = written.json()["id"]
    world.before = await world.seen_by_the_victim()

    async def probe(operation: Operation) -> None:
        if (ids := filled(operation, world.own)) is None:
            return
        asked, query = world.attacker.admin, needed(operation, world.own)
        plain = await asked.get(operation.address(ids), **query)
        response = await asked.ask("GET", operation.address(ids), headers=token, params=query)
        assert response.status_code in (400, plain.status_code), described(response)
        world.tells_nothing(response, token["Consistency-Token"])
        assert id_ not in response.text

    readers = [one for one in READS if "consistency-token" in map(str.lower, one.parameters("header"))]
    assert readers
    await asyncio.gather(*map(probe, readers))  # each waits two seconds for what its tenant does not have


async def test_a_foreign_idempotency_key_replays_nothing(world: World) -> None:
    key = {"Idempotency-Key": f"key-{uuid4().hex}"}
    body = {"title": "the same", "description": "body"}
    first = await world.victim.user.ask("POST", "/tickets", headers=key, json=body)
    again = await world.attacker.user.ask("POST", "/tickets", headers=key, json=body)
    assert (first.status_code, again.status_code) == (201, 201)
    assert "Idempotency-Replayed" not in again.headers
    assert again.json()["id"] != first.json()["id"]
    assert again.json()["tenantId"] == world.attacker.tenant_id
    world.tells_nothing(again)
    world.before = await world.seen_by_the_victim()
