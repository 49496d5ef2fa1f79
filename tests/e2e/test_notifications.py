"""Notifications: who hears of what, and only they (contract §10)."""

from typing import Any

import pytest

from support.people import Json, Person
from support.shapes import NOTIFICATION, answered, array, has, page_of, refused
from support.waiting import eventually

UNKNOWN = "018f3a5c-7b1e-7c3d-9e5f-0123456789ab"


async def heard(person: Person, **query: Any) -> list[Json]:
    """What a person is told, newest first."""
    notifications: list[Json] = answered(await person.get("/notifications", **query), 200, array(NOTIFICATION))
    return notifications


async def hears(person: Person, type_: str, ticket: Json) -> Json:
    """The notification of this type about this ticket, as soon as it is there."""

    async def look() -> Json | None:
        for one in await heard(person):
            if (one["type"], one["data"]["ticketId"]) == (type_, ticket["id"]):
                return one
        return None

    return await eventually(look)


async def own(person: Person, title: str = "Mine") -> Json:
    """A notification that is there at once, because who assigns to oneself waits for it."""
    ticket = await person.opens_ticket(title=title, assignedToId=person.id)
    return next(one for one in await heard(person) if one["data"]["ticketId"] == ticket["id"])


async def test_who_assigns_to_oneself_reads_of_it_at_once(user: Person) -> None:
    for number in range(10):
        title = f"Mine {number} — “quoted” 👋"
        ticket = await user.opens_ticket(title=title, assignedToId=user.id)
        newest, *_ = await heard(user)
        assert (newest["type"], newest["userId"], newest["isRead"]) == ("TICKET_ASSIGNED", user.id, False)
        assert newest["data"]["ticketId"] == ticket["id"]
        assert title in newest["message"]
    later = await user.opens_ticket(title="Later mine")
    await user.edits(later, assignedToId=user.id)
    assert "Later mine" in (await heard(user))[0]["message"]
    assert len(await heard(user)) == 11


async def test_an_assignee_hears_of_an_assignment(agent: Person, user: Person, other_user: Person) -> None:
    ticket = await user.opens_ticket(title="Somebody's turn")
    await agent.edits(ticket, assignedToId=other_user.id)
    notification = await hears(other_user, "TICKET_ASSIGNED", ticket)
    assert notification["userId"] == other_user.id
    assert "Somebody's turn" in notification["message"]
    assert await heard(user) == []


async def test_creator_and_assignee_hear_of_others_comments(agent: Person, user: Person, other_user: Person) -> None:
    ticket = await user.opens_ticket(title="A talk", assignedToId=other_user.id)
    await hears(other_user, "TICKET_ASSIGNED", ticket)
    await agent.comments_on(ticket)
    for person in (user, other_user):
        assert "A talk" in (await hears(person, "COMMENT_ADDED", ticket))["message"]
    await user.comments_on(ticket)
    await agent.edits(ticket, status="in_progress")
    await hears(user, "STATUS_CHANGED", ticket)
    await hears(other_user, "STATUS_CHANGED", ticket)
    assert [one["type"] for one in await heard(user)] == ["STATUS_CHANGED", "COMMENT_ADDED"]
    types = ["STATUS_CHANGED", "COMMENT_ADDED", "COMMENT_ADDED", "TICKET_ASSIGNED"]
    assert [one["type"] for one in await heard(other_user)] == types


async def test_the_actor_hears_nothing_of_their_own_doing(agent: Person, user: Person, other_user: Person) -> None:
    ticket = await user.opens_ticket(assignedToId=other_user.id)
    await user.comments_on(ticket)
    await user.edits(ticket, status="resolved")
    await hears(other_user, "STATUS_CHANGED", ticket)  # the last of them has been told
    assert await heard(user) == []


async def test_an_internal_note_is_told_to_no_requester(agent: Person, user: Person, other_user: Person) -> None:
    ticket = await user.opens_ticket(assignedToId=other_user.id)
    await agent.comments_on(ticket, "a secret", isInternal=True)
    await agent.edits(ticket, status="resolved")
    await hears(user, "STATUS_CHANGED", ticket)
    await hears(other_user, "STATUS_CHANGED", ticket)
    assert [one["type"] for one in await heard(user)] == ["STATUS_CHANGED"]
    assert [one["type"] for one in await heard(other_user)] == ["STATUS_CHANGED", "TICKET_ASSIGNED"]


async def test_notifications_are_filtered_by_read_and_type(user: Person) -> None:
    first, second = await own(user, "first"), await own(user, "second")
    answered(await user.put(f"/notifications/{first['id']}/read", None), 200, NOTIFICATION)
    assert [one["id"] for one in await heard(user)] == [second["id"], first["id"]]
    for query, expected in (
        ({"unreadOnly": "true"}, [second]),
        ({"isRead": "false"}, [second]),
        ({"isRead": "true"}, [first]),
        ({"unreadOnly": "false"}, [second, first]),
        ({"type": "TICKET_ASSIGNED"}, [second, first]),
        ({"type": "ticket_assigned", "isRead": "true"}, [first]),
        ({"type": "COMMENT_ADDED"}, []),
    ):
        assert [one["id"] for one in await heard(user, **query)] == [one["id"] for one in expected], query
    page = answered(await user.get("/notifications", page=1, limit=1, sortOrder="desc"), 200, page_of(NOTIFICATION))
    assert [one["id"] for one in page["data"]] == [second["id"]]
    assert page["meta"]["total"] == 2


@pytest.mark.parametrize("query", ["type=NONSENSE", "isRead=maybe", "unreadOnly=7", "type="])
async def test_a_filter_that_makes_no_sense_is_refused(somebody: Person, query: str) -> None:
    refused(await somebody.get(f"/notifications?{query}"), 400, field=query.partition("=")[0])


async def test_one_is_read_once_and_for_all(user: Person) -> None:
    notification = await own(user)
    for _ in range(2):
        read = answered(await user.put(f"/notifications/{notification['id']}/read", {}), 200, NOTIFICATION)
        assert read == notification | {"isRead": True}
    assert await heard(user) == [read]


async def test_all_are_read_at_once_and_counted(user: Person) -> None:
    for _ in range(3):
        await own(user)
    count = has(count={"type": "integer"})
    assert answered(await user.put("/notifications/read-all", None), 200, count)["count"] == 3
    assert answered(await user.put("/notifications/read-all", None), 200, count)["count"] == 0
    assert all(one["isRead"] for one in await heard(user))


async def test_one_that_is_deleted_is_gone(user: Person) -> None:
    notification = await own(user)
    path = f"/notifications/{notification['id']}"
    answered(await user.delete(path), 204)
    assert await heard(user) == []
    refused(await user.delete(path), 404)
    refused(await user.put(f"{path}/read", None), 404)


async def test_notifications_of_others_are_not_there(
    user: Person, other_user: Person, admin: Person, stranger: Person
) -> None:
    notification = await own(user)
    for person in (other_user, admin, stranger):
        for id_ in (notification["id"], UNKNOWN):
            refused(await person.put(f"/notifications/{id_}/read", None), 404)
            refused(await person.delete(f"/notifications/{id_}"), 404)
        assert notification["id"] not in {one["id"] for one in await heard(person)}
    answered(await other_user.put("/notifications/read-all", None), 200)
    assert await heard(user) == [notification]
