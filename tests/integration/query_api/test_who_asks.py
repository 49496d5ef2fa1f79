"""Who may act now, at the query API: judged in the round trip of what is read, and anew where the belief was wrong."""

from datetime import UTC, datetime, timedelta
from typing import Any

from integration.query_api.views import Person, Views

LATER = timedelta(seconds=20)


async def changed(views: Views, person: Person, **columns: Any) -> None:
    """The person's row as the projector would leave it, later than their token."""
    now = datetime.now(UTC) + LATER
    values = {"valid_from": now, **{name: now if value is LATER else value for name, value in columns.items()}}
    sets = ", ".join(f"{name} = %({name})s" for name in values)
    await views.admin.execute(
        f"update views.people set {sets} where tenant_id = %(tenant_id)s and id = %(id)s".encode(),
        {**values, "tenant_id": person.tenant_id, "id": person.id},
    )


async def test_a_list_is_never_answered_by_a_role_that_was(views: Views) -> None:
    admin = await views.person("ADMIN")
    person = await views.person("AGENT", admin.tenant_id)
    ticket = await views.ticket(by=admin)
    for role, seen in (("AGENT", 1), ("USER", 0), ("ADMIN", 1), ("USER", 0), ("AGENT", 1)):
        await changed(views, person, role=role)
        assert len(await views.get(person, "/tickets")) == seen
        assert len(await views.get(person, "/tickets")) == seen  # by what was found, which is believed from now on
        answer = await views.ask(person, f"/tickets/{ticket}")
        assert answer.status_code == (200 if seen else 403)


async def test_a_refusal_of_before_is_judged_anew(views: Views) -> None:
    person = await views.person("USER")
    assert await views.refused(person, "/users") == (403, "not_allowed")
    await changed(views, person, role="ADMIN")
    await views.get(person, "/users")
    await changed(views, person, role="USER")
    assert await views.refused(person, "/users") == (403, "not_allowed")


async def test_whose_token_has_ended_learns_nothing_else(views: Views) -> None:
    """Neither that a thing exists, nor that a query is wrong, nor that what they have is still so."""
    person = await views.person("USER")
    ticket = await views.ticket(by=person)
    tag = (await views.ask(person, f"/tickets/{ticket}")).headers["ETag"]
    await changed(views, person, sessions_from=LATER)
    for _ in range(2):
        answer = await views.ask(person, f"/tickets/{ticket}", {"If-None-Match": tag})
        assert (answer.status_code, answer.json()["reason"]) == (401, "ended_token")
        for path, query in (
            (f"/tickets/{ticket}", {}),
            (f"/tickets/{person.id}", {}),
            ("/tickets/nothing", {}),
            ("/tickets", {"limit": "many"}),
            ("/tickets", {"page": ["1", "2"]}),
            ("/tickets/bulk-update", {}),
            ("/users", {}),
            ("/auth/me", {}),
            ("/tickets/export", {"format": "csv"}),
        ):
            assert await views.refused(person, path, **query) == (401, "ended_token"), path
    head = await views.client.head(f"/api/v1/tickets/{ticket}", headers=person.headers)
    assert (head.status_code, head.content) == (401, b"")


async def test_who_is_switched_off_is_out_and_a_new_token_is_in(views: Views) -> None:
    person = await views.person("AGENT")
    await changed(views, person, enabled=False, sessions_from=LATER)
    assert await views.refused(person, "/tickets") == (401, "ended_token")
    await changed(views, person, enabled=True)
    assert await views.refused(person, "/tickets") == (401, "ended_token")
    again = views.token(person.tenant_id, person.id, "AGENT", age=-2 * LATER)
    assert (await views.client.get("/api/v1/tickets", headers=again)).status_code == 200


async def test_nobody_of_a_closed_tenant_is_answered(views: Views) -> None:
    person = await views.person("ADMIN")
    await views.get(person, "/tickets")
    await views.admin.execute(
        b"insert into views.tenants (tenant_id, name, slug, settings, created_at, updated_at, version, closed_at)"
        b" values (%s, 'x', %s, '{}', now(), now(), 1, now())",
        (person.tenant_id, str(person.tenant_id)),
    )
    for path in ("/tickets", "/tenants", "/auth/me"):
        assert await views.refused(person, path) == (401, "tenant_closed")


async def test_after_a_restore_nobody_has_a_role_that_the_restored_rows_do_not_give(views: Views) -> None:
    """What was believed is newer than the rows then: they went back, or away, beneath a process that goes on."""
    person = await views.person("USER")
    for restored in (
        "update views.people set valid_from = null, role = 'USER' where tenant_id = %s and id = %s",
        "delete from views.people where tenant_id = %s and id = %s",
    ):
        await changed(views, person, role="ADMIN")
        await views.get(person, "/users")
        await views.get(person, "/users")  # by what was found, which is believed from now on
        await views.admin.execute(restored.encode(), (person.tenant_id, person.id))
        for _ in range(2):
            assert await views.refused(person, "/users") == (403, "not_allowed")
