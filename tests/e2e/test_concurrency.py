"""Many at once: versions, lost updates, numbers (contract §6, §12; behaviours §1)."""

import asyncio

import httpx
import pytest

from support.people import API, PASSWORD, People, Person, fresh_address
from support.shapes import ACTIVITY, AUTH, COMMENT, COUNT, ID, INSTANT, TICKET, answered, array, fits, has, refused
from support.uploads import PNG, Uploader

STALE = has(
    currentVersion=COUNT,
    missed=array(
        has(
            version=COUNT,
            id=ID,
            type=ACTIVITY["properties"]["type"],
            changes={"type": "object"},
            at=INSTANT,
            actorId=ID,
        )
    ),
)


async def tag_of(person: Person, path: str) -> str:
    response = await person.get(path)
    answered(response, 200)
    return response.headers["ETag"]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_a_change_based_on_an_old_version_is_412(user: Person, agent: Person, method: str) -> None:
    ticket = await user.opens_ticket()
    path = f"/tickets/{ticket['id']}"
    old = await tag_of(user, path)
    await agent.edits(ticket, priority="high")
    response = await user.ask(method, path, json={"title": "Mine"}, headers={"If-Match": old})
    body = refused(response, 412, "stale_version")
    assert body["currentVersion"] == 2
    assert response.headers["ETag"].startswith('"v2')
    assert (await user.reads(ticket))["title"] == ticket["title"]
    again = await user.ask(method, path, json={"title": "Mine"}, headers={"If-Match": await tag_of(user, path)})
    assert answered(again, 200, TICKET)["title"] == "Mine"


async def test_who_is_late_is_told_what_they_missed(user: Person, agent: Person) -> None:
    ticket = await user.opens_ticket(title="Old")
    path, late = f"/tickets/{ticket['id']}", {"If-Match": '"v1"'}
    await agent.edits(ticket, title="New", priority="high")
    note = await agent.comments_on(ticket, "Between us.", isInternal=True)
    await agent.edits(ticket, status="resolved")
    body = refused(await agent.patch(path, {"title": "Mine"}, **late), 412, "stale_version")
    fits(body, STALE)
    assert body["currentVersion"] == 5
    assert [one["version"] for one in body["missed"]] == [2, 3, 4, 5]
    types = [one["type"] for one in body["missed"]]
    assert types == ["UPDATED", "PRIORITY_CHANGED", "COMMENTED", "STATUS_CHANGED"]
    assert body["missed"][0]["changes"] == {"title": {"from": "Old", "to": "New"}}
    assert {one["actorId"] for one in body["missed"]} == {agent.id}
    activities = {one["id"]: one["changes"] for one in (await agent.reads(ticket))["activities"]}
    assert all(activities[one["id"]] == one["changes"] for one in body["missed"])
    own = refused(await user.patch(path, {"title": "Mine"}, **late), 412, "stale_version")
    assert [one["version"] for one in own["missed"]] == [2, 3, 5]
    assert note["id"] not in str(own)
    ahead = refused(await user.patch(path, {"title": "Mine"}, **{"If-Match": '"v9"'}), 412, "stale_version")
    assert ahead["missed"] == []


async def test_of_many_missed_events_the_latest_fifty_are_told(user: Person) -> None:
    ticket = await user.opens_ticket()
    for number in range(0, 52, 4):
        await asyncio.gather(*(user.comments_on(ticket, f"{number + more}") for more in range(4)))
    response = await user.patch(f"/tickets/{ticket['id']}", {"title": "x"}, **{"If-Match": '"v1"'})
    missed = refused(response, 412, "stale_version")["missed"]
    assert [one["version"] for one in missed] == list(range(4, 54))


async def test_only_the_version_of_a_tag_counts(user: Person) -> None:
    ticket = await user.opens_ticket()
    path = f"/tickets/{ticket['id']}"
    for number, tag in enumerate(('"v1"', '"v2.another"', 'W/"v3.weak"', "*", '"v5"'), 1):
        answered(await user.patch(path, {"title": f"{number}"}, **{"If-Match": tag}), 200, TICKET)
    for tag in ('"v1"', '"v5"', '"v7"', '"v0"'):
        refused(await user.patch(path, {"title": "late"}, **{"If-Match": tag}), 412, "stale_version")


async def test_the_tag_of_a_write_is_good_for_the_next(user: Person) -> None:
    response = await user.post("/tickets", {"title": "x", "description": ""})
    path = f"/tickets/{answered(response, 201)['id']}"
    for number in range(3):
        response = await user.patch(path, {"title": f"{number}"}, **{"If-Match": response.headers["ETag"]})
        answered(response, 200, TICKET)


async def test_deletes_and_comments_honour_if_match_too(user: Person, admin: Person) -> None:
    ticket = await user.opens_ticket()
    comment = await user.comments_on(ticket)
    stale, current = {"If-Match": '"v1"'}, {"If-Match": '"v2"'}
    refused(await user.patch(f"/comments/{comment['id']}", {"content": "x"}, **stale), 412)
    refused(await user.delete(f"/comments/{comment['id']}", **stale), 412)
    refused(await user.delete(f"/tickets/{ticket['id']}/comments/{comment['id']}", **stale), 412)
    refused(await admin.delete(f"/tickets/{ticket['id']}", **stale), 412)
    answered(await user.delete(f"/comments/{comment['id']}", **current), 204)
    answered(await admin.delete(f"/tickets/{ticket['id']}", **{"If-Match": '"v3"'}), 204)


async def test_what_is_added_to_a_ticket_or_taken_from_it_honours_if_match_too(user: Person) -> None:
    """Who answers to what they read does not answer to what was said since."""
    ticket = await user.opens_ticket()
    path, stale = f"/tickets/{ticket['id']}", {"If-Match": '"v9"'}
    refused(await user.post(f"{path}/comments", {"content": "x"}, **stale), 412, "stale_version")
    refused(await user.post("/comments", {"content": "x", "ticketId": ticket["id"]}, **stale), 412, "stale_version")
    answered(await user.post(f"{path}/comments", {"content": "x"}, **{"If-Match": '"v1"'}), 201, COMMENT)

    uploader = Uploader(user, ticket)
    begun = await uploader.begins()
    await uploader.puts(begun)
    body = {"filename": "scan.png", "fileUrl": begun["fileUrl"], "fileSize": len(PNG), "mimeType": "image/png"}
    refused(await user.post(uploader.path, body, **stale), 412, "stale_version")
    added = await user.post(uploader.path, body, **{"If-Match": '"v2"'})
    file = f"{uploader.path}/{answered(added, 201)['id']}"
    refused(await user.delete(file, **stale), 412, "stale_version")
    answered(await user.delete(file, **{"If-Match": added.headers["ETag"]}), 204)


async def test_who_may_not_learns_nothing_of_versions(
    user: Person, other_user: Person, admin: Person, stranger: Person
) -> None:
    ticket = await user.opens_ticket()
    comment = await user.comments_on(ticket)
    path = f"/tickets/{ticket['id']}"
    for tag in ('"v1"', '"v9"'):
        refused(await other_user.patch(path, {"title": "x"}, **{"If-Match": tag}), 403)
        refused(await stranger.patch(path, {"title": "x"}, **{"If-Match": tag}), 404)
        refused(await other_user.delete(path, **{"If-Match": tag}), 403)
        refused(await other_user.patch(f"/comments/{comment['id']}", {"content": "x"}, **{"If-Match": tag}), 404)
    answered(await admin.delete(path), 204)
    refused(await user.patch(path, {"title": "x"}, **{"If-Match": '"v2"'}), 404)


async def test_a_refusal_for_what_one_has_not_seen_is_412(user: Person, agent: Person) -> None:
    ticket = await user.opens_ticket()
    await agent.edits(ticket, status="closed")
    resolve = {"status": "resolved"}
    refused(await agent.patch(f"/tickets/{ticket['id']}", resolve, **{"If-Match": '"v1"'}), 412, "stale_version")
    refused(await agent.patch(f"/tickets/{ticket['id']}", resolve, **{"If-Match": '"v2"'}), 409, "illegal_transition")


async def test_edits_of_different_fields_both_succeed(user: Person, agent: Person) -> None:
    ticket = await user.opens_ticket()
    for number in range(5):
        title, description = f"title {number}", f"description {number}"
        path = f"/tickets/{ticket['id']}"
        for response in await asyncio.gather(
            user.patch(path, {"title": title}), agent.patch(path, {"description": description})
        ):
            answered(response, 200, TICKET)
        detail = await user.reads(ticket)
        assert (detail["title"], detail["description"]) == (title, description)


async def test_twenty_edits_at_once_all_count(user: Person, agent: Person) -> None:
    ticket = await user.opens_ticket()
    path = f"/tickets/{ticket['id']}"
    responses = await asyncio.gather(
        *((user, agent)[number % 2].patch(path, {"title": f"edit {number}"}) for number in range(20))
    )
    edited = [answered(response, 200, TICKET) for response in responses]
    versions = sorted(int(response.headers["ETag"][2:].partition(".")[0]) for response in responses)
    assert versions == list(range(2, 22))
    assert len({one["updatedAt"] for one in edited}) == 20
    detail = await user.reads(ticket)
    assert [one["type"] for one in detail["activities"]] == ["UPDATED"] * 20 + ["CREATED"]
    last = max(edited, key=lambda one: str(one["updatedAt"]))
    assert (detail["title"], detail["updatedAt"]) == (last["title"], last["updatedAt"])
    assert {one["title"] for one in edited} == {f"edit {number}" for number in range(20)}


async def test_of_twenty_edits_on_one_version_one_wins(user: Person) -> None:
    ticket = await user.opens_ticket()
    path, tag = f"/tickets/{ticket['id']}", {"If-Match": '"v1"'}
    responses = await asyncio.gather(*(user.patch(path, {"title": f"{number}"}, **tag) for number in range(20)))
    won = [answered(response, 200) for response in responses if response.status_code == 200]
    assert len(won) == 1
    for response in responses:
        if response.status_code != 200:
            refused(response, 412, "stale_version")
    detail = await user.reads(ticket)
    assert (detail["title"], len(detail["activities"])) == (won[0]["title"], 2)


async def test_comments_at_once_are_all_there(user: Person, agent: Person) -> None:
    ticket = await user.opens_ticket()
    await asyncio.gather(*((user, agent)[number % 2].comments_on(ticket, f"{number}") for number in range(20)))
    found = answered(await user.get(f"/tickets/{ticket['id']}/comments"), 200, array(COMMENT))
    assert {comment["content"] for comment in found} == {f"{number}" for number in range(20)}
    assert len({comment["id"] for comment in found}) == 20


async def test_numbers_are_unique_and_grow(user: Person, agent: Person) -> None:
    before = (await user.opens_ticket())["number"]
    made = await asyncio.gather(*((user, agent)[number % 2].opens_ticket() for number in range(30)))
    numbers = [ticket["number"] for ticket in made]
    after = (await user.opens_ticket())["number"]
    assert len(set(numbers)) == 30
    assert before < min(numbers)
    assert max(numbers) < after
    assert len({ticket["id"] for ticket in made}) == 30
    later = [(await user.opens_ticket())["number"] for _ in range(3)]
    assert later == sorted(set(later))


async def test_of_sign_ups_with_one_address_one_wins(client: httpx.AsyncClient) -> None:
    body = {"email": fresh_address(), "password": PASSWORD, "name": "Ada"}
    responses = await asyncio.gather(*(client.post(f"{API}/auth/signup", json=body) for _ in range(6)))
    assert sorted(response.status_code for response in responses) == [201, 409, 409, 409, 409, 409]
    for response in responses:
        answered(response, response.status_code, AUTH if response.status_code == 201 else None)


async def test_a_ticket_is_deleted_once(user: Person, admin: Person) -> None:
    ticket = await user.opens_ticket()
    responses = await asyncio.gather(*(admin.delete(f"/tickets/{ticket['id']}") for _ in range(5)))
    assert sorted(response.status_code for response in responses) == [204, 404, 404, 404, 404]


async def test_a_delete_and_edits_at_once_end_deleted(user: Person, admin: Person) -> None:
    ticket = await user.opens_ticket()
    path = f"/tickets/{ticket['id']}"
    edits = [user.patch(path, {"title": f"{number}"}) for number in range(6)]
    *edited, deleted = await asyncio.gather(*edits, admin.delete(path))
    answered(deleted, 204)
    for response in edited:
        answered(response, response.status_code if response.status_code in (200, 404) else 404)
    refused(await user.get(path), 404)


async def test_a_webhook_changes_on_its_version_alone(agent: Person) -> None:
    body = {"url": "http://127.0.0.1:9/", "events": ["TICKET_CLOSED"]}
    response = await agent.post("/webhooks", body)
    path = f"/webhooks/{answered(response, 201)['id']}"
    old = response.headers["ETag"]
    try:
        answered(await agent.patch(path, {"isActive": False}, **{"If-Match": old}), 200)
        refused(await agent.patch(path, {"isActive": True}, **{"If-Match": old}), 412, "stale_version")
        refused(await agent.delete(path, **{"If-Match": old}), 412, "stale_version")
        many = await asyncio.gather(*(agent.patch(path, {"url": f"http://127.0.0.1:9/{n}"}) for n in range(8)))
        assert {response.status_code for response in many} == {200}
    finally:
        answered(await agent.delete(path), 200)


async def test_newcomers_of_two_tenants_at_once_do_not_meet(people: People) -> None:
    one, other = await asyncio.gather(people.newcomer(), people.newcomer(tenantSlug="demo-company"))
    tickets = await asyncio.gather(*(person.opens_ticket() for person in (one, other) * 8))
    assert {ticket["tenantId"] for ticket in tickets} == {one.tenant_id, other.tenant_id}
    for person in (one, other):
        seen = answered(await person.get("/tickets"), 200)
        assert {ticket["createdById"] for ticket in seen} == {person.id}
        assert len(seen) == 8
