"""Tickets: opened, changed, moved, deleted, counted (contract §6, behaviours §1)."""

from typing import Any

import pytest

from support.cases import each
from support.people import Json, Person
from support.shapes import CREATED_TICKET, DEMO_COMPANY_ID, STATS, TICKET, TICKET_DETAIL, answered, refused

UNKNOWN = "018f3a5c-7b1e-7c3d-9e5f-0123456789ab"
STATUSES = ("open", "in_progress", "resolved", "closed")
LEGAL = {
    "open": {"in_progress", "resolved", "closed"},
    "in_progress": {"open", "resolved", "closed"},
    "resolved": {"open", "in_progress", "closed"},
    "closed": {"open", "in_progress"},
}


def new(**fields: Any) -> Json:
    return {"title": "The printer is on fire", "description": "Since this morning.", **fields}


async def test_a_ticket_begins_open_and_is_told_whole(user: Person) -> None:
    response = await user.post("/tickets", new())
    ticket = answered(response, 201, CREATED_TICKET)
    assert response.headers["Location"] == f"/api/v1/tickets/{ticket['id']}"
    assert response.headers["ETag"].startswith('"v1.')
    assert (ticket["title"], ticket["description"]) == ("The printer is on fire", "Since this morning.")
    assert (ticket["status"], ticket["priority"]) == ("open", "medium")
    assert [ticket[name] for name in ("waitingOn", "resolution", "assignedToId", "metadata")] == [None] * 4
    assert ticket["tags"] == []
    assert ticket["createdById"] == ticket["createdBy"]["id"] == user.id
    assert (ticket["createdBy"]["firstName"], ticket["createdBy"]["lastName"]) == ("Nora", "New Comer")
    assert ticket["tenantId"] == ticket["tenant"]["id"] == user.tenant_id
    assert ticket["createdAt"] == ticket["updatedAt"]


async def test_a_ticket_reads_as_it_was_answered(user: Person) -> None:
    ticket = await user.opens_ticket(priority="HIGH", metadata={"channel": "web"}, tags=["vip"])
    detail = await user.reads(ticket)
    assert {name: detail[name] for name in ticket if name != "tenant"} == {
        name: value for name, value in ticket.items() if name != "tenant"
    }
    assert detail["comments"] == detail["attachments"] == []
    (created,) = detail["activities"]
    assert (created["type"], created["ticketId"], created["actor"]["id"]) == ("CREATED", ticket["id"], user.id)


@pytest.mark.parametrize(
    ("sent", "answer"),
    [("low", "low"), ("Medium", "medium"), ("HIGH", "high"), ("CRITICAL", "critical"), ("urgent", "critical"),
     ("URGENT", "critical")],
)  # fmt: skip
async def test_priorities_are_understood_in_any_case(somebody: Person, sent: str, answer: str) -> None:
    assert (await somebody.opens_ticket(priority=sent))["priority"] == answer


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", "x"),
        ("title", "x" * 200),
        ("title", "😀" * 100),
        ("title", "  as \t given  "),
        ("title", "Ünïcode — 日本語 — עברית — 👩‍👩‍👧‍👦"),
        ("title", "<script>alert(1)</script> ' \" \\ %s {{7*7}} ${x} -- ; drop table"),
        ("description", ""),
        ("description", "x" * 5000),
        ("description", "😀" * 2500),
        ("description", "lines\nand\r\nlines\ttabs\u2028\u2029\u0001"),
    ],
)
async def test_texts_are_kept_to_the_last_character(somebody: Person, field: str, value: str) -> None:
    ticket = await somebody.opens_ticket(**{field: value})
    assert ticket[field] == value
    assert (await somebody.reads(ticket))[field] == value


@pytest.mark.parametrize(
    ("field", "value"),
    each(
        title=["", "x" * 201, "😀" * 100 + "x", None, 7, ["a"], {}, True, "NUL\u0000"],
        description=["x" * 5001, "😀" * 2500 + "x", None, 7, False],
        priority=["", "highest", 3, ["low"], {}],
        metadata=["text", 7, ["a"], True, {"a": "\u0000"}, {"\u0000": 1}, {"n": 2**53}],
        assignedToId=["", "me", 7, UNKNOWN, f"{{{UNKNOWN}}}", UNKNOWN.replace("-", ""), "0123456789abcdef"],
    ),
)
async def test_a_new_ticket_is_checked_field_by_field(somebody: Person, field: str, value: object) -> None:
    before = answered(await somebody.get("/tickets/stats"), 200, STATS)
    body = refused(await somebody.post("/tickets", new(**{field: value})), 400)
    assert body["code"] == "VALIDATION_ERROR"
    assert {one["field"].partition(".")[0] for one in body["details"]} == {field}
    assert answered(await somebody.get("/tickets/stats"), 200, STATS) == before


@pytest.mark.parametrize("field", ["title", "description"])
async def test_a_ticket_needs_title_and_description(user: Person, field: str) -> None:
    body = new()
    del body[field]
    refused(await user.post("/tickets", body), 400, field=field)


async def test_nobody_assigns_fields_that_are_not_theirs(user: Person, stranger: Person) -> None:
    greedy = {
        "id": UNKNOWN,
        "number": 1,
        "tenantId": DEMO_COMPANY_ID,
        "createdById": stranger.id,
        "createdBy": {"id": stranger.id},
        "status": "closed",
        "createdAt": "2001-01-01T00:00:00.000Z",
        "updatedAt": "2001-01-01T00:00:00.000Z",
        "deleted": True,
        "__proto__": {"admin": True},
    }
    ticket = answered(await user.post("/tickets", new(**greedy)), 201, CREATED_TICKET)
    assert ticket["id"] != UNKNOWN
    assert ticket["number"] > 1
    assert (ticket["tenantId"], ticket["createdById"], ticket["status"]) == (user.tenant_id, user.id, "open")
    assert ticket["createdAt"] > "2020"
    del greedy["status"]
    assert await user.edits(ticket, **greedy) == {name: ticket[name] for name in ticket if name != "tenant"}


async def test_metadata_comes_back_as_it_went(user: Person) -> None:
    metadata: Json = {
        "text": "Grüße 👋",
        "nothing": None,
        "yes": True,
        "whole": 2**53 - 1,
        "negative": -7,
        "part": 0.1,
        "list": [1, "two", [3], {"four": 4}],
        "10": "ten",
        "": "empty name",
        "deep": {"a": {"b": {"c": {}}}},
    }
    ticket = await user.opens_ticket(metadata=metadata)
    assert ticket["metadata"] == metadata
    assert (await user.reads(ticket))["metadata"] == metadata
    assert (await user.edits(ticket, metadata=None))["metadata"] is None
    assert (await user.edits(ticket, metadata={}))["metadata"] == {}
    assert (await user.reads(ticket))["metadata"] == {}


async def test_metadata_is_read_as_long_as_it_was_written(user: Person) -> None:
    metadata: Json = {"z": [1e-300] * 1000, "a": "names stay in their order"}
    ticket = await user.opens_ticket(metadata=metadata)
    assert (await user.edits(ticket, metadata=metadata | {"b": 1}))["metadata"]["b"] == 1
    read = await user.get(f"/tickets/{ticket['id']}")
    assert list(read.json()["metadata"].items()) == [*metadata.items(), ("b", 1)]
    assert len(read.content) < 50_000


async def test_an_assignee_is_of_the_same_tenant(user: Person, agent: Person, stranger: Person) -> None:
    assert (await user.opens_ticket(assignedToId=agent.id))["assignedToId"] == agent.id
    assert (await user.opens_ticket(assignedToId=agent.id.upper()))["assignedToId"] == agent.id
    assert (await user.opens_ticket(assignedToId=None))["assignedToId"] is None
    refused(await user.post("/tickets", new(assignedToId=stranger.id)), 400, field="assignedToId")
    ticket = await user.opens_ticket()
    refused(await agent.patch(f"/tickets/{ticket['id']}", {"assignedToId": stranger.id}), 400, field="assignedToId")
    refused(await agent.patch(f"/tickets/{ticket['id']}", {"assignedToId": UNKNOWN}), 400, field="assignedToId")
    assert (await user.reads(ticket))["assignedToId"] is None


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_both_ways_to_edit_are_partial(user: Person, agent: Person, method: str) -> None:
    ticket = await user.opens_ticket(priority="low", metadata={"a": 1})
    changes = {"title": "It is the scanner", "assignedToId": agent.id}
    response = await agent.ask(method, f"/tickets/{ticket['id']}", json=changes)
    edited = answered(response, 200, TICKET)
    expected = {name: value for name, value in ticket.items() if name != "tenant"} | changes
    assert edited == expected | {"updatedAt": edited["updatedAt"]}
    assert edited["updatedAt"] > ticket["updatedAt"]
    detail = await user.reads(ticket)
    assert {name: detail[name] for name in edited} == edited
    cleared = answered(await agent.ask(method, f"/tickets/{ticket['id']}", json={"assignedToId": None}), 200, TICKET)
    assert cleared["assignedToId"] is None


async def test_saying_what_is_so_already_changes_nothing(user: Person) -> None:
    ticket = await user.opens_ticket(metadata={"a": 1}, tags=["vip"])
    path = f"/tickets/{ticket['id']}"
    first = await user.get(path)
    same = {name: ticket[name] for name in ("title", "description", "priority", "metadata", "tags", "assignedToId")}
    tags = set()
    for body in (same, {}, {"status": "OPEN"}, {"priority": "MEDIUM"}, {"unknown": 1}):
        response = await user.put(path, body)
        assert answered(response, 200, TICKET)["updatedAt"] == ticket["updatedAt"]
        tags.add(response.headers["ETag"])
    assert len(tags) == 1
    assert (await user.get(path)).headers["ETag"] == first.headers["ETag"]
    assert len((await user.reads(ticket))["activities"]) == 1


async def test_every_change_moves_updated_at_strictly(user: Person) -> None:
    ticket = await user.opens_ticket()
    later = [(await user.edits(ticket, title=f"Attempt {number}"))["updatedAt"] for number in range(10)]
    times = [ticket["updatedAt"], *later]
    assert times == sorted(set(times))


@pytest.mark.parametrize(
    "last",
    [{"status": "nonsense"}, {"priority": "nonsense"}, {"assignedToId": UNKNOWN}, {"title": ""}, {"title": None},
     {"description": "x" * 5001}, {"metadata": []}],
)  # fmt: skip
async def test_a_change_is_made_whole_or_not_at_all(agent: Person, somebody: Person, last: Json) -> None:
    ticket = await somebody.opens_ticket()
    before = (await somebody.get(f"/tickets/{ticket['id']}")).content
    body = {"title": "Changed", "description": "Changed", "priority": "critical", "status": "resolved", **last}
    refused(await agent.put(f"/tickets/{ticket['id']}", body), 400, field=next(iter(last)))
    assert (await somebody.get(f"/tickets/{ticket['id']}")).content == before


async def test_a_conflict_takes_the_other_fields_with_it(agent: Person, user: Person) -> None:
    ticket = await user.opens_ticket()
    await agent.edits(ticket, status="closed")
    refused(await agent.put(f"/tickets/{ticket['id']}", {"title": "Changed", "status": "resolved"}), 409)
    assert (await user.reads(ticket))["title"] == ticket["title"]


@pytest.mark.parametrize("begin", STATUSES)
async def test_statuses_change_only_as_the_table_says(agent: Person, user: Person, begin: str) -> None:
    for target in STATUSES:
        ticket = await user.opens_ticket()
        await agent.edits(ticket, status=begin)
        response = await agent.patch(f"/tickets/{ticket['id']}", {"status": target})
        if target == begin or target in LEGAL[begin]:
            assert answered(response, 200, TICKET)["status"] == target
        else:
            problem = refused(response, 409, "illegal_transition")
            assert set(problem["allowed"]) == LEGAL[begin]
            assert all(word in problem["message"] for word in LEGAL[begin])
            assert (await user.reads(ticket))["status"] == begin


async def test_a_requester_does_not_reopen_a_closed_ticket_by_hand(agent: Person, user: Person) -> None:
    ticket = await user.opens_ticket()
    await agent.edits(ticket, status="closed")
    for target in ("open", "in_progress", "resolved"):
        refused(await user.patch(f"/tickets/{ticket['id']}", {"status": target}), 409, "illegal_transition")
    assert (await user.reads(ticket))["status"] == "closed"


@pytest.mark.parametrize(
    ("sent", "status", "waiting_on", "resolution"),
    [
        ("IN_PROGRESS", "in_progress", None, None),
        ("In_Progress", "in_progress", None, None),
        ("RESOLVED", "resolved", None, "solved"),
        ("Closed", "closed", None, "solved"),
        ("cancelled", "closed", None, "cancelled"),
        ("CANCELLED", "closed", None, "cancelled"),
        ("pending", "open", "requester", None),
        ("on_hold", "open", "third_party", None),
        ("ON_HOLD", "open", "third_party", None),
    ],
)
async def test_older_status_words_mean_what_the_contract_says(
    agent: Person, somebody: Person, sent: str, status: str, waiting_on: str | None, resolution: str | None
) -> None:
    ticket = await somebody.opens_ticket()
    edited = await agent.edits(ticket, status=sent)
    assert (edited["status"], edited["waitingOn"], edited["resolution"]) == (status, waiting_on, resolution)
    detail = await somebody.reads(ticket)
    assert (detail["status"], detail["waitingOn"], detail["resolution"]) == (status, waiting_on, resolution)


async def test_an_ended_ticket_waits_for_nobody_and_an_open_one_has_no_resolution(agent: Person, user: Person) -> None:
    ticket = await user.opens_ticket()
    await agent.edits(ticket, status="pending")
    resolved = await agent.edits(ticket, status="resolved")
    assert (resolved["waitingOn"], resolved["resolution"]) == (None, "solved")
    reopened = await agent.edits(ticket, status="open")
    assert (reopened["waitingOn"], reopened["resolution"]) == (None, None)


@pytest.mark.parametrize("status", ["resolved", "closed"])
async def test_a_requesters_comment_reopens_an_ended_ticket(agent: Person, user: Person, status: str) -> None:
    ticket = await user.opens_ticket()
    await agent.edits(ticket, status=status)
    await agent.comments_on(ticket, "It should work now.")
    assert (await user.reads(ticket))["status"] == status
    await user.comments_on(ticket, "It does not.")
    detail = await user.reads(ticket)
    assert (detail["status"], detail["resolution"]) == ("open", None)


async def test_a_requesters_comment_ends_the_waiting_for_them(agent: Person, user: Person) -> None:
    ticket = await user.opens_ticket()
    await agent.edits(ticket, status="pending")
    await user.comments_on(ticket, "Version 7.")
    assert (await user.reads(ticket))["waitingOn"] is None


async def test_activities_tell_what_happened_newest_first(agent: Person, user: Person) -> None:
    ticket = await user.opens_ticket()
    await user.edits(ticket, title="It is the scanner")
    await user.edits(ticket, priority="high")
    await agent.edits(ticket, assignedToId=agent.id)
    await agent.comments_on(ticket)
    await agent.edits(ticket, status="resolved")
    activities = (await user.reads(ticket))["activities"]
    types = ["STATUS_CHANGED", "COMMENTED", "ASSIGNED", "PRIORITY_CHANGED", "UPDATED", "CREATED"]
    assert [one["type"] for one in activities] == types
    assert [one["actor"]["id"] for one in activities] == [agent.id] * 3 + [user.id] * 3
    assert [one["createdAt"] for one in activities] == sorted((one["createdAt"] for one in activities), reverse=True)
    assert len({one["id"] for one in activities}) == 6


async def test_a_deleted_ticket_is_gone_everywhere(admin: Person, user: Person) -> None:
    ticket = await user.opens_ticket()
    comment = await user.comments_on(ticket)
    path = f"/tickets/{ticket['id']}"
    answered(await admin.delete(path), 204)
    for person in (user, admin):
        for response in (
            await person.get(path),
            await person.patch(path, {"title": "Back?"}),
            await person.get(f"{path}/comments"),
            await person.post(f"{path}/comments", {"content": "Back?"}),
            await person.get("/comments", ticketId=ticket["id"]),
        ):
            refused(response, 404)
    refused(await user.patch(f"/comments/{comment['id']}", {"content": "Back?"}), 404)
    refused(await admin.delete(path), 404)
    assert answered(await user.get("/tickets"), 200) == []
    assert answered(await user.get("/tickets", page=1), 200)["meta"]["total"] == 0
    assert answered(await user.get("/tickets/stats"), 200, STATS)["total"] == 0


async def test_only_admins_delete_not_even_the_creator(agent: Person, user: Person) -> None:
    ticket = await agent.opens_ticket()
    refused(await agent.delete(f"/tickets/{ticket['id']}"), 403, "not_allowed")
    own = await user.opens_ticket()
    refused(await user.delete(f"/tickets/{own['id']}"), 403, "not_allowed")
    await user.reads(own)


async def test_counts_are_of_the_tickets_one_sees(agent: Person, user: Person, other_user: Person) -> None:
    for priority in ("low", "low", "high"):
        await user.opens_ticket(priority=priority)
    ticket = await user.opens_ticket(priority="urgent")
    await agent.edits(ticket, status="cancelled")
    await other_user.opens_ticket()
    assert answered(await user.get("/tickets/stats"), 200, STATS) == {
        "total": 4,
        "byStatus": {"open": 3, "in_progress": 0, "resolved": 0, "closed": 1},
        "byPriority": {"low": 2, "medium": 0, "high": 1, "critical": 1},
    }
    assert answered(await agent.get("/tickets/stats"), 200, STATS)["total"] >= 5


async def test_the_alias_of_older_clients_is_the_same(user: Person) -> None:
    ticket = answered(await user.post("/api/tickets", new()), 201, CREATED_TICKET)
    path = f"/api/tickets/{ticket['id']}"
    answered(await user.get(path), 200, TICKET_DETAIL)
    assert answered(await user.put(path, {"title": "Changed"}), 200, TICKET)["title"] == "Changed"
    assert answered(await user.patch(path, {"title": "Again"}), 200, TICKET)["title"] == "Again"
    refused(await user.delete(path), 403)
    assert answered(await user.get("/api/tickets/stats"), 200, STATS)["total"] == 1


async def test_an_id_is_understood_in_upper_case_and_answered_in_lower(user: Person) -> None:
    ticket = await user.opens_ticket()
    assert (await user.reads({"id": ticket["id"].upper()}))["id"] == ticket["id"]
    assert (await user.edits({"id": ticket["id"].upper()}, title="Changed"))["id"] == ticket["id"]
