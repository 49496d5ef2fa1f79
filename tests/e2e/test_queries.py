"""`q` through the gateway: beside other filters, on both addresses, refused with its place (behaviours §4)."""

from typing import Any
from urllib.parse import quote

import pytest

from support.people import Json, Person
from support.shapes import LISTED_TICKET, STATS, answered, array, page_of, refused, slice_of


async def found(person: Person, q: str, path: str = "/tickets", **more: Any) -> list[str]:
    """The titles of what a query finds, oldest first; the same by page and bare."""
    page = answered(await person.get(path, q=q, page=1, **more), 200, page_of(LISTED_TICKET))
    names = [ticket["title"] for ticket in page["data"]]
    assert page["meta"]["total"] == len(names)
    if path == "/tickets":
        bare = answered(await person.get(path, q=q, **more), 200, array(LISTED_TICKET))
        assert [ticket["title"] for ticket in bare] == names[::-1]
    return names


async def scene(user: Person, agent: Person) -> dict[str, Json]:
    """Four tickets of a user."""
    fire = await user.opens_ticket(title="Printer on fire", description="Smoke!", tags=["vip"])
    waits = await user.opens_ticket(title="Scanner waits", description="", priority="high")
    ended = await user.opens_ticket(title="Printer gone", description="")
    mine = await user.opens_ticket(title="Taken", description="by an agent", assignedToId=agent.id)
    await agent.edits(waits, status="pending")
    await agent.edits(ended, status="cancelled")
    return {"fire": fire, "waits": waits, "ended": ended, "mine": mine}


async def test_words_and_fields_find_tickets(user: Person, agent: Person) -> None:
    tickets = await scene(user, agent)
    for q, names in {
        "printer": ["Printer on fire", "Printer gone"],
        "PRINTER smoke": ["Printer on fire"],
        '"on fire"': ["Printer on fire"],
        "printer -smoke": ["Printer gone"],
        "status:open": ["Printer on fire", "Scanner waits", "Taken"],
        "status:cancelled,pending": ["Scanner waits", "Printer gone"],
        "waiting:requester": ["Scanner waits"],
        "priority>=high": ["Scanner waits"],
        "-priority:medium": ["Scanner waits"],
        "tag:vip": ["Printer on fire"],
        f"assigned:{agent.id}": ["Taken"],
        "assignee:none status:open": ["Printer on fire", "Scanner waits"],
        "requester:me": ["Printer on fire", "Scanner waits", "Printer gone", "Taken"],
        f"#{tickets['ended']['number']}": ["Printer gone"],
        f"number:{tickets['fire']['number']}": ["Printer on fire"],
        "created>-1d updated<=now": ["Printer on fire", "Scanner waits", "Printer gone", "Taken"],
        "created<2020": [],
        "(fire OR scanner) status:open": ["Printer on fire", "Scanner waits"],
        "%": [],
        "": ["Printer on fire", "Scanner waits", "Printer gone", "Taken"],
    }.items():
        assert await found(user, q) == names, q
        assert await found(user, q, "/api/tickets") == names, q
        counted = answered(await user.get("/tickets/stats", q=q), 200, STATS)
        assert counted["total"] == len(names), q


async def test_a_query_goes_together_with_filters_order_and_cursors(user: Person, agent: Person) -> None:
    await scene(user, agent)
    assert await found(user, "printer", status="closed") == ["Printer gone"]
    assert await found(user, "printer", search="fire") == ["Printer on fire"]
    assert await found(user, "status:open", assignedTo=agent.id) == ["Taken"]
    pages: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        response = await user.get("/tickets", q="created>-1d", sortBy="title", limit=1, cursor=cursor)
        page = answered(response, 200, slice_of(LISTED_TICKET))
        pages += [ticket["title"] for ticket in page["data"]]
        before, cursor = cursor, page["meta"]["nextCursor"]
    assert pages == ["Printer gone", "Printer on fire", "Scanner waits", "Taken"]
    for other in ({"q": "created>-2d"}, {}, {"q": "created>-1d", "status": "open"}):
        refused(await user.get("/tickets", cursor=before, **other), 400, field="cursor")


async def test_no_query_shows_others_tickets(user: Person, other_user: Person, agent: Person, stranger: Person) -> None:
    ticket = await other_user.opens_ticket(title="Theirs", assignedToId=user.id)
    for q in (f"#{ticket['number']}", f"requester:{other_user.id}", "assignee:me", "a OR -a", "Theirs OR requester:me"):
        assert await found(user, q) == [], q
        seen = answered(await stranger.get("/tickets", q=q, createdById=other_user.id), 200)
        assert seen == [], q
    assert await found(agent, f"requester:{other_user.id}") == ["Theirs"]


async def test_internal_notes_are_not_searched(user: Person, agent: Person) -> None:
    ticket = await user.opens_ticket()
    await agent.comments_on(ticket, "nobodyknowsthis", isInternal=True)
    assert await found(user, "nobodyknowsthis") == []
    assert await found(agent, "nobodyknowsthis") == []


@pytest.mark.parametrize(
    ("q", "code", "position", "suggestion"),
    [
        ("fire staus:open", "unknown_field", 5, "status"),
        ("👋 http://example.org", "unknown_field", 3, None),
        ("status:opne", "unknown_word", 7, "open"),
        ("assignee:ada", "malformed_id", 9, None),
        ("created:soon", "malformed_time", 8, None),
        ("number:x", "malformed_number", 7, None),
        ("tag>a", "not_comparable", 0, "tag:"),
        ("status:", "missing_value", 7, None),
        ("a OR", "missing_term", 4, None),
        ("(a", "unbalanced_parenthesis", 0, None),
        ('"a', "unclosed_quote", 0, None),
        ("a " * 101, "too_complex", 200, None),
        ("created>2026,2027", "too_many_values", 13, None),
    ],
)
async def test_what_is_no_query_is_refused_with_its_place(
    somebody: Person, q: str, code: str, position: int, suggestion: str | None
) -> None:
    for path in ("/tickets", "/tickets?page=1", "/api/tickets", "/tickets/stats", "/tickets/export"):
        separator = "&" if "?" in path else "?"
        body = refused(await somebody.get(f"{path}{separator}q={quote(q, safe='')}"), 400, "validation_failed", "q")
        assert (body["details"][0]["code"], body["position"], body["suggestion"]) == (code, position, suggestion)


@pytest.mark.parametrize("q", ["%00", "x" * 1001, "%ED%A0%80"])
async def test_text_that_is_none_is_refused_too(somebody: Person, q: str) -> None:
    response = await somebody.get(f"/tickets?q={q}")
    if q.startswith("%ED"):  # half a surrogate pair is no UTF-8: it arrives as replacement characters
        answered(response, 200)
    else:
        refused(response, 400, field="q")
