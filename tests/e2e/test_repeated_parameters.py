"""A parameter that is given twice: both values count, or it is refused (contract §3, §5)."""

import pytest

from support.people import Person
from support.shapes import LISTED_TICKET, answered, array, refused

UNKNOWN = "018f3a5c-7b1e-7c3d-9e5f-0123456789ab"


async def titles(person: Person, query: str, path: str = "/tickets") -> set[str]:
    body = answered(await person.ask("GET", f"{path}?{query}"), 200)
    return {one["title"] for one in (body if isinstance(body, list) else body["data"])}


async def test_filters_that_take_several_take_them_one_by_one_too(user: Person, agent: Person) -> None:
    for title, priority, status in (("a", "low", "open"), ("b", "high", "resolved"), ("c", "critical", "closed")):
        ticket = await user.opens_ticket(title=title, priority=priority)
        await agent.edits(ticket, status=status)
    assert await titles(user, "status=open&status=closed") == {"a", "c"}
    assert await titles(user, "status=open,resolved&status=closed") == {"a", "b", "c"}
    assert await titles(user, "priority=LOW&status=open&priority=urgent&status=CLOSED") == {"a", "c"}
    assert await titles(user, "status=&status=open") == {"a"}
    assert await titles(user, "status=open&status=closed&page=1", "/api/tickets") == {"a", "c"}
    for query in ("status=open&status=nonsense", "status=open&status="):
        response = await user.get(f"/tickets?{query}")
        assert response.status_code == (400 if "nonsense" in query else 200)


async def test_the_next_pages_of_a_list_keep_all_values(user: Person, agent: Person) -> None:
    for title in "ab":
        await user.opens_ticket(title=title)
    closed = await user.opens_ticket(title="c")
    await agent.edits(closed, status="closed")
    first = answered(await user.ask("GET", "/tickets?limit=1&status=open&status=closed&cursor="), 200)
    cursor = first["meta"]["nextCursor"]
    assert await titles(user, f"status=open&status=closed&limit=5&cursor={cursor}") == {"b", "c"}
    refused(await user.get(f"/tickets?status=open&cursor={cursor}"), 400, field="cursor")


@pytest.mark.parametrize(
    ("path", "field", "values"),
    [
        ("/tickets", "page", ("1", "2")),
        ("/tickets", "limit", ("5", "5")),
        ("/tickets", "cursor", ("", "")),
        ("/tickets", "sortBy", ("title", "createdAt")),
        ("/tickets", "sortOrder", ("asc", "desc")),
        ("/tickets", "createdById", (UNKNOWN, UNKNOWN)),
        ("/tickets", "assignedTo", ("me", "none")),
        ("/tickets", "search", ("a", "b")),
        ("/tickets", "q", ("a", "b")),
        ("/tickets", "createdAfter", ("2026-01-01", "2026-01-02")),
        ("/api/tickets", "page", ("1", "1")),
        ("/tickets/stats", "q", ("a", "b")),
        ("/tickets/export", "format", ("csv", "csv")),
        ("/comments", "ticketId", (UNKNOWN, UNKNOWN)),
        ("/users", "role", ("ADMIN", "AGENT")),
        ("/users", "search", ("a", "b")),
        ("/webhooks", "page", ("1", "2")),
        ("/notifications", "isRead", ("true", "false")),
        ("/notifications", "type", ("TICKET_ASSIGNED", "COMMENT_ADDED")),
        ("/notifications", "limit", ("1", "2")),
    ],
)
async def test_what_takes_one_value_refuses_a_second(
    agent: Person, path: str, field: str, values: tuple[str, str]
) -> None:
    query = "&".join(f"{field}={value}" for value in values)
    problem = refused(await agent.ask("GET", f"{path}?{query}"), 400, "validation_failed", field)
    assert problem["code"] == "VALIDATION_ERROR"
    assert [one["code"] for one in problem["details"]] == ["repeated"]


async def test_what_nobody_knows_may_be_repeated_and_who_is_nobody_hears_that_first(user: Person) -> None:
    await user.opens_ticket()
    assert len(answered(await user.ask("GET", "/tickets?x=1&x=2&Page=1&Page=2"), 200, array(LISTED_TICKET))) == 1
    response = await user.client.get("/api/v1/tickets?page=1&page=2")
    refused(response, 401, "missing_token")
