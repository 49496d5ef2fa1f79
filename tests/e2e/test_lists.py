"""Lists: both shapes, both ways of paging, order, filters (contract §5, §6)."""

import asyncio
import re
from typing import Any

import pytest

from support.cases import each
from support.people import Json, Person
from support.shapes import COMMENT, LISTED_TICKET, NOTIFICATION, WEBHOOK, answered, array, page_of, refused, slice_of
from support.waiting import eventually

PAGED = page_of(LISTED_TICKET)
SLICED = slice_of(LISTED_TICKET)
UNKNOWN = "018f3a5c-7b1e-7c3d-9e5f-0123456789ab"
PAGING = ("page=1", "limit=20", "cursor=", "sortBy=createdAt", "sortOrder=asc")


async def titles(person: Person, path: str = "/tickets", **query: Any) -> list[str]:
    """The titles of a page, in its order."""
    return [ticket["title"] for ticket in answered(await person.get(path, **query), 200, SLICED)["data"]]


async def opens(person: Person, *names: str, **fields: Any) -> list[Json]:
    return [await person.opens_ticket(title=name, **fields) for name in names]


async def walk(person: Person, turn: str, **query: Any) -> list[list[str]]:
    """Every page in this direction (`nextCursor` or `previousCursor`), by the titles on it."""
    pages, cursor = [], query.pop("cursor", "")
    while cursor is not None:
        page = answered(await person.get("/tickets", cursor=cursor, **query), 200, SLICED)
        pages.append([ticket["title"] for ticket in page["data"]])
        cursor, has_more = page["meta"][turn], page["meta"][f"has{'Next' if turn == 'nextCursor' else 'Previous'}Page"]
        assert has_more is (cursor is not None)
        assert len(pages) < 50
    return pages


async def test_a_bare_array_is_newest_first(user: Person) -> None:
    await opens(user, "first", "second", "third")
    tickets = answered(await user.get("/tickets"), 200, array(LISTED_TICKET))
    assert [ticket["title"] for ticket in tickets] == ["third", "second", "first"]


@pytest.mark.parametrize("paging", PAGING)
async def test_each_paging_parameter_alone_asks_for_the_envelope(user: Person, paging: str) -> None:
    await opens(user, "first", "second")
    page = answered(await user.get(f"/tickets?{paging}"), 200, SLICED)
    assert [ticket["title"] for ticket in page["data"]] == ["first", "second"]


async def test_filters_alone_leave_the_array_bare(user: Person) -> None:
    await opens(user, "first")
    for query in ("status=open", "priority=medium", "search=first", f"createdById={user.id}", "unknown=1", "Page=1"):
        answered(await user.get(f"/tickets?{query}"), 200, array(LISTED_TICKET))


async def test_the_alias_always_answers_the_envelope(user: Person) -> None:
    (ticket,) = await opens(user, "first")
    await user.comments_on(ticket)
    for query in ("", "?status=open", "?page=1"):
        page = answered(await user.get(f"/api/tickets{query}"), 200, PAGED)
        assert page["meta"] == page["meta"] | {"page": 1, "limit": 20, "total": 1, "totalPages": 1}
    answered(await user.get(f"/api/tickets/{ticket['id']}/comments"), 200, page_of(COMMENT))
    answered(await user.get("/api/comments", ticketId=ticket["id"]), 200, page_of(COMMENT))


async def test_pages_count_exactly(user: Person) -> None:
    await opens(user, *"abcde")
    expected = {
        1: (["a", "b"], True, False),
        2: (["c", "d"], True, True),
        3: (["e"], False, True),
        4: ([], False, True),
        2000: ([], False, True),
        10**9: ([], False, True),
    }
    for number, (names, more, before) in expected.items():
        page = answered(await user.get("/tickets", page=number, limit=2), 200, PAGED)
        assert [ticket["title"] for ticket in page["data"]] == names
        meta = {"page": number, "limit": 2, "total": 5, "totalPages": 3, "hasNextPage": more, "hasPreviousPage": before}
        assert page["meta"] | meta == page["meta"]


async def test_no_tickets_make_no_pages(user: Person) -> None:
    page = answered(await user.get("/tickets", page=1), 200, PAGED)
    meta = {"total": 0, "totalPages": 0, "hasNextPage": False, "hasPreviousPage": False}
    assert (page["data"], page["meta"] | meta) == ([], page["meta"])
    assert answered(await user.get("/tickets"), 200) == []
    assert await walk(user, "nextCursor") == [[]]


async def test_a_page_has_twenty_rows_unless_told_otherwise(user: Person) -> None:
    await opens(user, *(f"{number:02}" for number in range(21)))
    page = answered(await user.get("/tickets", page=1), 200, PAGED)
    assert (len(page["data"]), page["meta"]["totalPages"]) == (20, 2)
    assert len(answered(await user.get("/tickets"), 200)) == 21


@pytest.mark.parametrize(
    ("field", "value"),
    each(
        page=["0", "-1", "one", "1.5", "", "1e3", " ", "99999999999999999999999"],
        limit=["0", "-1", "101", "ten", "1.5", ""],
        sortBy=["id", "password", "createdAt;drop table", "", "created_at"],
        sortOrder=["up", "", "asc,desc"],
        cursor=["x", "!!!", "bm90IG91cnM", "%00", "A" * 5000, "é"],
        status=["nonsense", "open,closed;", "open,", "%00"],
        priority=["nonsense", "1", "low,nonsense"],
        createdById=["me", "1", "%00", f"{{{UNKNOWN}}}"],
        assignedTo=["nobody!", "1"],
        search=["%00", "x" * 501],
        createdAfter=["yesterday", "2026-13-01", "1", "%00"],
        createdBefore=["tomorrow", "2026-02-30T00:00:00Z"],
    ),
)
async def test_a_query_that_makes_no_sense_is_refused(somebody: Person, field: str, value: str) -> None:
    refused(await somebody.get(f"/tickets?{field}={value}"), 400, field=field)


@pytest.mark.parametrize("path", ["/webhooks", "/notifications"])
@pytest.mark.parametrize("query", ["page=0", "limit=0", "limit=101", "page=x", "sortOrder=up", "sortBy=x", "cursor=x"])
async def test_every_list_refuses_the_same(agent: Person, path: str, query: str) -> None:
    refused(await agent.get(f"{path}?{query}"), 400, field=query.partition("=")[0])


@pytest.mark.parametrize(("path", "shape"), [("/webhooks", WEBHOOK), ("/notifications", NOTIFICATION)])
async def test_other_lists_are_bare_without_paging_and_enveloped_with_it(agent: Person, path: str, shape: Json) -> None:
    answered(await agent.get(path), 200, array(shape))
    for paging in PAGING:
        answered(await agent.get(f"{path}?{paging}"), 200, slice_of(shape) if "cursor" in paging else page_of(shape))
    beyond = answered(await agent.get(f"{path}?page=20000&limit=100"), 200, page_of(shape))
    assert beyond["data"] == []


async def test_tickets_sort_by_each_field_and_ties_by_id(agent: Person, user: Person) -> None:
    low, high, critical, medium = [
        await user.opens_ticket(title=title, priority=priority)
        for title, priority in (("b", "low"), ("d", "high"), ("a", "critical"), ("c", "medium"))
    ]
    await agent.edits(low, status="closed")
    await agent.edits(critical, status="in_progress")
    expected = {
        "createdAt": [low, high, critical, medium],
        "title": [critical, low, medium, high],
        "priority": [low, medium, high, critical],
        "updatedAt": [high, medium, low, critical],
        "status": [high, medium, critical, low],
    }
    for field, tickets in expected.items():
        up = [ticket["title"] for ticket in tickets]
        assert await titles(user, sortBy=field) == up
        assert await titles(user, sortBy=field, sortOrder="ASC") == up
        assert await walk(user, "nextCursor", sortBy=field, limit=1) == [[title] for title in up]
        down = await titles(user, sortBy=field, sortOrder="desc")
        if field != "status":  # has a tie, which is ordered by id in either direction
            assert down == up[::-1]
        assert await walk(user, "nextCursor", sortBy=field, sortOrder="desc", limit=1) == [[title] for title in down]
        pages = [await titles(user, sortBy=field, page=number, limit=1) for number in (1, 2, 3, 4)]
        assert pages == [[title] for title in up]


async def test_cursors_lead_through_a_list_and_back(user: Person) -> None:
    await opens(user, *"abcdefg")
    assert await walk(user, "nextCursor", limit=3) == [["a", "b", "c"], ["d", "e", "f"], ["g"]]
    assert await walk(user, "nextCursor", limit=7) == [list("abcdefg")]
    page = answered(await user.get("/tickets", cursor="", limit=3), 200, SLICED)
    assert page["meta"]["hasPreviousPage"] is False
    for _ in range(2):
        page = answered(await user.get("/tickets", cursor=page["meta"]["nextCursor"], limit=3), 200, SLICED)
    assert [ticket["title"] for ticket in page["data"]] == ["g"]
    back = await walk(user, "previousCursor", cursor=page["meta"]["previousCursor"], limit=3)
    assert back == [["d", "e", "f"], ["a", "b", "c"]]


async def test_a_cursor_skips_and_repeats_nothing_while_the_list_changes(admin: Person, user: Person) -> None:
    a, b, *_ = await opens(user, *"abcd")
    first = answered(await user.get("/tickets", cursor="", limit=2), 200, SLICED)
    assert [ticket["title"] for ticket in first["data"]] == ["a", "b"]
    for ticket in (a, b):
        answered(await admin.delete(f"/tickets/{ticket['id']}"), 204)
    await opens(user, "e")
    assert await walk(user, "nextCursor", cursor=first["meta"]["nextCursor"], limit=2) == [["c", "d"], ["e"]]


async def test_a_cursor_serves_its_own_list_alone(user: Person, other_user: Person, stranger: Person) -> None:
    await opens(user, *"abc")
    cursor = answered(await user.get("/tickets", cursor="", limit=1), 200)["meta"]["nextCursor"]
    refused(await user.get("/tickets", cursor=cursor, status="open"), 400, field="cursor")
    refused(await user.get("/tickets", cursor=cursor, sortBy="title"), 400, field="cursor")
    refused(await user.get("/tickets", cursor=cursor, sortOrder="desc"), 400, field="cursor")
    refused(await other_user.get("/tickets", cursor=cursor), 400, field="cursor")
    refused(await stranger.get("/tickets", cursor=cursor), 400, field="cursor")
    refused(await user.get("/tickets", cursor=f"{cursor[:-3]}AAA"), 400, field="cursor")


async def test_tickets_are_filtered_by_status_and_priority_in_any_case(agent: Person, user: Person) -> None:
    _, urgent, waiting, ended = await opens(user, "plain", "urgent", "waiting", "ended")
    await user.edits(urgent, priority="critical")
    await agent.edits(waiting, status="pending")
    await agent.edits(ended, status="cancelled")
    for query, names in {
        "status=OPEN": ["plain", "urgent", "waiting"],
        "status=closed": ["ended"],
        "status=in_progress": [],
        "status=cancelled": ["ended"],
        "status=pending": ["waiting"],
        "status=on_hold": [],
        "priority=CRITICAL": ["urgent"],
        "priority=urgent": ["urgent"],
        "priority=medium&status=open": ["plain", "waiting"],
        "status=pending,Closed": ["waiting", "ended"],
        "status=in_progress,cancelled": ["ended"],
        "priority=URGENT,low": ["urgent"],
        "status=&priority=": ["plain", "urgent", "waiting", "ended"],
    }.items():
        assert await titles(user, f"/tickets?page=1&{query}") == names, query
        bare = answered(await user.get(f"/tickets?{query}"), 200, array(LISTED_TICKET))
        assert [ticket["title"] for ticket in bare] == names[::-1], query
        assert answered(await user.get(f"/tickets?{query}&page=1"), 200, PAGED)["meta"]["total"] == len(names)


async def test_tickets_are_filtered_by_people(agent: Person, user: Person, other_user: Person) -> None:
    mine, _ = await opens(user, "mine", "also mine")
    await opens(other_user, "another's", assignedToId=agent.id)
    await agent.edits(mine, assignedToId=other_user.id)
    assert await titles(agent, createdById=user.id, page=1) == ["mine", "also mine"]
    assert await titles(agent, createdById=user.id.upper(), page=1) == ["mine", "also mine"]
    assert await titles(agent, assignedTo=other_user.id, page=1) == ["mine"]
    assert await titles(agent, assignedTo=other_user.id, createdById=other_user.id, page=1) == []
    assert await titles(agent, assignedTo=UNKNOWN, page=1) == []
    assert await titles(agent, assignedTo="me", createdById=other_user.id, page=1) == ["another's"]
    assert await titles(agent, assignedTo="None", createdById=user.id, page=1) == ["also mine"]
    assert await titles(other_user, assignedTo="ME", page=1) == []


async def test_no_filter_widens_what_a_user_sees(user: Person, other_user: Person, agent: Person) -> None:
    await opens(other_user, "theirs", assignedToId=user.id)
    await opens(agent, "the agent's")
    for query in (
        {"createdById": other_user.id},
        {"createdById": agent.id},
        {"assignedTo": user.id},
        {"search": "their"},
        {"search": "%"},
        {"status": "open"},
    ):
        assert answered(await user.get("/tickets", **query), 200) == []
        page = answered(await user.get("/tickets", page=1, **query), 200, PAGED)
        assert (page["data"], page["meta"]["total"]) == ([], 0)


async def test_search_takes_words_literally_in_any_case(user: Person) -> None:
    await opens(user, "100% wrong", "snake_case", r"back\slash", "Grüße aus KÖLN", 'it\'s "quoted"')
    await user.opens_ticket(title="silent", description="The needle is here")
    for words, names in {
        "WRONG": ["100% wrong"],
        "100%": ["100% wrong"],
        "%": ["100% wrong"],
        "_": ["snake_case"],
        "\\": [r"back\slash"],
        "grüsse": [],
        "köln": ["Grüße aus KÖLN"],
        "it's": ['it\'s "quoted"'],
        '"quoted"': ['it\'s "quoted"'],
        "needle": ["silent"],
        "' or 1=1 --": [],
        "nowhere": [],
    }.items():
        assert await titles(user, search=words, page=1) == names, words


async def test_tickets_are_filtered_by_time(user: Person) -> None:
    first, second, third = await opens(user, "first", "second", "third")
    assert first["createdAt"] < second["createdAt"] < third["createdAt"]
    assert await titles(user, createdAfter=second["createdAt"], page=1) in (["second", "third"], ["third"])
    assert await titles(user, createdBefore=second["createdAt"], page=1) in (["first", "second"], ["first"])
    assert await titles(user, createdAfter=first["createdAt"], createdBefore=first["createdAt"], page=1) in (
        ["first"],
        [],
    )
    for past, future in (("2020-01-01", "2120-01-01"), ("2020-01-01T00:00:00Z", "2120-01-01T00:00:00+02:00")):
        assert await titles(user, createdAfter=past, createdBefore=future, page=1) == ["first", "second", "third"]
        assert await titles(user, createdAfter=future, page=1) == []
        assert await titles(user, createdBefore=past, page=1) == []


async def test_a_listed_ticket_shows_its_comments_in_short_newest_first(agent: Person, user: Person) -> None:
    ticket = await user.opens_ticket()
    for content in ("one", "two"):
        await user.comments_on(ticket, content)
    await agent.comments_on(ticket, "secret", isInternal=True)
    (seen,) = answered(await user.get("/tickets"), 200, array(LISTED_TICKET))
    assert [comment["content"] for comment in seen["comments"]] == ["two", "one"]
    page = answered(await agent.get("/tickets", createdById=user.id, page=1), 200, PAGED)
    assert [comment["content"] for comment in page["data"][0]["comments"]] == ["secret", "two", "one"]


async def test_comments_are_bare_newest_first_or_enveloped_oldest_first(user: Person) -> None:
    ticket = await user.opens_ticket()
    for content in "abc":
        await user.comments_on(ticket, content)
    path = f"/tickets/{ticket['id']}/comments"
    bare = answered(await user.get(path), 200, array(COMMENT))
    assert [comment["content"] for comment in bare] == ["c", "b", "a"]
    for query in (*PAGING, f"ticketId={ticket['id']}"):
        page = answered(await user.get(f"{path}?{query}"), 200, slice_of(COMMENT))
        assert [comment["content"] for comment in page["data"]] == ["a", "b", "c"], query
    flat = answered(await user.get("/comments", ticketId=ticket["id"]), 200, page_of(COMMENT))
    assert [comment["content"] for comment in flat["data"]] == ["a", "b", "c"]
    meta = {"page": 1, "limit": 20, "total": 3, "totalPages": 1, "hasNextPage": False, "hasPreviousPage": False}
    assert flat["meta"] | meta == flat["meta"]
    second = answered(await user.get("/comments", ticketId=ticket["id"], page=2, limit=2), 200, page_of(COMMENT))
    assert [comment["content"] for comment in second["data"]] == ["c"]
    newest = answered(await user.get("/comments", ticketId=ticket["id"], sortOrder="desc", limit=1), 200)
    assert [comment["content"] for comment in newest["data"]] == ["c"]


async def test_flat_comments_name_their_ticket(user: Person) -> None:
    refused(await user.get("/comments"), 400, field="ticketId")
    refused(await user.get("/comments?ticketId=x"), 400, field="ticketId")
    refused(await user.get("/comments", ticketId=UNKNOWN), 404, "ticket_not_found")


async def test_every_list_is_walked_by_cursors_of_its_own(user: Person, other_user: Person, agent: Person) -> None:
    first, other = await user.opens_ticket(title="first", assignedToId=user.id), await user.opens_ticket()
    for content in "abc":
        await user.comments_on(first, content)
    for number in range(2):
        await user.opens_ticket(title=f"mine {number}", assignedToId=user.id)
    hook = {"url": "http://127.0.0.1:9/", "events": ["TICKET_CLOSED"]}
    hooks = [answered(await agent.post("/webhooks", hook), 201)["id"] for _ in range(3)]
    nested = f"/tickets/{first['id']}/comments"
    for person, path, more, shape, elsewhere in (
        (user, nested, {}, COMMENT, f"/tickets/{other['id']}/comments"),
        (user, "/comments", {"ticketId": first["id"]}, COMMENT, f"/comments?ticketId={other['id']}"),
        (user, "/api/comments", {"ticketId": first["id"]}, COMMENT, nested.replace(first["id"], other["id"])),
        (user, "/notifications", {}, NOTIFICATION, "/notifications?isRead=true"),
        (agent, "/webhooks", {}, WEBHOOK, "/tickets"),
    ):
        seen: list[str] = []
        cursors: list[Any] = [""]
        while cursors[-1] is not None:
            page = answered(await person.get(path, cursor=cursors[-1], limit=1, **more), 200, slice_of(shape))
            seen += [one["id"] for one in page["data"]]
            cursors.append(page["meta"]["nextCursor"])
            assert len(seen) < 200
        before = cursors[1]
        whole = answered(await person.get(path, page=1, limit=100, **more), 200, page_of(shape))
        assert seen == [one["id"] for one in whole["data"]], path
        assert len(seen) >= 3
        turned = answered(await person.get(path, cursor="", limit=100, sortOrder="desc", **more), 200, slice_of(shape))
        assert [one["id"] for one in turned["data"]] == seen[::-1], path
        separator = "&" if "?" in elsewhere else "?"
        refused(await person.get(f"{elsewhere}{separator}cursor={before}"), 400, field="cursor")
        refused(await person.get(path, cursor=f"{before[:-3]}AAA", **more), 400, field="cursor")
    for id_ in hooks:
        answered(await agent.delete(f"/webhooks/{id_}"), 200)


async def test_a_bare_array_is_bounded_and_its_link_leads_on(user: Person) -> None:
    await many(user, 1_001)
    response = await user.get("/tickets", status="open")
    newest = answered(response, 200, array(LISTED_TICKET))
    assert len(newest) == 1_000
    assert [ticket["createdAt"] for ticket in newest] == sorted((one["createdAt"] for one in newest), reverse=True)
    (address,) = re.findall(r'^<([^>]+)>; rel="next"$', response.headers["Link"])
    rest = answered(await user.ask("GET", address), 200, slice_of(LISTED_TICKET))
    assert len(rest["data"]) == 1
    assert rest["data"][0]["id"] not in {ticket["id"] for ticket in newest}
    assert rest["data"][0]["createdAt"] <= newest[-1]["createdAt"]
    refused(await user.get("/tickets/export", format="csv"), 400, "export_too_large")
    last = newest[0]["number"]
    answered(await user.get("/tickets/export", format="csv", q=f"number<{last}"), 200)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_pages_end_at_ten_thousand_rows_that_exist_and_point_to_cursors(user: Person) -> None:
    await many(user, 10_001)
    assert len(answered(await user.get("/tickets", page=100, limit=100), 200, PAGED)["data"]) == 100
    body = refused(await user.get("/tickets", page=101, limit=100), 400, "page_too_deep", "page")
    assert "cursor" in body["message"]
    beyond = answered(await user.get("/tickets", page=102, limit=100), 200, PAGED)
    assert (beyond["data"], beyond["meta"]["total"]) == ([], 10_001)


async def many(person: Person, count: int) -> None:
    """So many tickets, all visible when this returns."""
    room = asyncio.Semaphore(32)

    async def one() -> None:
        async with room:
            body = {"title": "one of many", "description": ""}
            response = await person.ask("POST", "/tickets", json=body, headers={"Prefer": "respond-async"})
            answered(response, 201)

    await asyncio.gather(*(one() for _ in range(count)))

    async def all_there() -> bool:
        return bool(answered(await person.get("/tickets/stats"), 200)["total"] == count)

    await eventually(all_there, 60)
