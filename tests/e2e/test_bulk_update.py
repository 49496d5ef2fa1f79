"""One change for many tickets (contract §6; behaviours §5)."""

import base64
import json
from typing import Any
from uuid import uuid4

import pytest

from support.people import Json, Person
from support.receiver import receiver
from support.shapes import COUNT, ID, TEXT, TICKET, answered, array, has, one_of, or_null, refused
from support.waiting import eventually

UNKNOWN = "018f3a5c-7b1e-7c3d-9e5f-0123456789ab"
ITEM = has(
    id=ID,
    status=one_of("updated", "unchanged", "failed"),
    version=or_null(COUNT),
    error=or_null(has(code=TEXT, reason=TEXT, message=TEXT)),
)
OUTCOME = has(total=COUNT, succeeded=COUNT, failed=COUNT, results=array(ITEM))


async def bulk(person: Person, tickets: list[Json], **changes: Any) -> Any:
    """The outcome of a bulk change."""
    response = await person.post("/tickets/bulk-update", {"ids": [one["id"] for one in tickets], "changes": changes})
    outcome = answered(response, 200, OUTCOME)
    assert outcome["total"] == len(outcome["results"]) == outcome["succeeded"] + outcome["failed"]
    assert outcome["failed"] == sum(one["status"] == "failed" for one in outcome["results"])
    assert all((one["error"] is None) is (one["status"] != "failed") for one in outcome["results"])
    return outcome


async def test_each_ticket_changes_by_itself_and_is_read_at_once(user: Person, agent: Person) -> None:
    tickets = [await user.opens_ticket(title=str(number)) for number in range(5)]
    await agent.edits(tickets[1], priority="high")
    outcome = await bulk(agent, tickets, priority="URGENT", status="in_progress")
    assert (outcome["total"], outcome["succeeded"], outcome["failed"]) == (5, 5, 0)
    assert [one["id"] for one in outcome["results"]] == [one["id"] for one in tickets]
    assert [one["version"] for one in outcome["results"]] == [3, 4, 3, 3, 3]
    page = answered(await user.get("/tickets", page=1, status="in_progress", priority="critical"), 200)
    assert page["meta"]["total"] == 5
    for ticket in tickets:
        detail = await user.reads(ticket)
        assert [one["type"] for one in detail["activities"]][:2] in (
            ["STATUS_CHANGED", "PRIORITY_CHANGED"],
            ["PRIORITY_CHANGED", "STATUS_CHANGED"],
        )
        assert detail["activities"][0]["actor"]["id"] == agent.id


async def test_what_is_so_already_is_unchanged(user: Person, agent: Person) -> None:
    one, other = await user.opens_ticket(priority="low"), await user.opens_ticket()
    outcome = await bulk(agent, [one, other, one], priority="low")
    assert [item["status"] for item in outcome["results"]] == ["unchanged", "updated"]
    assert [item["version"] for item in outcome["results"]] == [1, 2]
    assert [item["status"] for item in (await bulk(agent, [one, other]))["results"]] == ["unchanged", "unchanged"]


async def test_one_that_fails_leaves_the_others(user: Person, agent: Person, stranger: Person) -> None:
    fine, closed = await user.opens_ticket(), await user.opens_ticket()
    foreign = await stranger.opens_ticket()
    await agent.edits(closed, status="closed")
    outcome = await bulk(agent, [closed, foreign, {"id": UNKNOWN}, fine], status="resolved")
    assert [one["status"] for one in outcome["results"]] == ["failed", "failed", "failed", "updated"]
    errors = [one["error"] for one in outcome["results"]]
    assert [error and (error["code"], error["reason"]) for error in errors] == [
        ("CONFLICT", "illegal_transition"),
        ("NOT_FOUND", "ticket_not_found"),
        ("NOT_FOUND", "ticket_not_found"),
        None,
    ]
    assert (await user.reads(fine))["status"] == "resolved"
    assert (await user.reads(closed))["status"] == "closed"
    assert (await stranger.reads(foreign))["status"] == "open"
    # Of a stranger's ticket nothing else is told than of one that never was.
    assert {one["message"] for one in errors[1:3]} == {errors[1]["message"]}


async def test_a_hundred_tickets_go_at_once_and_are_all_visible(user: Person, agent: Person) -> None:
    tickets = [await user.opens_ticket() for _ in range(100)]
    ids = [one["id"] for one in tickets]
    few = await agent.post("/tickets/bulk-update", {"ids": ids[:3], "changes": {"priority": "low"}})
    token = few.headers["Consistency-Token"]
    named = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    assert sorted(named) == sorted(["ticket", id_, 2] for id_ in ids[:3])
    again = await agent.ask("GET", f"/tickets/{ids[0]}", headers={"Consistency-Token": token})
    assert answered(again, 200)["priority"] == "low"
    response = await agent.post("/tickets/bulk-update", {"ids": ids, "changes": {"tags": ["moved"], "title": "Moved"}})
    assert answered(response, 200, OUTCOME)["succeeded"] == 100
    assert "Consistency-Token" not in response.headers
    if "Consistency" not in response.headers:
        page = answered(await user.get("/tickets", q="tag:moved moved", page=1), 200)
        assert page["meta"]["total"] == 100


async def test_who_takes_tickets_hears_of_it_at_once(user: Person, agent: Person) -> None:
    tickets = [await user.opens_ticket() for _ in range(3)]
    await bulk(agent, tickets, assignedToId=agent.id)
    told = answered(await agent.get("/notifications"), 200)
    assert {one["id"] for one in tickets} <= {one["data"]["ticketId"] for one in told}
    await bulk(agent, tickets, assignedToId=None)
    assert (await user.reads(tickets[0]))["assignedToId"] is None


async def test_each_change_is_told_to_its_people(user: Person, agent: Person) -> None:
    tickets = [await user.opens_ticket() for _ in range(2)]
    await bulk(agent, tickets, status="in_progress")

    async def told() -> bool:
        notifications = answered(await user.get("/notifications", type="STATUS_CHANGED"), 200)
        return {one["data"]["ticketId"] for one in notifications} == {one["id"] for one in tickets}

    assert await eventually(told)


async def test_each_ticket_has_a_command_of_its_own_that_comes_from_the_request(user: Person, agent: Person) -> None:
    tickets = [await user.opens_ticket() for _ in range(2)]
    request_id = str(uuid4())
    async with receiver() as receiving:
        hook = answered(await agent.post("/webhooks", {"url": receiving.url, "events": ["TICKET_UPDATED"]}), 201)
        body = {"ids": [one["id"] for one in tickets], "changes": {"title": "Moved", "priority": "low"}}
        response = await agent.ask("POST", "/tickets/bulk-update", json=body, headers={"X-Request-Id": request_id})
        answered(response, 200, OUTCOME)
        told = [one.told for one in await receiving.get(2, lambda one: one.told["causationId"] == request_id)]
        answered(await agent.delete(f"/webhooks/{hook['id']}"), 200)
    assert {one["data"]["ticketId"] for one in told} == {one["id"] for one in tickets}
    assert all(one["data"]["changes"] == {"title": "Moved", "priority": "low"} for one in told)


async def test_under_a_key_it_is_answered_again_and_not_carried_out(user: Person, agent: Person) -> None:
    ticket = await user.opens_ticket()
    body = {"ids": [ticket["id"], UNKNOWN], "changes": {"priority": "low"}}
    key = {"Idempotency-Key": str(uuid4())}
    first = await agent.ask("POST", "/tickets/bulk-update", json=body, headers=key)
    assert answered(first, 200, OUTCOME)["succeeded"] == 1
    await user.edits(ticket, priority="high")
    again = await agent.ask("POST", "/tickets/bulk-update", json=body, headers=key)
    assert answered(again, 200, OUTCOME) == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Consistency-Token"] == first.headers["Consistency-Token"]
    assert (await user.reads(ticket))["priority"] == "high"
    other = await agent.ask("POST", "/tickets/bulk-update", json=body | {"changes": {}}, headers=key)
    refused(other, 422, "idempotency_key_reused")


async def test_a_user_changes_nothing_in_bulk(user: Person, admin: Person) -> None:
    ticket = await user.opens_ticket()
    body = {"ids": [ticket["id"]], "changes": {"priority": "low"}}
    refused(await user.post("/tickets/bulk-update", body), 403, "not_allowed")
    refused(await user.post("/tickets/bulk-update", {}), 403, "not_allowed")
    assert (await user.reads(ticket))["priority"] == "medium"
    answered(await admin.post("/api/tickets/bulk-update", body), 200, OUTCOME)
    assert (await user.reads(ticket))["priority"] == "low"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"changes": {}}, "ids"),
        ({"ids": [], "changes": {}}, "ids"),
        ({"ids": [UNKNOWN] * 101, "changes": {}}, "ids"),
        ({"ids": ["7"], "changes": {}}, "ids.0"),
        ({"ids": UNKNOWN, "changes": {}}, "ids"),
        ({"ids": [UNKNOWN]}, "changes"),
        ({"ids": [UNKNOWN], "changes": []}, "changes"),
        ({"ids": [UNKNOWN], "changes": {"status": "nonsense"}}, "changes.status"),
        ({"ids": [UNKNOWN], "changes": {"title": ""}}, "changes.title"),
        ({"ids": [UNKNOWN], "changes": {"assignedToId": UNKNOWN}}, "changes.assignedToId"),
    ],
)
async def test_a_bulk_change_is_checked_as_a_whole(agent: Person, body: Json, field: str) -> None:
    refused(await agent.post("/tickets/bulk-update", body), 400, "validation_failed", field)


async def test_nobody_assigns_to_a_stranger_in_bulk(agent: Person, stranger: Person, user: Person) -> None:
    ticket = await user.opens_ticket()
    body = {"ids": [ticket["id"]], "changes": {"assignedToId": stranger.id}}
    refused(await agent.post("/tickets/bulk-update", body), 400, field="changes.assignedToId")
    assert answered(await user.get(f"/tickets/{ticket['id']}"), 200, TICKET)["assignedToId"] is None


async def test_nothing_but_a_post_changes_in_bulk(agent: Person) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        response = await agent.ask(method, "/tickets/bulk-update", json={} if method != "GET" else None)
        refused(response, 405, "method_not_allowed")
        assert response.headers["Allow"] == "OPTIONS, POST"
