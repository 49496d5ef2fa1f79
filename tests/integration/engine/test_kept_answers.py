"""Routes that do not keep their answers with their events: the key holds for them as well (behaviours §2)."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID, uuid4

import httpx
from fastapi import Depends, FastAPI
from starlette.responses import Response

from helpdesk.auth.http import authenticated
from helpdesk.auth.keys import keyed
from helpdesk.auth.tokens import Principal
from helpdesk.eventstore.idempotency import Answers
from helpdesk.http.app import build_api, edge
from helpdesk.http.keys import Replays, accept_keys
from helpdesk.http.problem import Problem
from integration.engine.rig import Engine


def counting(store: Engine) -> tuple[FastAPI, list[int]]:
    """An API of one tenant that counts how often it does something."""
    api, done = build_api("test"), list[int]()
    accept_keys(api, Replays(Answers(store.pool, "events"), store.store))
    somebody = Principal(uuid4(), uuid4(), "ADMIN", datetime(2026, 1, 1, tzinfo=UTC))
    api.dependency_overrides[authenticated] = lambda: somebody

    @api.post("/things/{name}", dependencies=[Depends(keyed)])
    async def thing(name: str) -> Response:
        done.append(1)
        match name:
            case "refused":
                raise Problem(409, "contended", "Not now.")
            case "secret":
                return Response(b"{}", 201, {"Cache-Control": "no-store"}, "application/json")
            case "empty":
                return Response(status_code=204)
            case _:
                return Response(b'{"n":%d}' % len(done), 201, {"Location": "/things/1"}, "application/json")

    return api, done


def asking(api: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(edge(api)), base_url="http://test")


async def test_a_success_is_answered_again_and_done_once(store: Engine) -> None:
    api, done = counting(store)
    async with asking(api) as client:
        for name, status in (("whole", 201), ("empty", 204)):
            done.clear()
            once = {"Idempotency-Key": uuid4().hex}
            first, again = [await client.post(f"/things/{name}", headers=once) for _ in range(2)]
            assert len(done) == 1
            assert (first.status_code, again.status_code) == (status, status)
            assert (first.content, first.headers.get("Location")) == (again.content, again.headers.get("Location"))
            assert "Idempotency-Replayed" not in first.headers
            assert again.headers["Idempotency-Replayed"] == "true"


async def test_refusals_secrets_and_calls_without_a_key_are_not_kept(store: Engine) -> None:
    api, done = counting(store)
    once = {"Idempotency-Key": uuid4().hex}
    async with asking(api) as client:
        for path, headers in (("/things/refused", once), ("/things/secret", once), ("/things/whole", {})):
            done.clear()
            for _ in range(2):
                assert "Idempotency-Replayed" not in (await client.post(path, headers=headers)).headers
            assert len(done) == 2, path


async def test_an_answer_that_cannot_be_kept_is_given_all_the_same(store: Engine) -> None:
    api, _ = counting(store)
    once = {"Idempotency-Key": uuid4().hex}
    async with asking(api) as client:
        answers = await asyncio.gather(*(client.post("/things/whole", headers=once) for _ in range(6)))
        assert {one.status_code for one in answers} == {201}
        last = await client.post("/things/whole", headers=once)
        assert last.headers["Idempotency-Replayed"] == "true"
        assert last.content in {one.content for one in answers}


async def test_of_two_tenants_neither_sees_the_others_answer(store: Engine) -> None:
    once = {"Idempotency-Key": "the same"}
    for _ in range(2):  # each API is a tenant of its own
        api, done = counting(store)
        async with asking(api) as client:
            await client.post("/things/whole", headers=once)
        assert len(done) == 1
    assert await store.value("select count(*) from events.idempotency where key = 'the same'") == 2
    assert UUID(int=0) not in {tenant for (tenant,) in await store.sql("select tenant_id from events.idempotency")}
