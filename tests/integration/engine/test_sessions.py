"""Sessions that no demo installation has: one-shot refresh tokens, older hashes, tenants that strangers found."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import bcrypt
import httpx
import jwt
import pytest

from command_api.app import Service, build_app, service
from command_api.execute import Clock, utc_now
from command_api.settings import CommandSettings
from helpdesk.http.app import edge
from integration.engine.rig import Engine
from support.people import API, PASSWORD, fresh_address

SECRET = "a secret of at least thirty-two bytes"


@asynccontextmanager
async def serving(
    engine: Engine, clock: Clock = utc_now, /, **settings: str
) -> AsyncIterator[tuple[httpx.AsyncClient, Service]]:
    """A command API with these settings, before nobody's gateway; the views are away, and answers say so."""
    values = {name.lower(): value for name, value in engine.variables.items()}
    async with service(CommandSettings.model_validate(values | settings | {"log_level": "info"}), clock=clock) as parts:
        transport = httpx.ASGITransport(edge(build_app(parts)))
        async with httpx.AsyncClient(transport=transport, base_url="http://tickets.test") as client:
            yield client, parts


async def post(client: httpx.AsyncClient, path: str, status: int = 200, **body: Any) -> Any:
    answer = await client.post(f"{API}/auth/{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def founded(parts: Service) -> str:
    """The slug of a new tenant."""
    slug = f"t-{uuid4().hex[:12]}"
    await parts.accounts.create_tenant(name="T", slug=slug, id_=uuid4(), at=parts.commands.clock())
    return slug


async def signed_up(client: httpx.AsyncClient, parts: Service) -> Any:
    slug = await founded(parts)
    return await post(client, "signup", 201, email=fresh_address(), password=PASSWORD, name="Ada", tenantSlug=slug)


async def test_who_logs_out_where_the_clock_is_behind_is_out_everywhere_and_can_come_back(store: Engine) -> None:
    def behind() -> datetime:
        return utc_now() - timedelta(seconds=5)

    name = {"name": "Eve"}
    async with serving(store) as (ahead, parts), serving(store, behind) as (late, _):
        session = await signed_up(ahead, parts)
        headers = {"Authorization": f"Bearer {session['accessToken']}"}
        assert (await late.post(f"{API}/auth/logout", headers=headers)).status_code == 204
        for client in (ahead, late):
            assert (await client.put(f"{API}/auth/me", json=name, headers=headers)).status_code == 401
        session = await post(late, "login", email=session["user"]["email"], password=PASSWORD)
        session = await post(late, "refresh", refreshToken=session["refreshToken"])
        headers = {"Authorization": f"Bearer {session['accessToken']}"}
        assert (await ahead.put(f"{API}/auth/me", json=name, headers=headers)).status_code == 200


# --- one-shot refresh tokens ------------------------------------------------------------------------------------------


async def test_a_one_shot_token_is_good_once_and_its_second_use_ends_its_family(store: Engine) -> None:
    async with serving(store, refresh_rotation="on") as (client, parts):
        first = await signed_up(client, parts)
        login = {"email": first["user"]["email"], "password": PASSWORD}
        elsewhere = await post(client, "login", **login)
        second = await post(client, "refresh", refreshToken=first["refreshToken"])
        third = await post(client, "refresh", refreshToken=second["refreshToken"])
        used = {one["refreshToken"] for one in (first, second, third)}
        assert len(used) == 3
        assert all(UUID(token).version == 4 for token in used)

        again = await post(client, "refresh", 401, refreshToken=first["refreshToken"])
        assert again["reason"] == "bad_refresh_token"
        await post(client, "refresh", 401, refreshToken=third["refreshToken"])
        await post(client, "refresh", refreshToken=elsewhere["refreshToken"])  # another log-in is another family


async def test_of_two_at_once_with_one_token_one_wins_and_nobody_goes_on(store: Engine) -> None:
    async with serving(store, refresh_rotation="on") as (client, parts):
        token = (await signed_up(client, parts))["refreshToken"]
        body = {"refreshToken": token}
        answers = await asyncio.gather(*(client.post(f"{API}/auth/refresh", json=body) for _ in range(2)))
        assert sorted(answer.status_code for answer in answers) == [200, 401]
        won = next(answer.json() for answer in answers if answer.status_code == 200)
        await post(client, "refresh", 401, refreshToken=won["refreshToken"])


async def test_a_token_that_had_its_shot_does_not_come_back_with_the_other_setting(store: Engine) -> None:
    async with serving(store, refresh_rotation="on") as (client, parts):
        first = await signed_up(client, parts)
        second = await post(client, "refresh", refreshToken=first["refreshToken"])
    async with serving(store) as (client, _):
        renewed = await post(client, "refresh", refreshToken=second["refreshToken"])
        assert renewed["refreshToken"] == second["refreshToken"]
        await post(client, "refresh", 401, refreshToken=first["refreshToken"])


async def test_a_log_out_ends_what_followed_by_rotation(store: Engine) -> None:
    async with serving(store, refresh_rotation="on") as (client, parts):
        first = await signed_up(client, parts)
        second = await post(client, "refresh", refreshToken=first["refreshToken"])
        bearer = {"Authorization": f"Bearer {first['accessToken']}"}
        assert (await client.post(f"{API}/auth/logout", headers=bearer)).status_code == 204
        await post(client, "refresh", 401, refreshToken=second["refreshToken"])
        ended = {"Authorization": f"Bearer {second['accessToken']}"}
        answer = await client.post(f"{API}/auth/logout", headers=ended)
        assert (answer.status_code, answer.json()["reason"]) == (401, "ended_token")


# --- hashes of an older system ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
async def test_an_older_hash_opens_and_is_argon2id_then(store: Engine, prefix: str) -> None:
    async with serving(store) as (client, parts):
        user = (await signed_up(client, parts))["user"]
        old = bcrypt.hashpw(b"from before", bcrypt.gensalt(4)).decode().replace("$2b$", prefix)
        await store.sql("update events.credential set password_hash = %s where user_id = %s", old, user["id"])
        hash_of = "select password_hash from events.credential where user_id = %s"
        login = {"email": user["email"]}
        await post(client, "login", 401, **login, password="wrong")
        assert await store.value(hash_of, user["id"]) == old
        for _ in range(2):
            await post(client, "login", **login, password="from before")
            assert (await store.value(hash_of, user["id"])).startswith("$argon2id$")


# --- founding a tenant ------------------------------------------------------------------------------------------------


async def test_a_stranger_founds_a_tenant_where_the_operator_allows_it(store: Engine) -> None:
    slug = f"initech-{uuid4().hex[:8]}"
    body = {
        "tenantName": "Initech",
        "tenantSlug": slug,
        "email": fresh_address(),
        "password": PASSWORD,
        "name": "Bill L",
    }
    async with serving(store) as (client, _):
        assert (await post(client, "tenants", 403, **body))["reason"] == "self_service_off"
    async with serving(store, self_service_tenants="on") as (client, _):
        session = await post(client, "tenants", 201, **body)
        user = session["user"]
        assert (user["role"], user["firstName"], user["state"]) == ("ADMIN", "Bill", "active")
        assert (await post(client, "tenants", 409, **body))["reason"] == "slug_taken"
        login: dict[str, Any] = {"email": body["email"], "password": PASSWORD, "tenantSlug": slug}
        assert (await post(client, "login", **login))["user"] == user
        stranger = {"email": fresh_address(), "password": PASSWORD, "name": "Peter", "tenantSlug": slug}
        assert (await post(client, "signup", 403, **stranger))["reason"] == "registration_closed"
        bearer = {"Authorization": f"Bearer {session['accessToken']}"}
        ticket = {"title": "x", "description": ""}
        made = await client.post(f"{API}/tickets", headers=bearer, json=ticket)
        assert (made.status_code, made.json()["tenant"]["name"]) == (201, "Initech")
        assert (await client.delete(f"{API}/users/{user['id']}", headers=bearer)).json()["reason"] == "last_admin"
    happened = "select type from events.event where tenant_id = %s and version = 1 order by type"
    assert await store.sql(happened, user["tenantId"]) == [
        ("tenant.created",),
        ("ticket.created",),
        ("user.registered",),
    ]


# --- one shared secret ------------------------------------------------------------------------------------------------


async def test_with_a_shared_secret_everything_is_the_same(store: Engine) -> None:
    settings = {"jwt_algorithm": "HS256", "jwt_secret": SECRET}
    async with serving(store) as (client, parts):
        of_a_key = (await signed_up(client, parts))["accessToken"]
    async with serving(store, **settings) as (client, parts):
        session = await signed_up(client, parts)
        assert jwt.get_unverified_header(session["accessToken"])["alg"] == "HS256"
        for token, status in ((session["accessToken"], 204), (of_a_key, 401)):
            bearer = {"Authorization": f"Bearer {token}"}
            assert (await client.post(f"{API}/auth/logout", headers=bearer)).status_code == status


# --- several processes ------------------------------------------------------------------------------------------------


async def test_what_ends_a_token_ends_it_in_every_process_that_takes_commands(store: Engine) -> None:
    """Neither of the two hears what the database tells: only the time counts for which a row may be judged by."""
    async with serving(store) as (one, parts), serving(store) as (other, _):
        for _ in range(20):
            session = await signed_up(one, parts)
            signed = {"Authorization": f"Bearer {session['accessToken']}"}
            assert (await other.put(f"{API}/auth/me", json={}, headers=signed)).status_code == 200
            assert (await one.post(f"{API}/auth/logout", json={}, headers=signed)).status_code == 204
            late = await other.put(f"{API}/auth/me", json={}, headers=signed)
            assert (late.status_code, late.json()["reason"]) == (401, "ended_token")
