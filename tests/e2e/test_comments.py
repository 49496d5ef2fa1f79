"""Comments on both of their routes: public and internal, edited, deleted (contract §7)."""

from typing import Any

import pytest

from support.cases import each
from support.people import Json, Person
from support.shapes import ACTIVITY, COMMENT, ID, NOTIFICATION, answered, array, fits, page_of, refused

UNKNOWN = "018f3a5c-7b1e-7c3d-9e5f-0123456789ab"
NESTED, FLAT = "nested", "flat"
both_routes = pytest.mark.parametrize("route", [NESTED, FLAT])


async def add(person: Person, route: str, ticket: Json, **body: Any) -> Any:
    if route == NESTED:
        return await person.post(f"/tickets/{ticket['id']}/comments", body)
    return await person.post("/comments", {"ticketId": ticket["id"], **body})


def path_of(route: str, comment: Json) -> str:
    nested = f"/tickets/{comment['ticketId']}/comments/{comment['id']}"
    return nested if route == NESTED else f"/comments/{comment['id']}"


async def contents(person: Person, ticket: Json) -> list[str]:
    """What a person reads on a ticket, which is the same at every place."""
    nested = answered(await person.get(f"/tickets/{ticket['id']}/comments"), 200, array(COMMENT))
    flat = answered(await person.get("/comments", ticketId=ticket["id"], sortOrder="desc"), 200, page_of(COMMENT))
    detail = (await person.reads(ticket))["comments"]
    assert nested == flat["data"] == detail
    assert flat["meta"]["total"] == len(nested)
    return [comment["content"] for comment in nested]


@both_routes
async def test_a_comment_is_public_and_says_who_wrote_it(user: Person, route: str) -> None:
    ticket = await user.opens_ticket()
    comment = answered(await add(user, route, ticket, content="Any news?"), 201, COMMENT)
    fits(comment["id"], ID)
    assert (comment["ticketId"], comment["content"], comment["isInternal"]) == (ticket["id"], "Any news?", False)
    assert comment["authorId"] == comment["userId"] == comment["author"]["id"] == user.id
    assert comment["authorName"] == "Nora New Comer"
    assert comment["createdAt"] == comment["updatedAt"]
    assert answered(await user.get(f"/tickets/{ticket['id']}/comments"), 200) == [comment]


@both_routes
@pytest.mark.parametrize("text", ["x", "x" * 2000, "😀" * 1000, "lines\nand\ttabs", " as given ", "<b>&amp;</b>"])
async def test_a_comment_is_kept_to_the_last_character(somebody: Person, route: str, text: str) -> None:
    ticket = await somebody.opens_ticket()
    assert answered(await add(somebody, route, ticket, content=text), 201, COMMENT)["content"] == text
    assert await contents(somebody, ticket) == [text]


@both_routes
@pytest.mark.parametrize(
    ("field", "value"),
    each(
        content=["", "x" * 2001, "😀" * 1000 + "x", None, 7, ["a"], {}, "NUL\u0000"],
        isInternal=["true", 1, 0, None, "yes"],
    ),
)
async def test_a_comment_is_checked_field_by_field(agent: Person, route: str, field: str, value: object) -> None:
    ticket = await agent.opens_ticket()
    refused(await add(agent, route, ticket, **{"content": "fine", field: value}), 400, field=field)
    assert await contents(agent, ticket) == []


async def test_a_comment_needs_content_and_a_ticket(user: Person) -> None:
    ticket = await user.opens_ticket()
    refused(await user.post(f"/tickets/{ticket['id']}/comments", {}), 400, field="content")
    refused(await user.post("/comments", {"ticketId": ticket["id"]}), 400, field="content")
    refused(await user.post("/comments", {"content": "Where?"}), 400, field="ticketId")
    refused(await user.post("/comments", {"content": "Where?", "ticketId": "there"}), 400, field="ticketId")
    refused(await user.post("/comments", {"content": "Where?", "ticketId": UNKNOWN}), 404, "ticket_not_found")
    refused(await user.post(f"/tickets/{UNKNOWN}/comments", {"content": "Where?"}), 404, "ticket_not_found")


@both_routes
async def test_nobody_writes_in_anothers_name(user: Person, agent: Person, route: str) -> None:
    ticket = await user.opens_ticket()
    greedy = {"id": UNKNOWN, "authorId": agent.id, "userId": agent.id, "createdAt": "2001-01-01T00:00:00.000Z"}
    comment = answered(await add(user, route, ticket, content="Mine", tenantId=UNKNOWN, **greedy), 201, COMMENT)
    assert (comment["authorId"], comment["ticketId"]) == (user.id, ticket["id"])
    assert comment["id"] != UNKNOWN
    assert comment["createdAt"] > "2020"


async def test_the_path_names_the_ticket_whatever_the_body_says(user: Person) -> None:
    ticket, other = await user.opens_ticket(), await user.opens_ticket()
    body = {"content": "Here", "ticketId": other["id"]}
    comment = answered(await user.post(f"/tickets/{ticket['id']}/comments", body), 201, COMMENT)
    assert comment["ticketId"] == ticket["id"]


@both_routes
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_an_author_edits_a_comment(user: Person, route: str, method: str) -> None:
    ticket = await user.opens_ticket()
    comment = await user.comments_on(ticket)
    body = {"content": "Thank you!", "isInternal": True, "authorId": UNKNOWN}
    edited = answered(await user.ask(method, path_of(route, comment), json=body), 200, COMMENT)
    assert edited == comment | {"content": "Thank you!", "updatedAt": edited["updatedAt"]}
    assert edited["updatedAt"] > comment["updatedAt"]
    assert answered(await user.get(f"/tickets/{ticket['id']}/comments"), 200) == [edited]
    again = answered(await user.ask(method, path_of(route, comment), json={"content": "Thank you!"}), 200, COMMENT)
    assert again == edited


@both_routes
@pytest.mark.parametrize("content", ["", "x" * 2001, None, 7])
async def test_an_edited_comment_is_checked_too(somebody: Person, route: str, content: object) -> None:
    comment = await somebody.comments_on(await somebody.opens_ticket())
    refused(await somebody.put(path_of(route, comment), {"content": content}), 400, field="content")


@both_routes
async def test_an_author_deletes_a_comment_once(user: Person, route: str) -> None:
    ticket = await user.opens_ticket()
    comment = await user.comments_on(ticket)
    answered(await user.delete(path_of(route, comment)), 204)
    assert await contents(user, ticket) == []
    for again in (NESTED, FLAT):
        refused(await user.delete(path_of(again, comment)), 404, "comment_not_found")
        refused(await user.put(path_of(again, comment), {"content": "Back?"}), 404, "comment_not_found")


@both_routes
async def test_to_others_a_comment_is_not_there_to_edit(
    user: Person, other_user: Person, agent: Person, admin: Person, stranger: Person, route: str
) -> None:
    ticket = await user.opens_ticket()
    comment = await user.comments_on(ticket)
    for person in (other_user, agent, admin, stranger):
        refused(await person.put(path_of(route, comment), {"content": "Forged"}), 404)
        refused(await person.patch(path_of(route, comment), {"content": "Forged"}), 404)
        refused(await person.delete(path_of(route, comment)), 404)
    assert await contents(user, ticket) == ["Any news?"]


async def test_a_comment_is_found_under_its_own_ticket_alone(user: Person) -> None:
    ticket, other = await user.opens_ticket(), await user.opens_ticket()
    comment = await user.comments_on(ticket)
    elsewhere = f"/tickets/{other['id']}/comments/{comment['id']}"
    refused(await user.put(elsewhere, {"content": "Moved"}), 404)
    refused(await user.delete(elsewhere), 404)
    refused(await user.delete(f"/comments/{UNKNOWN}"), 404)
    refused(await user.delete("/comments/7"), 400, field="id")
    refused(await user.delete(f"/tickets/{ticket['id']}/comments/7"), 400, field="id")
    refused(await user.delete(f"/tickets/7/comments/{comment['id']}"), 400, field="ticketId")


@both_routes
async def test_a_user_writes_no_internal_note(user: Person, route: str) -> None:
    ticket = await user.opens_ticket()
    refused(await add(user, route, ticket, content="psst", isInternal=True), 403, "internal_not_allowed")
    assert await contents(user, ticket) == []


@both_routes
async def test_an_internal_note_never_reaches_the_requester(user: Person, agent: Person, route: str) -> None:
    ticket = await user.opens_ticket()
    before = answered(await user.get("/notifications"), 200, array(NOTIFICATION))
    note = answered(await add(agent, route, ticket, content="a secret", isInternal=True), 201, COMMENT)
    assert note["isInternal"] is True
    await agent.comments_on(ticket, "in public")
    answered(await agent.put(path_of(route, note), {"content": "still a secret"}), 200, COMMENT)

    assert await contents(agent, ticket) == ["in public", "still a secret"]
    assert await contents(user, ticket) == ["in public"]
    for address in (
        f"/tickets/{ticket['id']}",
        "/tickets",
        "/tickets?page=1",
        "/tickets?cursor=",
        "/tickets?search=secret",
        f"/tickets/{ticket['id']}/comments",
        f"/tickets/{ticket['id']}/comments?limit=100",
        f"/tickets/{ticket['id']}/comments?cursor=",
        f"/comments?ticketId={ticket['id']}&sortBy=updatedAt",
        f"/api/tickets/{ticket['id']}/comments",
        f"/api/comments?ticketId={ticket['id']}",
    ):
        response = await user.get(address)
        answered(response, 200)
        assert "secret" not in response.text, address
        assert note["id"] not in response.text, address
    for change in (await user.put(path_of(route, note), {"content": "x"}), await user.delete(path_of(route, note))):
        refused(change, 404, "comment_not_found")
    after = answered(await user.get("/notifications"), 200, array(NOTIFICATION))
    assert all("internal" not in str(one).lower() for one in after if one not in before)


async def test_activities_tell_the_requester_nothing_of_internal_notes(user: Person, agent: Person) -> None:
    ticket = await user.opens_ticket()
    note = await agent.comments_on(ticket, "a secret", isInternal=True)
    answered(await agent.put(path_of(FLAT, note), {"content": "another secret"}), 200)
    answered(await agent.delete(path_of(FLAT, note)), 204)
    seen = (await user.reads(ticket))["activities"]
    assert [one["type"] for one in seen] == ["CREATED"]
    told = (await agent.reads(ticket))["activities"]
    fits(told, array(ACTIVITY))
    assert len(told) > 1


async def test_a_public_comment_stays_public_and_an_internal_one_internal(user: Person, agent: Person) -> None:
    ticket = await user.opens_ticket()
    note = await agent.comments_on(ticket, "a secret", isInternal=True)
    edited = answered(await agent.patch(path_of(FLAT, note), {"content": "b", "isInternal": False}), 200, COMMENT)
    assert edited["isInternal"] is True
    assert await contents(user, ticket) == []


async def test_access_to_comments_is_access_to_the_ticket(
    user: Person, other_user: Person, agent: Person, stranger: Person
) -> None:
    ticket = await user.opens_ticket(assignedToId=other_user.id)
    for person, status in ((other_user, 403), (stranger, 404)):
        refused(await person.get(f"/tickets/{ticket['id']}/comments"), status)
        refused(await person.get("/comments", ticketId=ticket["id"]), status)
        for route in (NESTED, FLAT):
            refused(await add(person, route, ticket, content="Hello?"), status)
    answered(await add(agent, FLAT, ticket, content="Hello!"), 201, COMMENT)
    assert await contents(user, ticket) == ["Hello!"]
