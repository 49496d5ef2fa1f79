"""Endpoints through the API: who may, what is answered, what is recorded (contract §9)."""

import asyncio
from uuid import uuid4

import pytest

from integration.webhook_dispatcher.rig import AGENT, Rig

URL = "http://127.0.0.1:9/hook"
HOOK = {"url": URL, "events": ["TICKET_CREATED"]}


async def test_an_endpoint_is_made_changed_and_deleted(rig: Rig) -> None:
    async with rig.client("AGENT") as agent:
        made = await agent.post("/api/v1/webhooks", json=HOOK)
        assert made.status_code == 201
        shown = made.json()
        assert shown["secret"].startswith("whsec_")
        assert {name: shown[name] for name in ("tenantId", "url", "events", "isActive")} == {
            "tenantId": str(rig.tenant),
            **HOOK,
            "isActive": True,
        }
        path = f"/api/v1/webhooks/{shown['id']}"

        changed = await agent.patch(path, json={"events": ["ticket.*", "comment_added", "ticket.*"], "isActive": False})
        assert changed.status_code == 200
        assert (changed.json()["events"], changed.json()["isActive"]) == (["ticket.*", "COMMENT_ADDED"], False)
        assert changed.json()["updatedAt"] > shown["updatedAt"]
        assert "secret" not in changed.json()
        unchanged = await agent.put(path, json={"isActive": False})
        assert (unchanged.json(), unchanged.headers["etag"]) == (changed.json(), changed.headers["etag"])
        assert (await agent.get(path)).json() == changed.json()

        deleted = await agent.delete(path)
        assert deleted.status_code == 200
        assert deleted.json()["id"] == shown["id"]
        assert (await agent.get(path)).status_code == 404
        assert (await agent.delete(path)).status_code == 404
    recorded = await rig.sql(
        "select version, type, data::text from webhooks.event where stream_id = %s order by version", (shown["id"],)
    )
    assert [(version, type_) for version, type_, _ in recorded] == [
        (1, "webhook.endpoint_created"),
        (2, "webhook.endpoint_changed"),
        (3, "webhook.endpoint_deleted"),
    ]
    assert not any("whsec_" in data for *_, data in recorded)


async def test_a_given_secret_is_stored_sealed_and_never_shown(rig: Rig) -> None:
    secret = "s3cret of an integrator"
    made = await rig.endpoint(URL, "TICKET_CREATED", secret=secret)
    assert "secret" not in made
    [(sealed,)] = await rig.sql("select secret from webhooks.endpoint where id = %s", (made["id"],))
    assert secret.encode() not in bytes(sealed)


async def test_the_list_is_a_bare_array_newest_first_and_a_page_when_asked(rig: Rig) -> None:
    first = await rig.endpoint(URL, "TICKET_CREATED")
    second = await rig.endpoint(URL, "TICKET_CLOSED")
    async with rig.client() as admin:
        bare = (await admin.get("/api/v1/webhooks")).json()
        assert [one["id"] for one in bare] == [second["id"], first["id"]]
        assert all("secret" not in one for one in bare)
        page = (await admin.get("/api/v1/webhooks?limit=1")).json()
        assert [one["id"] for one in page["data"]] == [first["id"]]
        meta = {"page": 1, "limit": 1, "total": 2, "totalPages": 2, "hasNextPage": True, "hasPreviousPage": False}
        assert page["meta"] | meta == page["meta"]


async def test_cursors_lead_through_the_list_and_back(rig: Rig) -> None:
    made = [(await rig.endpoint(URL, "TICKET_CREATED"))["id"] for _ in range(5)]
    async with rig.client() as admin:

        async def page(cursor: str) -> tuple[list[str], str | None, str | None]:
            answer = await admin.get("/api/v1/webhooks", params={"cursor": cursor, "limit": 2, "sortOrder": "desc"})
            meta = answer.json()["meta"]
            return [one["id"] for one in answer.json()["data"]], meta["previousCursor"], meta["nextCursor"]

        first, none_before, after = await page("")
        second, before, further = await page(after or "")
        third, _, none_after = await page(further or "")
        assert first + second + third == made[::-1]
        assert (none_before, none_after) == (None, None)
        assert await page(before or "") == (first, None, after)
        assert (await admin.get("/api/v1/webhooks?cursor=nonsense")).status_code == 400
        assert (await admin.get("/api/v1/webhooks?limit=0")).status_code == 400


async def test_a_cursor_serves_its_own_list_alone(rig: Rig) -> None:
    for _ in range(2):
        made = await rig.endpoint(URL, "TICKET_CREATED")
    async with rig.client() as admin, rig.another_tenant().client() as stranger:
        page = (await admin.get("/api/v1/webhooks?cursor=&limit=1&sortBy=updatedAt")).json()
        path = f"/api/v1/webhooks?cursor={page['meta']['nextCursor']}"
        assert [one["id"] for one in (await admin.get(path)).json()["data"]] == [made["id"]]
        for refused in (
            await stranger.get(path),
            await admin.get(f"{path}&sortBy=createdAt"),
            await admin.get(f"{path[:-3]}AAA"),
            await admin.get(path.replace("webhooks", f"webhooks/{made['id']}/deliveries")),
        ):
            assert (refused.status_code, refused.json()["details"][0]["code"]) == (400, "bad_cursor")


async def test_users_may_not_and_strangers_find_nothing(rig: Rig) -> None:
    made = await rig.endpoint(URL, "TICKET_CREATED")
    path = f"/api/v1/webhooks/{made['id']}"
    async with rig.client("USER") as user:
        assert (await user.post("/api/v1/webhooks", json=HOOK)).status_code == 403
        assert (await user.get("/api/v1/webhooks")).status_code == 403
        assert (await user.delete(path)).status_code == 403
    async with rig.another_tenant().client() as stranger:
        assert (await stranger.get("/api/v1/webhooks")).json() == []
        for answer in (
            await stranger.get(path),
            await stranger.patch(path, json={"isActive": False}),
            await stranger.delete(path),
            await stranger.get(f"{path}/deliveries"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
    async with rig.client() as nobody:
        assert (await nobody.get(path, headers={"Authorization": "Bearer x.y.z"})).status_code == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {"events": []},
        {"events": ["TICKET_EXPLODED"]},
        {"events": ["*.created"]},
        {"url": "ftp://example.com/x"},
        {"url": "not a url"},
        {"url": "https://me:secret@example.com/"},
        {"url": "http://10.0.0.1/"},
        {"url": "http://169.254.169.254/latest/meta-data"},
        {"url": "http://[::ffff:10.0.0.1]/"},
        {"secret": "whsec_!!!"},
        {"secret": ""},
    ],
)
async def test_what_cannot_be_an_endpoint_is_refused(rig: Rig, wrong: dict[str, object]) -> None:
    async with rig.client() as admin:
        answer = await admin.post("/api/v1/webhooks", json=HOOK | wrong)
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")
    assert answer.json()["details"][0]["field"].startswith(next(iter(wrong)))


async def test_an_edit_of_an_older_version_is_refused(rig: Rig) -> None:
    made = await rig.endpoint(URL, "TICKET_CREATED")
    path = f"/api/v1/webhooks/{made['id']}"
    async with rig.client() as admin:
        tag = (await admin.get(path)).headers["etag"]
        assert (await admin.patch(path, json={"isActive": False}, headers={"If-Match": tag})).status_code == 200
        stale = await admin.patch(path, json={"isActive": True}, headers={"If-Match": tag})
        assert (stale.status_code, stale.json()["reason"]) == (412, "stale_version")


async def test_whose_token_has_ended_changes_nothing_and_is_told_at_once(rig: Rig) -> None:
    """Also with a body, which is read before anybody is judged."""
    async with rig.client() as admin:
        await rig.sql(
            "insert into webhooks.person (tenant_id, id, role, enabled, valid_from, sessions_from)"
            " values (%s, %s, 'ADMIN', true, now() + interval '1 minute', now() + interval '1 minute')",
            (rig.tenant, AGENT),
        )
        async with asyncio.timeout(10):
            for answer in (
                await admin.post("/api/v1/webhooks", json=HOOK),
                await admin.patch(f"/api/v1/webhooks/{uuid4()}", json=HOOK),
                await admin.get("/api/v1/webhooks"),
            ):
                assert (answer.status_code, answer.json()["reason"]) == (401, "ended_token")
    assert await rig.sql("select count(*) from webhooks.endpoint where tenant_id = %s", (rig.tenant,)) == [(0,)]
