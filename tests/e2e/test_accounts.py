"""One's own account, and the tenant's people (contract §4, §11)."""

import asyncio
from typing import Any

import httpx
import pytest

from support.people import API, DEFAULT_TENANT, DEMO_COMPANY, PASSWORD, People, Person, fresh_address
from support.shapes import AUTH, USER, answered, page_of, refused

NEW_PASSWORD = "another good password"


def account(**fields: Any) -> dict[str, Any]:
    names = {"firstName": "Grace", "lastName": "Hopper"}
    return {"email": fresh_address(), "password": PASSWORD, **names, "role": "USER", **fields}


async def login(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post(
        f"{API}/auth/login", json={"email": email, "password": password, "tenantSlug": DEFAULT_TENANT}
    )


async def hired(admin: Person, **fields: Any) -> Person:
    """Somebody whom the admin made, signed in."""
    made = answered(await admin.post("/users", account(**fields)), 201, USER)
    return Person(admin.client, answered(await login(admin.client, made["email"]), 200, AUTH))


# --- one's own name ---------------------------------------------------------------------------------------------------


async def test_one_changes_ones_own_name(user: Person) -> None:
    for body, name in (
        ({"name": "Ada King Lovelace"}, "Ada King Lovelace"),
        ({"firstName": "Augusta"}, "Augusta King Lovelace"),
        ({"firstName": "Ada", "lastName": "Byron"}, "Ada Byron"),
        ({}, "Ada Byron"),
    ):
        response = await user.put("/auth/me", body)
        changed = answered(response, 200, USER)
        first, _, last = name.partition(" ")
        assert (changed["name"], changed["firstName"], changed["lastName"]) == (name, first, last)
        seen = await user.get("/auth/me")
        assert answered(seen, 200, USER) == changed
        assert seen.headers["ETag"] == response.headers["ETag"]


async def test_spaces_around_a_name_make_no_first_name_blank(user: Person) -> None:
    changed = answered(await user.put("/auth/me", {"name": " Ada Lovelace "}), 200, USER)
    assert (changed["name"], changed["firstName"], changed["lastName"]) == (" Ada Lovelace ", "Ada", "Lovelace")
    comment = await user.comments_on(await user.opens_ticket())
    assert comment["authorName"] == "Ada Lovelace"


async def test_a_name_stands_in_new_and_old_tickets_at_once(user: Person) -> None:
    ticket = await user.opens_ticket()
    answered(await user.put("/auth/me", {"name": "Zora Neale"}), 200)
    assert (await user.reads(ticket))["createdBy"]["firstName"] == "Zora"
    assert (await user.opens_ticket())["createdBy"]["firstName"] == "Zora"


async def test_one_changes_nothing_else_of_oneself(user: Person) -> None:
    greedy = {"role": "ADMIN", "isActive": False, "email": fresh_address(), "tenantId": user.id, "id": user.tenant_id}
    assert answered(await user.put("/auth/me", greedy), 200, USER) == user.session["user"]


async def test_a_name_is_changed_only_from_where_it_was_read(user: Person) -> None:
    stale = {"If-Match": '"v7"'}
    refused(await user.put("/auth/me", {"name": "Ada"}, **stale), 412, "stale_version")
    refused(await user.put("/auth/me", {"name": ""}), 400, field="name")


@pytest.mark.parametrize("field", ["name", "firstName", "lastName"])
async def test_no_name_becomes_blank(admin: Person, user: Person, field: str) -> None:
    refused(await user.put("/auth/me", {field: " \t"}), 400, field=field)
    refused(await admin.patch(f"/users/{user.id}", {field: "\u00a0"}), 400, field=field)
    assert answered(await user.get("/auth/me"), 200, USER) == user.session["user"]


@pytest.mark.parametrize("field", ["firstName", "lastName"])
async def test_nobody_gets_an_account_with_a_blank_name(admin: Person, field: str) -> None:
    refused(await admin.post("/users", account(**{field: "  "})), 400, field=field)


# --- log out, and another password ------------------------------------------------------------------------------------


async def test_who_logs_out_has_no_token_left(client: httpx.AsyncClient, people: People) -> None:
    person = await people.newcomer()
    again = Person(client, answered(await login(client, person.email), 200, AUTH))
    answered(await person.post("/auth/logout", {"refreshToken": person.session["refreshToken"]}), 204)
    for one in (person, again):
        await demand_end(one)
        refresh = {"refreshToken": one.session["refreshToken"]}
        refused(await client.post(f"{API}/auth/refresh", json=refresh), 401, "bad_refresh_token")
    back = Person(client, answered(await login(client, person.email), 200, AUTH))
    for path in ("/auth/me", "/tickets", "/notifications"):
        answered(await back.get(path), 200)


async def test_a_log_out_needs_no_body(people: People) -> None:
    person = await people.newcomer()
    answered(await person.ask("POST", "/auth/logout"), 204)
    refused(await person.ask("POST", "/auth/logout"), 401, "ended_token")
    stranger = await people.newcomer()
    refused(await stranger.post("/auth/logout", {"refreshToken": "x"}), 400, field="refreshToken")
    refused(await people.client.post(f"{API}/auth/logout"), 401, "missing_token")


async def test_another_password_ends_every_token(client: httpx.AsyncClient, people: People) -> None:
    person = await people.newcomer()
    change = {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}
    answered(await person.put("/auth/me/password", change), 204)
    await demand_end(person)
    refresh = {"refreshToken": person.session["refreshToken"]}
    refused(await client.post(f"{API}/auth/refresh", json=refresh), 401, "bad_refresh_token")
    refused(await login(client, person.email), 401, "bad_credentials")
    back = Person(client, answered(await login(client, person.email, NEW_PASSWORD), 200, AUTH))
    answered(await back.get("/auth/me"), 200, USER)


async def test_the_present_password_must_be_known(client: httpx.AsyncClient, user: Person) -> None:
    wrong = {"currentPassword": "not this one", "newPassword": NEW_PASSWORD}
    refused(await user.put("/auth/me/password", wrong), 400, field="currentPassword")
    short = {"currentPassword": PASSWORD, "newPassword": "short"}
    refused(await user.put("/auth/me/password", short), 400, field="newPassword")
    refused(await user.put("/auth/me/password", {}), 400)
    answered(await user.get("/auth/me"), 200, USER)
    answered(await login(client, user.email), 200, AUTH)


async def demand_end(person: Person) -> None:
    """The token counts nowhere any more."""
    refused(await person.get("/auth/me"), 401, "ended_token")
    refused(await person.put("/auth/me", {"name": "Mallory"}), 401, "ended_token")
    for path in ("/tickets", "/notifications", "/webhooks"):
        refused(await person.get(path), 401, "ended_token")


# --- the tenant's people ----------------------------------------------------------------------------------------------


async def test_an_admin_makes_an_account_that_can_log_in(admin: Person) -> None:
    body = account(role="agent", firstName="Grace", lastName="Brewster Hopper")
    response = await admin.post("/users", body)
    made = answered(response, 201, USER)
    assert response.headers["Location"] == f"{API}/users/{made['id']}"
    assert (made["email"], made["name"], made["role"]) == (body["email"], "Grace Brewster Hopper", "AGENT")
    assert (made["tenantId"], made["enabled"], made["state"]) == (admin.tenant_id, True, "active")
    assert answered(await admin.get(f"/users/{made['id']}"), 200, USER) == made
    session = answered(await login(admin.client, body["email"]), 200, AUTH)
    assert session["user"] == made
    refused(await admin.post("/users", account(email=body["email"].upper())), 409, "email_taken")


async def test_without_a_password_it_is_an_invitation(admin: Person) -> None:
    body = account()
    del body["password"]
    made = answered(await admin.post("/users", body), 201, USER)
    assert (made["state"], made["enabled"]) == ("invited", True)
    for password in (PASSWORD, "None", "null"):
        refused(await login(admin.client, body["email"], password), 401, "bad_credentials")


@pytest.mark.parametrize(
    ("field", "value"),
    [("email", "nobody"), ("password", "short"), ("firstName", ""), ("role", "ROOT"), ("role", None), ("lastName", 7)],
)
async def test_a_new_account_is_checked_field_by_field(admin: Person, field: str, value: object) -> None:
    refused(await admin.post("/users", account(**{field: value})), 400, field=field)


async def test_who_may_see_and_change_people(admin: Person, agent: Person, user: Person) -> None:
    one = f"/users/{user.id}"
    answered(await agent.get("/users"), 200)
    answered(await agent.get(one), 200, USER)
    for person, refusals in ((agent, ()), (user, (user.get("/users"), user.get(one)))):
        for refusal in (
            *refusals,
            person.post("/users", account()),
            person.put(one, {"role": "ADMIN"}),
            person.patch(one, {"role": "ADMIN"}),
            person.delete(one),
        ):
            refused(await refusal, 403, "not_allowed")
    assert answered(await admin.get(one), 200, USER)["role"] == "USER"


async def test_another_tenants_people_do_not_exist(stranger: Person, admin: Person, agent: Person) -> None:
    one = f"/users/{agent.id}"
    for refusal in (
        stranger.get(one),
        stranger.put(one, {"firstName": "Mallory"}),
        stranger.patch(one, {"isActive": False}),
        stranger.delete(one),
    ):
        refused(await refusal, 404, "user_not_found")
    found = answered(await stranger.get("/users", search=agent.email), 200, page_of(USER))
    assert found["data"] == []
    refused(await stranger.get("/users", tenantId=agent.tenant_id), 404, "tenant_not_found")
    refused(await agent.get("/users", tenantId=stranger.tenant_id), 404, "tenant_not_found")
    refused(await admin.get("/users", tenantId="00000000-0000-4000-8000-000000000000"), 404, "tenant_not_found")
    own = answered(await stranger.get("/users", tenantId=stranger.tenant_id, role="ADMIN"), 200, page_of(USER))
    by_operator = answered(await admin.get("/users", tenantId=stranger.tenant_id, role="ADMIN"), 200, page_of(USER))
    assert by_operator["data"] == own["data"] != []


async def test_people_are_found_by_role_and_by_text(admin: Person) -> None:
    marker = fresh_address().partition("@")[0]
    made = [
        answered(await admin.post("/users", account(email=f"{marker}-{n}@example.org", role=role)), 201, USER)
        for n, role in enumerate(("USER", "AGENT", "USER"))
    ]
    found = answered(await admin.get("/users", search=marker.upper()), 200, page_of(USER))
    assert found["data"] == made
    assert (found["meta"]["total"], found["meta"]["page"]) == (3, 1)
    found = answered(await admin.get("/users", search=marker, role="agent"), 200, page_of(USER))
    assert found["data"] == made[1:2]
    assert answered(await admin.get("/users", search=f"{marker}%_"), 200)["data"] == []
    refused(await admin.get("/users", role="root"), 400, field="role")
    seen: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        page = answered(await admin.get("/users", search=marker, limit=2, cursor=cursor, sortOrder="desc"), 200)
        seen += page["data"]
        cursor = page["meta"]["nextCursor"]
    assert seen == made[::-1]


# --- who may act now --------------------------------------------------------------------------------------------------


async def test_a_new_role_counts_for_tokens_that_are_out_already(admin: Person) -> None:
    person = await hired(admin)
    refused(await person.get("/users"), 403)
    changed = answered(await admin.patch(f"/users/{person.id}", {"role": "AGENT"}), 200, USER)
    assert (changed["role"], changed["roles"]) == ("AGENT", ["ROLE_AGENT"])
    answered(await person.get("/users"), 200)
    answered(await person.get("/webhooks"), 200)
    answered(await admin.patch(f"/users/{person.id}", {"role": "USER"}), 200, USER)
    refused(await person.get("/users"), 403)
    refused(await person.get("/webhooks"), 403)
    ticket = await admin.opens_ticket()
    refused(await person.patch(f"/tickets/{ticket['id']}", {"title": "x"}), 403)


async def test_a_deactivated_account_is_out_everywhere_and_can_come_back(admin: Person) -> None:
    person = await hired(admin, role="AGENT")
    for path in ("/tickets", "/webhooks", "/notifications"):
        answered(await person.get(path), 200)
    for _ in range(2):
        answered(await admin.delete(f"/users/{person.id}"), 204)
    await demand_end(person)
    refused(await login(admin.client, person.email), 401, "bad_credentials")
    refresh = {"refreshToken": person.session["refreshToken"]}
    refused(await admin.client.post(f"{API}/auth/refresh", json=refresh), 401, "bad_refresh_token")
    seen = answered(await admin.get(f"/users/{person.id}"), 200, USER)
    assert (seen["enabled"], seen["isActive"], seen["state"]) == (False, False, "deactivated")
    ticket = await admin.opens_ticket()
    refused(await admin.patch(f"/tickets/{ticket['id']}", {"assignedToId": person.id}), 400, field="assignedToId")

    answered(await admin.put(f"/users/{person.id}", {"isActive": True}), 200, USER)
    refused(await person.get("/auth/me"), 401, "ended_token")
    refused(await admin.client.post(f"{API}/auth/refresh", json=refresh), 401, "bad_refresh_token")
    back = Person(admin.client, answered(await login(admin.client, person.email), 200, AUTH))
    for path in ("/auth/me", "/webhooks", "/notifications"):
        answered(await back.get(path), 200)


async def test_an_edit_is_all_or_nothing_and_honours_its_version(admin: Person) -> None:
    person = await hired(admin)
    path = f"/users/{person.id}"
    tag = (await admin.get(path)).headers["ETag"]
    edit = {"firstName": "Ada", "lastName": "", "role": "AGENT", "isActive": True, "email": fresh_address()}
    response = await admin.patch(path, edit, **{"If-Match": tag})
    changed = answered(response, 200, USER)
    assert (changed["name"], changed["lastName"], changed["role"]) == ("Ada", "", "AGENT")
    assert changed["email"] == person.email
    refused(await admin.patch(path, {"role": "USER"}, **{"If-Match": tag}), 412, "stale_version")
    refused(await admin.delete(path, **{"If-Match": tag}), 412, "stale_version")
    refused(await admin.patch(path, {"firstName": "Eve", "role": "ROOT"}), 400, field="role")
    unchanged = await admin.patch(path, edit)
    assert answered(unchanged, 200, USER) == changed
    assert unchanged.headers["ETag"] == response.headers["ETag"]
    for method in ("PUT", "PATCH", "DELETE"):
        refused(await admin.ask(method, "/users/nobody", json={}), 400)
        refused(await admin.ask(method, "/users/00000000-0000-4000-8000-000000000000", json={}), 404, "user_not_found")


async def test_a_tenant_keeps_an_active_admin(stranger: Person) -> None:
    for change in ({"role": "AGENT"}, {"isActive": False}):
        refused(await stranger.patch(f"/users/{stranger.id}", change), 409, "last_admin")
    refused(await stranger.delete(f"/users/{stranger.id}"), 409, "last_admin")
    invited = account(role="ADMIN")
    del invited["password"]
    answered(await stranger.post("/users", invited), 201, USER)
    refused(await stranger.delete(f"/users/{stranger.id}"), 409, "last_admin")
    answered(await stranger.get("/auth/me"), 200, USER)


async def test_two_admins_do_not_demote_each_other_at_once(people: People, stranger: Person) -> None:
    """Both count one other admin; only one of them may be right. (The demo company's own admin stays one.)"""
    body = account(role="ADMIN", password=PASSWORD)
    answered(await stranger.post("/users", body), 201, USER)
    login_ = {"email": body["email"], "password": PASSWORD, "tenantSlug": DEMO_COMPANY}
    second = Person(people.client, answered(await people.client.post(f"{API}/auth/login", json=login_), 200, AUTH))
    answers = await asyncio.gather(
        stranger.patch(f"/users/{second.id}", {"role": "AGENT"}),
        second.patch(f"/users/{stranger.id}", {"role": "AGENT"}),
    )
    admins = answered(await (stranger if answers[0].status_code == 200 else second).get("/users", role="ADMIN"), 200)
    active = [one for one in admins["data"] if one["state"] == "active"]
    assert sorted(answer.status_code for answer in answers) in ([200, 403], [200, 409])
    assert len(active) == 1
    if active[0]["id"] != stranger.id:
        answered(await second.patch(f"/users/{stranger.id}", {"role": "ADMIN"}), 200)
    answered(await stranger.delete(f"/users/{second.id}"), 204)


# --- new tenants ------------------------------------------------------------------------------------------------------


async def test_strangers_found_no_tenants_unless_the_operator_allows_it(client: httpx.AsyncClient) -> None:
    body = {
        "tenantName": "Initech",
        "tenantSlug": f"initech-{fresh_address()[5:20]}",
        "email": fresh_address(),
        "password": PASSWORD,
        "name": "Bill",
    }
    refused(await client.post(f"{API}/auth/tenants", json=body), 403, "self_service_off")
    refused(await client.post(f"{API}/auth/tenants", json=body | {"tenantSlug": "Not A Slug"}), 400, field="tenantSlug")
