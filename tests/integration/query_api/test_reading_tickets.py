"""What people see of tickets, on a real PostgreSQL with row-level security (contract §3, §6, §13)."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from helpdesk.http.shapes import TicketDetailShape
from integration.query_api.views import Person, Views
from query_api.wire import ListedTicket


def ids(tickets: list[dict[str, str]]) -> list[UUID]:
    return [UUID(ticket["id"]) for ticket in tickets]


async def test_a_ticket_in_a_list_has_the_contracts_shape(views: Views) -> None:
    requester = await views.person("USER")
    agent = await views.person("AGENT", requester.tenant_id)
    ticket = await views.ticket(requester, metadata='{"naïve": [1, 2.50]}', tags=["fire"], assignee_id=agent.id)
    comment = await views.comment(ticket, agent, "Run «away»")

    (seen,) = await views.get(requester, "/tickets")

    ListedTicket.model_validate(seen, extra="forbid", by_alias=True, by_name=False)
    assert seen["createdBy"] == {
        "id": str(requester.id),
        "email": f"{requester.id}@example.com",
        "firstName": "Ada",
        "lastName": "King Lovelace",
    }
    assert seen["metadata"] == {"naïve": [1, 2.5]}
    assert seen["tags"] == ["fire"]
    assert (seen["waitingOn"], seen["resolution"]) == (None, None)
    assert seen["assignedToId"] == str(agent.id)
    assert seen["createdAt"].endswith(".000Z")
    assert [(one["id"], one["content"]) for one in seen["comments"]] == [(str(comment), "Run «away»")]
    assert seen["comments"][0]["createdAt"].endswith(".000Z")


async def test_a_ticket_has_its_comments_and_activities_newest_first(views: Views) -> None:
    agent = await views.person("AGENT")
    ticket = await views.ticket(agent, version=3)
    comments = [await views.comment(ticket, agent) for _ in range(2)]
    await views.activity(ticket, agent, "CREATED", 1)
    await views.activity(ticket, agent, "COMMENTED", 2)

    seen = await views.get(agent, f"/tickets/{ticket}")

    TicketDetailShape.model_validate(seen, extra="forbid", by_alias=True, by_name=False)
    assert ids(seen["comments"]) == comments[::-1]
    assert [one["type"] for one in seen["activities"]] == ["COMMENTED", "CREATED"]
    assert seen["activities"][0]["changes"] == {"a": 1}
    assert seen["activities"][0]["actor"]["firstName"] == "Ada"
    assert seen["attachments"] == []


async def test_internal_notes_reach_the_tenants_people_and_no_requester(views: Views) -> None:
    requester = await views.person("USER")
    agent = await views.person("AGENT", requester.tenant_id)
    ticket = await views.ticket(requester)
    await views.comment(ticket, agent, "They never read the manual", internal=True)
    await views.comment(ticket, agent, "We are looking into it")
    await views.activity(ticket, agent, "COMMENTED", 2, internal=True)

    async def everywhere(person: Person) -> list[int]:
        detail = await views.get(person, f"/tickets/{ticket}")
        (listed,) = await views.get(person, "/tickets")
        bare = await views.get(person, f"/tickets/{ticket}/comments")
        flat = await views.get(person, "/comments", ticketId=ticket)
        assert flat["meta"]["total"] == len(flat["data"])
        return [len(one) for one in (detail["comments"], listed["comments"], bare, flat["data"], detail["activities"])]

    assert await everywhere(requester) == [1, 1, 1, 1, 0]
    assert await everywhere(agent) == [2, 2, 2, 2, 1]


async def test_a_user_sees_their_own_tickets_and_no_filter_widens_that(views: Views) -> None:
    requester = await views.person("USER")
    other = await views.person("USER", requester.tenant_id)
    agent = await views.person("AGENT", requester.tenant_id)
    mine, theirs = await views.ticket(requester), await views.ticket(other)

    assert ids(await views.get(requester, "/tickets")) == [mine]
    assert await views.get(requester, "/tickets", createdById=other.id) == []
    assert ids(await views.get(agent, "/tickets")) == [theirs, mine]
    assert ids(await views.get(agent, "/tickets", createdById=other.id)) == [theirs]
    assert (await views.get(requester, "/tickets/stats"))["total"] == 1
    assert await views.refused(requester, f"/tickets/{theirs}") == (403, "not_allowed")
    assert await views.refused(requester, f"/tickets/{theirs}/comments") == (403, "not_allowed")
    assert await views.refused(requester, "/comments", ticketId=theirs) == (403, "not_allowed")


async def test_another_tenants_ticket_and_a_deleted_one_do_not_exist(views: Views) -> None:
    admin = await views.person("ADMIN")
    foreign = await views.ticket(await views.person("USER"))
    deleted = await views.ticket(admin, deleted=True)

    for ticket in (foreign, deleted, uuid4()):
        assert await views.refused(admin, f"/tickets/{ticket}") == (404, "ticket_not_found")
        assert await views.refused(admin, f"/tickets/{ticket}/comments") == (404, "ticket_not_found")
        assert await views.refused(admin, "/comments", ticketId=ticket) == (404, "ticket_not_found")
    assert await views.get(admin, "/tickets") == []
    assert (await views.get(admin, "/tickets/stats"))["total"] == 0


async def test_counts_name_every_word(views: Views) -> None:
    agent = await views.person("AGENT")
    await views.ticket(agent, status="closed", priority="high")
    await views.ticket(agent, priority="high")
    assert await views.get(agent, "/tickets/stats") == {
        "total": 2,
        "byStatus": {"open": 1, "in_progress": 0, "resolved": 0, "closed": 1},
        "byPriority": {"low": 0, "medium": 0, "high": 2, "critical": 0},
    }


async def test_an_entity_tag_spares_the_body_until_something_changes(views: Views) -> None:
    agent = await views.person("AGENT")
    ticket = await views.ticket(agent, version=7)
    first = await views.ask(agent, f"/tickets/{ticket}")
    assert first.headers["etag"].startswith('"v7.')
    again = await views.ask(agent, f"/tickets/{ticket}", {"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    await views.admin.execute("update views.people set name = 'Grace Hopper' where id = %s", (agent.id,))
    renamed = await views.ask(agent, f"/tickets/{ticket}", {"If-None-Match": first.headers["etag"]})
    assert renamed.status_code == 200


async def test_a_creator_whom_the_views_do_not_know_yet_has_an_id(views: Views) -> None:
    agent = await views.person("AGENT")
    stranger = uuid4()
    ticket = await views.ticket(agent, created_by_id=stranger)
    seen = await views.get(agent, f"/tickets/{ticket}")
    assert seen["createdBy"] == {"id": str(stranger), "email": "", "firstName": "", "lastName": ""}


async def test_comments_are_bare_and_newest_first_or_paged_and_oldest_first(views: Views) -> None:
    agent = await views.person("AGENT")
    ticket = await views.ticket(agent)
    comments = [await views.comment(ticket, agent, f"comment {n}") for n in range(3)]
    await views.comment(ticket, agent, deleted=True)
    nested = f"/tickets/{ticket}/comments"

    bare = await views.get(agent, nested)
    assert ids(bare) == comments[::-1]
    assert bare[0]["authorName"] == "Ada King Lovelace"
    assert bare[0]["authorId"] == bare[0]["userId"] == bare[0]["author"]["id"] == str(agent.id)
    assert ids((await views.get(agent, nested, ticketId=ticket))["data"]) == comments
    assert ids((await views.get(agent, nested, limit=2))["data"]) == comments[:2]
    assert ids((await views.get(agent, nested, sortOrder="desc"))["data"]) == comments[::-1]
    assert ids((await views.get(agent, "/comments", ticketId=ticket))["data"]) == comments
    assert await views.refused(agent, "/comments") == (400, "validation_failed")


@pytest.mark.parametrize("path", ["/tickets/42", "/tickets/{0}", "/tickets/42/comments", "/comments?ticketId=42"])
async def test_a_malformed_id_is_a_400_with_details(views: Views, path: str) -> None:
    answer = await views.ask(await views.person("ADMIN"), path)
    assert answer.status_code == 400
    assert answer.json()["details"][0]["code"] == "malformed_id"


async def test_the_callers_own_account(views: Views) -> None:
    agent = await views.person("AGENT")
    me = await views.get(agent, "/auth/me")
    assert me["id"] == str(agent.id)
    assert (me["name"], me["firstName"], me["lastName"]) == ("Ada King Lovelace", "Ada", "King Lovelace")
    assert (me["role"], me["roles"], me["enabled"], me["isActive"]) == ("AGENT", ["ROLE_AGENT"], True, True)
    disabled = await views.person("USER", enabled=False)
    assert await views.refused(disabled, "/auth/me") == (401, "unknown_user")


async def test_an_account_that_the_views_do_not_know_is_late_or_a_stranger(views: Views) -> None:
    def since(age: timedelta) -> Person:
        tenant, user = uuid4(), uuid4()
        return Person(tenant, user, "USER", views.token(tenant, user, "USER", age))

    assert await views.refused(since(timedelta(seconds=1)), "/auth/me") == (503, "unavailable")
    assert await views.refused(since(timedelta(minutes=2)), "/auth/me") == (401, "unknown_user")


async def test_without_a_token_nothing_is_told(views: Views) -> None:
    for path in ("/tickets", "/tickets/stats", f"/tickets/{uuid4()}", "/comments", "/auth/me"):
        assert await views.refused(None, path) == (401, "missing_token")
