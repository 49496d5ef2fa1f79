"""Who one is: sign-up, registration, log-in, refresh, and the account itself (contract §4)."""

import time
from typing import Any

import httpx
import pytest

from support.cases import each
from support.people import API, DEFAULT_TENANT, DEMO_COMPANY, PASSWORD, People, Person, fresh_address
from support.shapes import AUTH, DEMO_COMPANY_ID, ID, USER, answered, fits, refused

HOURS_24_MS = 24 * 60 * 60 * 1000
SCOPES = {
    "USER": ["tickets:read:own", "tickets:write:own"],
    "AGENT": [
        "tickets:read:own",
        "tickets:write:own",
        "tickets:read:any",
        "tickets:read:assigned",
        "tickets:write:assigned",
        "tickets:write:any",
    ],
    "ADMIN": ["tickets:read:any", "tickets:write:any", "tickets:delete:any", "users:read:any", "users:write:any"],
}


def signup(**fields: Any) -> dict[str, Any]:
    return {"email": fresh_address(), "password": PASSWORD, "name": "Ada Lovelace", **fields}


def registration(**fields: Any) -> dict[str, Any]:
    names = {"firstName": "Ada", "lastName": "King Lovelace"}
    return {"email": fresh_address(), "password": PASSWORD, **names, "tenantId": DEMO_COMPANY_ID, **fields}


async def call(client: httpx.AsyncClient, name: str, body: object) -> httpx.Response:
    return await client.post(f"{API}/auth/{name}", json=body)


async def test_who_signs_up_is_signed_in(client: httpx.AsyncClient) -> None:
    body = signup(name="Ada King Lovelace")
    session = answered(await call(client, "signup", body), 201, AUTH)
    assert session["token"] == session["accessToken"]
    assert session["expiresIn"] == HOURS_24_MS
    user = session["user"]
    fits(user["id"], ID)
    assert user["email"] == body["email"]
    assert (user["name"], user["firstName"], user["lastName"]) == ("Ada King Lovelace", "Ada", "King Lovelace")
    assert (user["role"], user["roles"], user["scopes"]) == ("USER", ["ROLE_USER"], SCOPES["USER"])
    assert user["enabled"] is user["isActive"] is True


async def test_a_fresh_token_works_everywhere_at_once(people: People) -> None:
    newcomer = await people.newcomer()
    assert answered(await newcomer.get("/auth/me"), 200, USER) == newcomer.session["user"]
    assert answered(await newcomer.get("/tickets"), 200) == []
    assert answered(await newcomer.get("/notifications"), 200) == []
    refused(await newcomer.get("/webhooks"), 403)
    await newcomer.opens_ticket()


async def test_nobody_makes_themselves_more_than_a_user(client: httpx.AsyncClient) -> None:
    greedy = {
        "role": "ADMIN",
        "roles": ["ROLE_ADMIN"],
        "scopes": ["users:write:any"],
        "id": "00000000-0000-4000-8000-000000000000",
        "enabled": False,
        "isActive": False,
        "createdAt": "2001-01-01T00:00:00.000Z",
    }
    user = answered(await call(client, "signup", signup(**greedy, tenantId=DEMO_COMPANY_ID)), 201, AUTH)["user"]
    also = answered(await call(client, "register", registration(**greedy, tenantSlug=DEFAULT_TENANT)), 201, USER)
    for made in (user, also):
        assert (made["role"], made["scopes"], made["enabled"]) == ("USER", SCOPES["USER"], True)
        fits(made["id"], ID)
        assert made["createdAt"] > "2020"
    assert user["tenantId"] != DEMO_COMPANY_ID
    assert also["tenantId"] == DEMO_COMPANY_ID


async def test_one_signs_up_in_the_tenant_one_names(client: httpx.AsyncClient, people: People) -> None:
    user = answered(await call(client, "signup", signup(tenantSlug=DEMO_COMPANY)), 201, AUTH)["user"]
    assert user["tenantId"] == DEMO_COMPANY_ID
    refused(await call(client, "signup", signup(tenantSlug="no-such-tenant")), 404, "tenant_not_found")
    default = (await people.agent()).tenant_id
    assert answered(await call(client, "signup", signup()), 201, AUTH)["user"]["tenantId"] == default


async def test_an_address_has_one_account_in_a_tenant(client: httpx.AsyncClient) -> None:
    address = fresh_address()
    answered(await call(client, "signup", signup(email=address)), 201, AUTH)
    refused(await call(client, "signup", signup(email=address)), 409, "email_taken")
    refused(await call(client, "signup", signup(email=address.upper())), 409, "email_taken")
    answered(await call(client, "register", registration(email=address)), 201, USER)
    refused(await call(client, "register", registration(email=address)), 409, "email_taken")


async def test_who_registers_is_not_signed_in_but_may_log_in(client: httpx.AsyncClient) -> None:
    body = registration()
    user = answered(await call(client, "register", body), 201, USER)
    assert not {"accessToken", "refreshToken", "token"} & user.keys()
    assert (user["name"], user["firstName"], user["lastName"]) == ("Ada King Lovelace", "Ada", "King Lovelace")
    login = {"email": body["email"], "password": PASSWORD, "tenantSlug": DEMO_COMPANY}
    assert answered(await call(client, "login", login), 200, AUTH)["user"] == user


async def test_one_registers_in_a_tenant_that_exists(client: httpx.AsyncClient) -> None:
    unknown = "550e8400-e29b-41d4-a716-44665544ffff"
    refused(await call(client, "register", registration(tenantId=unknown)), 404, "tenant_not_found")
    refused(await call(client, "register", registration(tenantId="demo-company")), 400, field="tenantId")


@pytest.mark.parametrize(
    ("email", "slug", "role"),
    [
        ("admin@example.com", DEFAULT_TENANT, "ADMIN"),
        ("agent@example.com", DEFAULT_TENANT, "AGENT"),
        ("user@example.com", DEFAULT_TENANT, "USER"),
        ("admin@demo.com", DEMO_COMPANY, "ADMIN"),
    ],
)
async def test_the_demo_people_are_there(people: People, email: str, slug: str, role: str) -> None:
    user = (await people.demo(email, slug)).session["user"]
    assert (user["email"], user["role"], user["roles"]) == (email, role, [f"ROLE_{role}"])
    assert user["scopes"] == SCOPES[role]
    assert (user["tenantId"] == DEMO_COMPANY_ID) is (slug == DEMO_COMPANY)


async def test_one_logs_in_with_and_without_naming_the_tenant(client: httpx.AsyncClient, user: Person) -> None:
    for more in ({}, {"tenantSlug": DEFAULT_TENANT}, {"tenantSlug": None}):
        body = {"email": user.email, "password": PASSWORD, **more}
        session = answered(await call(client, "login", body), 200, AUTH)
        assert session["user"] == user.session["user"]
    shouted = {"email": user.email.upper(), "password": PASSWORD}
    assert answered(await call(client, "login", shouted), 200, AUTH)["user"]["id"] == user.id


async def test_accounts_in_several_tenants_must_be_told_apart(client: httpx.AsyncClient) -> None:
    address = fresh_address()
    for slug in (DEFAULT_TENANT, DEMO_COMPANY):
        answered(await call(client, "signup", signup(email=address, tenantSlug=slug)), 201)
    refused(await call(client, "login", {"email": address, "password": PASSWORD}), 400, "tenant_required")
    named = {"email": address, "password": PASSWORD, "tenantSlug": DEMO_COMPANY}
    assert answered(await call(client, "login", named), 200, AUTH)["user"]["tenantId"] == DEMO_COMPANY_ID


async def test_the_password_tells_accounts_of_several_tenants_apart(client: httpx.AsyncClient) -> None:
    address, other = fresh_address(), "another password"
    answered(await call(client, "signup", signup(email=address)), 201)
    answered(await call(client, "signup", signup(email=address, password=other, tenantSlug=DEMO_COMPANY)), 201)
    session = answered(await call(client, "login", {"email": address, "password": other}), 200, AUTH)
    assert session["user"]["tenantId"] == DEMO_COMPANY_ID


async def test_failed_logins_all_read_the_same(client: httpx.AsyncClient, user: Person) -> None:
    failures = [
        {"email": user.email, "password": "not this one"},
        {"email": fresh_address(), "password": PASSWORD},
        {"email": user.email, "password": PASSWORD, "tenantSlug": DEMO_COMPANY},
        {"email": user.email, "password": PASSWORD, "tenantSlug": "no-such-tenant"},
        {"email": user.email, "password": PASSWORD.upper()},
        {"email": user.email, "password": f" {PASSWORD}"},
    ]
    read = set()
    for body in failures:
        problem = refused(await call(client, "login", body), 401)
        del problem["timestamp"], problem["requestId"]
        read.add(tuple(sorted((name, str(value)) for name, value in problem.items())))
    assert len(read) == 1


@pytest.mark.parametrize("email", ["", "ada", "ada@", "@example.org", "a@b@c.org", "no address at all", None, 7])
async def test_a_login_with_no_address_is_refused_before_any_password_is_verified(
    client: httpx.AsyncClient, email: object
) -> None:
    problem = refused(await call(client, "login", {"email": email, "password": PASSWORD}), 400, field="email")
    assert problem["code"] == "VALIDATION_ERROR"


async def test_a_login_with_no_address_takes_no_time(client: httpx.AsyncClient) -> None:
    async def seconds(email: str, status: int) -> float:
        begun = time.perf_counter()
        refused(await call(client, "login", {"email": email, "password": PASSWORD}), status)
        return time.perf_counter() - begun

    malformed = [await seconds("ada", 400) for _ in range(5)]
    unknown = [await seconds(fresh_address(), 401) for _ in range(5)]
    assert min(malformed) * 3 < min(unknown), "five passwords were verified for it"


async def test_a_refresh_token_stays_as_it_is_and_renews_the_access(client: httpx.AsyncClient, user: Person) -> None:
    first = user.session["refreshToken"]
    for _ in range(2):
        session = answered(await call(client, "refresh", {"refreshToken": first}), 200, AUTH)
        assert session["refreshToken"] == first
        assert session["user"] == user.session["user"]
        renewed = Person(client, session)
        answered(await renewed.get("/auth/me"), 200, USER)


async def test_each_login_has_a_refresh_token_of_its_own(client: httpx.AsyncClient, user: Person) -> None:
    again = answered(await call(client, "login", {"email": user.email, "password": PASSWORD}), 200, AUTH)
    assert again["refreshToken"] != user.session["refreshToken"]
    assert again["accessToken"] != user.token


@pytest.mark.parametrize(
    ("token", "status"),
    [
        ("9b2d6a58-3f0c-4a8e-9c5d-2f6f0d7b1e11", 401),
        ("not-a-uuid", 400),
        ("", 400),
        (None, 400),
        (7, 400),
        ("{9b2d6a58-3f0c-4a8e-9c5d-2f6f0d7b1e11}", 400),
    ],
)
async def test_an_unknown_refresh_token_is_401_and_a_malformed_one_400(
    client: httpx.AsyncClient, token: object, status: int
) -> None:
    refused(await call(client, "refresh", {"refreshToken": token}), status)


async def test_an_access_token_is_no_refresh_token(client: httpx.AsyncClient, user: Person) -> None:
    refused(await call(client, "refresh", {"refreshToken": user.token}), 400, field="refreshToken")
    wrong = {"Authorization": f"Bearer {user.session['refreshToken']}"}
    refused(await client.get(f"{API}/auth/me", headers=wrong), 401)


async def test_the_alias_of_older_clients_is_the_same(client: httpx.AsyncClient) -> None:
    body = signup()
    answered(await client.post("/api/auth/signup", json=body), 201, AUTH)
    login = {"email": body["email"], "password": PASSWORD}
    session = answered(await client.post("/api/auth/login", json=login), 200, AUTH)
    refresh = {"refreshToken": session["refreshToken"]}
    answered(await client.post("/api/auth/refresh", json=refresh), 200, AUTH)
    answered(await client.post("/api/auth/register", json=registration()), 201, USER)
    bearer = {"Authorization": f"Bearer {session['accessToken']}"}
    assert answered(await client.get("/api/auth/me", headers=bearer), 200, USER) == session["user"]


@pytest.mark.parametrize(
    ("field", "value"),
    each(
        email=["", "ada", "ada@", "@example.org", "a b@example.org", "a@b@c.org", None, 7, ["a@example.org"],
               f"{'a' * 300}@example.org", "ada@example.org\u0000"],
        password=["", "7 chars", "😀😀😀7", None, 12345678, "x" * 100_000],
        name=["", " ", "\t\n", "\u00a0\u2003", "x" * 201, "😀" * 100 + "x", None, {}, "Ada\u0000"],
        tenantSlug=["", "Default", "de fault", "de_fault", "défault", "default\n", 7],
    ),
)  # fmt: skip
async def test_a_sign_up_is_checked_field_by_field(client: httpx.AsyncClient, field: str, value: object) -> None:
    problem = refused(await call(client, "signup", signup(**{field: value})), 400)
    assert [one["field"] for one in problem["details"]] == [field]


@pytest.mark.parametrize("field", ["email", "password", "name"])
async def test_a_sign_up_lacks_nothing(client: httpx.AsyncClient, field: str) -> None:
    body = signup()
    del body[field]
    refused(await call(client, "signup", body), 400, field=field)


@pytest.mark.parametrize("field", ["firstName", "lastName"])
async def test_a_registration_needs_names_that_are_not_blank(client: httpx.AsyncClient, field: str) -> None:
    problem = refused(await call(client, "register", registration(**{field: " \t"})), 400, field=field)
    assert problem["details"][0]["code"] == "blank"


@pytest.mark.parametrize("field", ["email", "password", "firstName", "lastName", "tenantId"])
async def test_a_registration_lacks_nothing(client: httpx.AsyncClient, field: str) -> None:
    body = registration()
    del body[field]
    refused(await call(client, "register", body), 400, field=field)


async def test_every_fault_of_a_sign_up_is_told_at_once(client: httpx.AsyncClient) -> None:
    details = refused(await call(client, "signup", {"email": "ada", "password": "short", "name": ""}), 400)["details"]
    assert {one["field"] for one in details} == {"email", "password", "name"}


@pytest.mark.parametrize(
    "name", ["A", "Ada", " Ada ", "Åsa Öberg", "عمر الخيام", "😀" * 100, "O'Neil-Smith", "x" * 200]
)
async def test_names_are_kept_as_given(client: httpx.AsyncClient, name: str) -> None:
    user = answered(await call(client, "signup", signup(name=name)), 201, AUTH)["user"]
    first, _, last = name.strip().partition(" ")
    assert (user["name"], user["firstName"], user["lastName"]) == (name, first, last)


@pytest.mark.parametrize("password", ["8 chars!", "😀😀😀😀", "pässwörter", "  spaces  ", "x" * 200])
async def test_passwords_may_be_anything_of_eight_units(client: httpx.AsyncClient, password: str) -> None:
    body = signup(password=password)
    answered(await call(client, "signup", body), 201, AUTH)
    answered(await call(client, "login", {"email": body["email"], "password": password}), 200, AUTH)


async def test_me_is_tagged_and_told_once(user: Person) -> None:
    response = await user.get("/auth/me")
    answered(response, 200, USER)
    again = await user.ask("GET", "/auth/me", headers={"If-None-Match": response.headers["ETag"]})
    answered(again, 304)
