"""Tenants and their settings through the gateway (contract §11): what the operator does, and what an admin."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx
import pytest

from localstack.stack import Stack
from support.people import API, DEFAULT_TENANT, PASSWORD, Json, People, Person, fresh_address
from support.shapes import LISTED_TENANT, TENANT, TENANT_DETAIL, answered, array, page_of, refused
from support.waiting import eventually

UNKNOWN = "018f3a5c-7b1e-7c3d-9e5f-0123456789ab"


def fresh_slug() -> str:
    return f"t-{uuid4().hex[:20]}"


def create_tenant(stack: Stack, password: str, *words: str) -> subprocess.CompletedProcess[str]:
    """The operator's command, as a process of its own."""
    line = [sys.executable, "-m", "command_api", "create-tenant", *words]
    environment = dict(stack.environment)
    return subprocess.run(
        line, input=f"{password}\n", env=environment, capture_output=True, text=True, check=False, timeout=60
    )


async def founded(operator: Person, people: People, **fields: Any) -> tuple[Json, Person]:
    """A new tenant and its first admin."""
    slug, email = fresh_slug(), fresh_address()
    body = {"name": "Acme", "slug": slug, "admin": {"email": email, "password": PASSWORD, "name": "Ada Min"}, **fields}
    made = answered(await operator.post("/tenants", body), 201, TENANT)
    return made, await people.demo(email, made["slug"])


@pytest.fixture
def operator(admin: Person) -> Person:
    """Whoever is ADMIN of the tenant `default`."""
    return admin


# --- what the operator does -------------------------------------------------------------------------------------------


async def test_the_operator_makes_changes_and_deletes_a_tenant_and_sees_it_at_once(operator: Person) -> None:
    slug = fresh_slug()
    response = await operator.post("/tenants", {"name": "Acme 🔥", "slug": slug, "settings": {"theme": {"a": [1]}}})
    made = answered(response, 201, TENANT)
    assert (made["name"], made["slug"], made["settings"]) == ("Acme 🔥", slug, {"theme": {"a": [1]}})
    assert made["createdAt"] == made["updatedAt"]
    assert response.headers["Location"] == f"{API}/tenants/{made['id']}"
    assert response.headers["Consistency-Token"]

    first = answered(await operator.get("/tenants"), 200, array(LISTED_TENANT))[0]
    assert first == made | {"_count": {"users": 0, "tickets": 0}}
    read = await operator.get(f"/tenants/{made['id']}")
    assert answered(read, 200, TENANT_DETAIL) == made | {"_count": {"users": 0, "tickets": 0, "webhooks": 0}}
    assert read.headers["ETag"].startswith('"v1.')

    other = fresh_slug()
    changed = answered(
        await operator.put(f"/tenants/{made['id']}", {"name": "Acme Ltd.", "slug": other, "settings": {"b": 2}}), 200
    )
    assert (changed["name"], changed["slug"], changed["settings"]) == ("Acme Ltd.", other, {"b": 2})
    assert changed["createdAt"] == made["createdAt"]
    assert changed["updatedAt"] > made["updatedAt"]
    assert answered(await operator.get(f"/tenants/{made['id']}"), 200)["name"] == "Acme Ltd."

    gone = await operator.delete(f"/tenants/{made['id']}")
    answered(gone, 204)
    assert gone.content == b""
    for response in (
        await operator.get(f"/tenants/{made['id']}"),
        await operator.put(f"/tenants/{made['id']}", {"name": "x"}),
        await operator.delete(f"/tenants/{made['id']}"),
    ):
        refused(response, 404, "tenant_not_found")
    assert made["id"] not in (await operator.get("/tenants")).text


async def test_a_change_names_what_changes_and_leaves_the_rest(operator: Person) -> None:
    made = answered(
        await operator.post("/tenants", {"name": "Acme", "slug": fresh_slug(), "settings": {"a": 1}}), 201, TENANT
    )
    renamed = answered(await operator.patch(f"/tenants/{made['id']}", {"name": "Acme Ltd."}), 200, TENANT)
    assert renamed == made | {"name": "Acme Ltd.", "updatedAt": renamed["updatedAt"]}
    same = await operator.patch(f"/tenants/{made['id']}", {"name": "Acme Ltd.", "settings": {"a": 1}, "id": UNKNOWN})
    assert answered(same, 200, TENANT) == renamed
    assert same.headers["ETag"].startswith('"v2.')


async def test_a_tenant_is_named(operator: Person) -> None:
    for blank in (" ", "\u2003\t"):
        refused(await operator.post("/tenants", {"name": blank, "slug": fresh_slug()}), 400, field="name")
        admin = {"email": fresh_address(), "password": PASSWORD, "name": blank}
        body = {"name": "Acme", "slug": fresh_slug(), "admin": admin}
        refused(await operator.post("/tenants", body), 400, field="admin.name")
        refused(await operator.patch(f"/tenants/{UNKNOWN}", {"name": blank}), 400, field="name")


async def test_a_slug_is_one_tenants_until_it_is_deleted(operator: Person) -> None:
    slug, other = fresh_slug(), fresh_slug()
    first = answered(await operator.post("/tenants", {"name": "One", "slug": slug}), 201)
    refused(await operator.post("/tenants", {"name": "Two", "slug": slug}), 409, "slug_taken")
    second = answered(await operator.post("/tenants", {"name": "Two", "slug": other}), 201)
    refused(await operator.patch(f"/tenants/{second['id']}", {"slug": slug}), 409, "slug_taken")
    assert answered(await operator.get(f"/tenants/{second['id']}"), 200)["slug"] == other
    answered(await operator.delete(f"/tenants/{first['id']}"), 204)
    assert answered(await operator.patch(f"/tenants/{second['id']}", {"slug": slug}), 200)["slug"] == slug


async def test_of_many_who_want_one_slug_at_the_same_moment_one_gets_it(operator: Person) -> None:
    body = {"name": "Acme", "slug": fresh_slug()}
    found = await asyncio.gather(*(operator.post("/tenants", body) for _ in range(5)))
    assert sorted(one.status_code for one in found) == [201, 409, 409, 409, 409]


async def test_changes_of_different_fields_at_the_same_moment_all_hold(operator: Person) -> None:
    path = f"/tenants/{answered(await operator.post('/tenants', {'name': 'Acme', 'slug': fresh_slug()}), 201)['id']}"
    slug = fresh_slug()
    changes: list[Json] = [{"name": "Acme Ltd."}, {"slug": slug}, {"settings": {"a": 1}}]
    for answer in await asyncio.gather(*(operator.patch(path, change) for change in changes)):
        answered(answer, 200, TENANT)
    found = answered(await operator.get(path), 200)
    assert (found["name"], found["slug"], found["settings"]) == ("Acme Ltd.", slug, {"a": 1})


async def test_a_tenant_and_its_first_admin_come_from_the_command_line_too(
    stack: Stack, operator: Person, people: People
) -> None:
    slug, email = fresh_slug(), fresh_address()
    words = ("--name", "Acme", "--slug", slug, "--email", email, "--admin", "Ada Min")
    done = await asyncio.to_thread(create_tenant, stack, PASSWORD, *words)
    assert done.returncode == 0, done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    person = await people.demo(email, slug)
    assert person.session["user"]["role"] == "ADMIN"
    assert person.tenant_id in done.stdout
    assert answered(await operator.get(f"/tenants/{person.tenant_id}"), 200)["_count"]["users"] == 1
    again = await asyncio.to_thread(create_tenant, stack, PASSWORD, *words)
    assert (again.returncode, again.stderr) == (1, "create-tenant: This slug is taken.\n")
    short = await asyncio.to_thread(create_tenant, stack, "Pa55wör", *words)
    assert short.returncode == 1
    assert short.stderr.startswith("create-tenant: password: ")
    assert "Pa55wör" not in short.stderr


async def test_the_default_tenant_stays(operator: Person) -> None:
    refused(await operator.delete(f"/tenants/{operator.tenant_id}"), 409, "default_tenant")
    refused(await operator.patch(f"/tenants/{operator.tenant_id}", {"slug": fresh_slug()}), 409, "default_tenant")
    assert answered(await operator.get(f"/tenants/{operator.tenant_id}"), 200)["slug"] == DEFAULT_TENANT


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"slug": "x"}, "name"),
        ({"name": "x"}, "slug"),
        ({"name": "", "slug": "x"}, "name"),
        ({"name": "x" * 201, "slug": "x"}, "name"),
        ({"name": "x", "slug": "Not A Slug"}, "slug"),
        ({"name": "x", "slug": ""}, "slug"),
        ({"name": "x", "slug": "x", "settings": []}, "settings"),
        ({"name": "x", "slug": "x", "settings": {"openRegistration": "yes"}}, "settings"),
        ({"name": "x", "slug": "x", "admin": {"email": "nobody"}}, "admin.email"),
    ],
)
async def test_what_a_tenant_is_not_made_from(operator: Person, body: Json, field: str) -> None:
    answer = refused(await operator.post("/tenants", body), 400, "validation_failed")
    assert field in {one["field"] for one in answer["details"]}


async def test_a_stale_if_match_changes_nothing(operator: Person) -> None:
    made = answered(await operator.post("/tenants", {"name": "Acme", "slug": fresh_slug()}), 201)
    path = f"/tenants/{made['id']}"
    answered(await operator.patch(path, {"name": "B"}, **{"If-Match": '"v1"'}), 200)
    answer = refused(await operator.patch(path, {"name": "C"}, **{"If-Match": '"v1"'}), 412, "stale_version")
    assert answer["currentVersion"] == 2
    refused(await operator.delete(path, **{"If-Match": '"v1"'}), 412, "stale_version")
    assert answered(await operator.get(path), 200)["name"] == "B"


async def test_the_list_is_newest_first_and_can_be_paged(operator: Person) -> None:
    made = [
        answered(await operator.post("/tenants", {"name": f"T{n}", "slug": fresh_slug()}), 201)["id"] for n in range(3)
    ]
    assert [one["id"] for one in answered(await operator.get("/tenants"), 200)][:3] == made[::-1]
    page = answered(await operator.get("/tenants", page=1, limit=2, sortOrder="desc"), 200, page_of(LISTED_TENANT))
    assert [one["id"] for one in page["data"]] == made[:0:-1]
    assert page["meta"]["total"] >= 5
    oldest = answered(await operator.get("/tenants", page=1, limit=1), 200, page_of(LISTED_TENANT))["data"]
    assert oldest[0]["id"] not in made
    cut = answered(await operator.get("/tenants", cursor="", limit=1, sortOrder="desc"), 200)
    after = answered(await operator.get("/tenants", cursor=cut["meta"]["nextCursor"], limit=1), 200)
    assert [cut["data"][0]["id"], after["data"][0]["id"]] == made[:0:-1]
    refused(await operator.get("/tenants", sortBy="slug"), 400)


async def test_what_a_tenant_has_is_counted(operator: Person, people: People) -> None:
    made, admin = await founded(operator, people)
    user = await people.newcomer(tenantSlug=made["slug"])
    tickets = [await user.opens_ticket() for _ in range(3)]
    answered(await admin.delete(f"/tickets/{tickets[0]['id']}"), 204)
    hook = {"url": "http://127.0.0.1:9/", "events": ["TICKET_CLOSED"]}
    hooks = [answered(await admin.post("/webhooks", hook), 201)["id"] for _ in range(2)]
    answered(await admin.delete(f"/webhooks/{hooks[0]}"), 200)
    for caller in (operator, admin):
        found = answered(await caller.get(f"/tenants/{made['id']}"), 200, TENANT_DETAIL)
        assert found["_count"] == {"users": 2, "tickets": 2, "webhooks": 1}
        listed = answered(await caller.get("/tenants"), 200, array(LISTED_TENANT))
        assert next(one for one in listed if one["id"] == made["id"])["_count"] == {"users": 2, "tickets": 2}


async def test_the_operators_token_of_another_tenants_write_can_be_waited_for(operator: Person) -> None:
    response = await operator.ask(
        "POST", "/tenants", json={"name": "A", "slug": fresh_slug()}, headers={"Prefer": "respond-async"}
    )
    made = answered(response, 201, TENANT)
    assert response.headers["Preference-Applied"] == "respond-async"
    token = {"Consistency-Token": response.headers["Consistency-Token"]}
    read = await operator.ask("GET", f"/tenants/{made['id']}", headers=token)
    answered(read, 200, TENANT_DETAIL)
    assert "Consistency" not in read.headers


# --- what an admin does -----------------------------------------------------------------------------------------------


async def test_another_admin_has_their_own_tenant_and_no_other(
    operator: Person, people: People, stranger: Person
) -> None:
    made, admin = await founded(operator, people)
    assert [one["id"] for one in answered(await admin.get("/tenants"), 200)] == [made["id"]]
    assert answered(await admin.get("/tenants", page=1), 200)["meta"]["total"] == 1
    assert answered(await admin.patch(f"/tenants/{made['id']}", {"name": "Ours"}), 200)["name"] == "Ours"
    refused(await admin.post("/tenants", {"name": "x", "slug": fresh_slug()}), 403, "not_allowed")
    for id_ in (stranger.tenant_id, operator.tenant_id, UNKNOWN):
        bodies = [
            refused(await admin.get(f"/tenants/{id_}"), 404, "tenant_not_found"),
            refused(await admin.put(f"/tenants/{id_}", {"name": "x"}), 404, "tenant_not_found"),
            refused(await admin.delete(f"/tenants/{id_}"), 404, "tenant_not_found"),
        ]
        assert len({body["message"] for body in bodies}) == 1
    refused(await stranger.get(f"/tenants/{made['id']}"), 404, "tenant_not_found")


async def test_settings_are_the_bare_object_as_it_was_sent(operator: Person, people: People) -> None:
    made, admin = await founded(operator, people)
    assert answered(await admin.get("/tenants/me/settings"), 200) == {}
    wanted: Mapping[str, Any] = {"openRegistration": True, "autoCloseHours": 48, "theme": {"dark": [True, None, 1.5]}}
    written = await admin.put("/tenants/me/settings", wanted)
    assert answered(written, 200) == wanted
    assert written.headers["ETag"].startswith('"v2.')
    read = await admin.get("/tenants/me/settings")
    assert answered(read, 200) == wanted
    again = await admin.ask("GET", "/tenants/me/settings", headers={"If-None-Match": read.headers["ETag"]})
    assert again.status_code == 304
    assert answered(await operator.get(f"/tenants/{made['id']}"), 200)["settings"] == wanted
    assert answered(await admin.put("/tenants/me/settings", {"reopenWindowDays": 3}), 200) == {"reopenWindowDays": 3}


@pytest.mark.parametrize(
    "settings",
    [
        {"openRegistration": "yes"},
        {"openRegistration": None},
        {"autoCloseHours": 673},
        {"autoCloseHours": -1},
        {"reopenWindowDays": 1.5},
        {"a": "\x00"},
        {"a": 2**53},
        {"a": "x" * 17_000},
        [],
        "text",
        None,
    ],
)
async def test_settings_that_cannot_be(stranger: Person, settings: object) -> None:
    before = answered(await stranger.get("/tenants/me/settings"), 200)
    answer = refused(await stranger.ask("PUT", "/tenants/me/settings", json=settings), 400)
    assert answer["code"] == "VALIDATION_ERROR"
    assert answered(await stranger.get("/tenants/me/settings"), 200) == before


async def test_what_is_set_holds_at_once(operator: Person, people: People, client: httpx.AsyncClient) -> None:
    made, admin = await founded(operator, people)
    user = await people.newcomer(tenantSlug=made["slug"])
    tickets = [await user.opens_ticket() for _ in range(2)]
    for ticket in tickets:
        await admin.edits(ticket, status="closed")
    await user.comments_on(tickets[0])
    assert (await user.reads(tickets[0]))["status"] == "open"

    answered(await admin.put("/tenants/me/settings", {"reopenWindowDays": 0, "openRegistration": False}), 200)
    await user.comments_on(tickets[1])
    assert (await user.reads(tickets[1]))["status"] == "closed"
    body = {"email": fresh_address(), "password": PASSWORD, "name": "N N", "tenantSlug": made["slug"]}
    refused(await client.post(f"{API}/auth/signup", json=body), 403, "registration_closed")


# --- a tenant that is deleted -----------------------------------------------------------------------------------------


async def test_a_deleted_tenant_lets_nobody_in_anywhere(
    operator: Person, people: People, client: httpx.AsyncClient
) -> None:
    made, admin = await founded(operator, people)
    user = await people.newcomer(tenantSlug=made["slug"])
    ticket = await user.opens_ticket()
    for path in ("/webhooks", "/notifications", "/tickets"):  # every service has just answered
        answered(await admin.get(path), 200)
    answered(await operator.delete(f"/tenants/{made['id']}"), 204)

    login = {"email": admin.email, "password": PASSWORD}
    refused(await client.post(f"{API}/auth/login", json=login | {"tenantSlug": made["slug"]}), 401, "bad_credentials")
    refused(await client.post(f"{API}/auth/login", json=login), 401, "bad_credentials")
    refresh = {"refreshToken": admin.session["refreshToken"]}
    refused(await client.post(f"{API}/auth/refresh", json=refresh), 401, "bad_refresh_token")
    signup = {"email": fresh_address(), "password": PASSWORD, "name": "N N", "tenantSlug": made["slug"]}
    refused(await client.post(f"{API}/auth/signup", json=signup), 404, "tenant_not_found")
    register = {
        "email": fresh_address(), "password": PASSWORD, "firstName": "N", "lastName": "N", "tenantId": made["id"]
    }  # fmt: skip
    refused(await client.post(f"{API}/auth/register", json=register), 404, "tenant_not_found")

    calls = [
        ("GET", "/tickets"), ("GET", "/webhooks"), ("GET", "/notifications"), ("GET", f"/tenants/{made['id']}"),
        ("PATCH", f"/tickets/{ticket['id']}"), ("POST", "/tickets"), ("DELETE", f"/tenants/{made['id']}"),
    ]  # fmt: skip
    for method, path in calls:

        async def ended(method: str = method, path: str = path) -> bool:
            return (await admin.ask(method, path, json={"title": "x", "description": ""})).status_code == 401

        await eventually(ended, 10)
        answer = refused(await admin.ask(method, path, json={"title": "x", "description": ""}), 401, "tenant_closed")
        assert answer["code"] == "UNAUTHORIZED"


async def test_an_admin_can_delete_their_own_tenant(operator: Person, people: People) -> None:
    made, admin = await founded(operator, people)
    answered(await admin.get("/tickets"), 200)
    answered(await admin.delete(f"/tenants/{made['id']}"), 204)
    refused(await admin.get("/tickets"), 401, "tenant_closed")  # their very next read shows it
    refused(await operator.get(f"/tenants/{made['id']}"), 404, "tenant_not_found")
    assert (await admin.get(f"/tenants/{made['id']}")).status_code in (401, 404)
