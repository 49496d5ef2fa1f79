"""Filters, orders, pages and cursors of ticket lists (contract §5, §6; behaviours §4)."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest

from integration.query_api.views import NOON, Person, Views

_MANY = """
insert into views.tickets (tenant_id, id, number, title, description, status, priority, tags, created_by_id, created_at,
                           updated_at, deleted, version)
select tenant_id, gen_random_uuid(), n, 'one of many', '', 'open', 'low', '{}', created_by_id,
       created_at - n * interval '1 second', updated_at, false, 1
from views.tickets, generate_series(2, %s) n where id = %s"""


def ids(tickets: list[dict[str, Any]]) -> list[UUID]:
    return [UUID(ticket["id"]) for ticket in tickets]


async def many(views: Views, by: Person, count: int) -> None:
    """`count` tickets of `by`."""
    await views.admin.execute(_MANY, (count, await views.ticket(by)))


async def test_a_bare_array_is_newest_first_and_a_page_oldest_first(views: Views) -> None:
    agent = await views.person("AGENT")
    tickets = [await views.ticket(agent) for _ in range(3)]
    assert ids(await views.get(agent, "/tickets")) == tickets[::-1]
    page = await views.get(agent, "/tickets", page=1, limit=2)
    assert ids(page["data"]) == tickets[:2]
    meta = page["meta"]
    assert {name: meta[name] for name in ("page", "limit", "total", "totalPages")} == {
        "page": 1,
        "limit": 2,
        "total": 3,
        "totalPages": 2,
    }
    assert (meta["hasNextPage"], meta["hasPreviousPage"]) == (True, False)


@pytest.mark.parametrize("parameter", ["page=1", "limit=5", "cursor=", "sortBy=title", "sortOrder=desc"])
async def test_any_paging_parameter_asks_for_the_envelope(views: Views, parameter: str) -> None:
    agent = await views.person("AGENT")
    assert (await views.get(agent, f"/tickets?{parameter}"))["data"] == []
    assert await views.get(agent, "/tickets?status=open") == []


async def test_the_older_clients_alias_always_answers_the_envelope(views: Views) -> None:
    agent = await views.person("AGENT")
    ticket = await views.ticket(agent)
    comment = await views.comment(ticket, agent)
    for path, expected in (("/api/tickets", ticket), (f"/api/tickets/{ticket}/comments", comment)):
        answer = await views.client.get(path, headers=agent.headers)
        assert ids(answer.json()["data"]) == [expected]
        assert answer.json()["meta"]["total"] == 1


async def test_pages_beyond_the_end_are_empty(views: Views) -> None:
    agent = await views.person("AGENT")
    await views.ticket(agent)
    for page in (2, 501, 2**53 - 1):
        beyond = await views.get(agent, "/tickets", page=page)
        assert beyond["data"] == []
        assert (beyond["meta"]["total"], beyond["meta"]["hasNextPage"]) == (1, False)
        assert beyond["meta"]["hasPreviousPage"] is True


async def test_beyond_ten_thousand_rows_that_exist_only_cursors_lead(views: Views) -> None:
    agent = await views.person("AGENT")
    await many(views, agent, 10_001)
    assert len((await views.get(agent, "/tickets", page=100, limit=100))["data"]) == 100
    answer = await views.ask(agent, "/tickets", page=101, limit=100)
    assert answer.status_code == 400
    assert answer.json()["reason"] == "page_too_deep"
    assert "cursor" in answer.json()["message"]
    assert (await views.get(agent, "/tickets", page=102, limit=100))["data"] == []


@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "page=-1",
        "page=x",
        "page=",
        "page=99999999999999999999",
        "limit=0",
        "limit=101",
        "limit=1.5",
        "sortBy=password",
        "sortOrder=up",
        "status=nonsense",
        "priority=nonsense",
        "createdById=42",
        "assignedTo=42",
        "createdAfter=yesterday",
        "createdBefore=2026-13-01",
        "search=%00",
        "cursor=forged",
        "cursor=%C3%A9",
    ],
)
async def test_what_is_out_of_range_or_malformed_is_a_400_with_details(views: Views, query: str) -> None:
    answer = await views.ask(await views.person("AGENT"), f"/tickets?{query}")
    assert answer.status_code == 400
    body = answer.json()
    assert body["code"] == "VALIDATION_ERROR"
    assert body["details"][0]["field"] == query.partition("=")[0]
    assert body["errors"] == body["details"]


async def test_filters_narrow_in_any_letter_case_and_by_older_words(views: Views) -> None:
    agent = await views.person("AGENT")
    other = uuid4()
    burning = await views.ticket(agent, "Printer BURNS", priority="critical", status="in_progress", assignee_id=other)
    waiting = await views.ticket(agent, "Ink", description="100% of_it", waiting_on="requester")
    cancelled = await views.ticket(agent, "Ünnötig", status="closed", resolution="cancelled")
    solved = await views.ticket(agent, "Done", status="closed", resolution="solved")

    async def found(**query: Any) -> set[UUID]:
        bare, paged = await views.get(agent, "/tickets", **query), await views.get(agent, "/tickets", page=1, **query)
        assert paged["meta"]["total"] == len(bare)
        assert set(ids(paged["data"])) == set(ids(bare))
        return set(ids(bare))

    assert await found(status="IN_Progress") == {burning}
    assert await found(priority="URGENT") == {burning}
    assert await found(status="closed") == {cancelled, solved}
    assert await found(status="cancelled") == {cancelled}
    assert await found(status="pending") == {waiting}
    assert await found(assignedTo=other) == {burning}
    assert await found(search="printer b") == {burning}
    assert await found(search="ÜNNÖ") == {cancelled}
    assert await found(search="100% OF_") == {waiting}
    assert await found(search="0_") == set()
    assert await found(search="\\") == set()
    assert await found(status="", priority="", search="", createdById="") == {burning, waiting, cancelled, solved}


async def test_filters_by_time_include_the_moment_itself(views: Views) -> None:
    agent = await views.person("AGENT")
    tickets = [await views.ticket(agent, created_at=NOON + timedelta(days=day)) for day in range(3)]
    assert ids(await views.get(agent, "/tickets", createdAfter="2026-05-05T12:00:00.000Z")) == tickets[:0:-1]
    assert ids(await views.get(agent, "/tickets", createdBefore="2026-05-05T14:00:00+02:00")) == tickets[1::-1]
    assert ids(await views.get(agent, "/tickets", createdAfter="2026-05-05", createdBefore="2026-05-06")) == [
        tickets[1]
    ]


async def test_words_sort_in_their_natural_order_and_ties_by_id(views: Views) -> None:
    agent = await views.person("AGENT")
    for status in ("closed", "open", "resolved", "in_progress", "open"):
        await views.ticket(agent, status=status)
    for priority in ("low", "critical", "medium", "high"):
        await views.ticket(agent, priority=priority)

    by_status = (await views.get(agent, "/tickets", sortBy="status"))["data"]
    words = [ticket["status"] for ticket in by_status]
    assert [word for n, word in enumerate(words) if word not in words[:n]] == [
        "open",
        "in_progress",
        "resolved",
        "closed",
    ]
    opened = [UUID(ticket["id"]) for ticket in by_status if ticket["status"] == "open"]
    assert opened == sorted(opened)
    by_priority = (await views.get(agent, "/tickets", sortBy="priority", sortOrder="DESC"))["data"]
    words = [ticket["priority"] for ticket in by_priority]
    assert [word for n, word in enumerate(words) if word not in words[:n]] == ["critical", "high", "medium", "low"]


@pytest.mark.parametrize("sort_by", ["createdAt", "updatedAt", "title", "status", "priority"])
@pytest.mark.parametrize("sort_order", ["asc", "desc"])
async def test_cursors_lead_through_every_order_and_back(views: Views, sort_by: str, sort_order: str) -> None:
    agent = await views.person("AGENT")
    for n in range(7):
        await views.ticket(agent, f"title {n % 3}", status=("open", "closed")[n % 2], created_at=NOON)
    order = {"sortBy": sort_by, "sortOrder": sort_order}
    whole = ids((await views.get(agent, "/tickets", **order))["data"])

    forth: list[UUID] = []
    pages: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await views.get(agent, "/tickets", cursor=cursor, limit=3, **order)
        forth += ids(page["data"])
        pages.append(page)
        cursor = page["meta"]["nextCursor"]
    assert forth == whole
    assert [len(page["data"]) for page in pages] == [3, 3, 1]
    assert [page["meta"]["hasNextPage"] for page in pages] == [True, True, False]
    assert [page["meta"]["hasPreviousPage"] for page in pages] == [False, True, True]

    back, cursor = ids(pages[-1]["data"]), pages[-1]["meta"]["previousCursor"]
    while cursor is not None:
        page = await views.get(agent, "/tickets", cursor=cursor, limit=3)
        back = ids(page["data"]) + back
        cursor = page["meta"]["previousCursor"]
    assert back == whole


async def test_nothing_is_skipped_or_repeated_while_rows_come_and_go(views: Views) -> None:
    agent = await views.person("AGENT")
    tickets = [await views.ticket(agent) for _ in range(4)]
    page = await views.get(agent, "/tickets", cursor="", limit=2)
    await views.admin.execute("update views.tickets set deleted = true where id = %s", (tickets[1],))
    await views.ticket(agent, created_at=NOON)
    rest = await views.get(agent, "/tickets", cursor=page["meta"]["nextCursor"], limit=2)
    assert ids(rest["data"]) == tickets[2:]


async def test_the_way_back_stays_when_what_followed_is_gone(views: Views) -> None:
    agent = await views.person("AGENT")
    tickets = [await views.ticket(agent) for _ in range(3)]
    page = await views.get(agent, "/tickets", cursor="", limit=2)
    await views.admin.execute("update views.tickets set deleted = true where id = %s", (tickets[2],))
    empty = await views.get(agent, "/tickets", cursor=page["meta"]["nextCursor"], limit=2)
    assert (empty["data"], empty["meta"]["hasNextPage"]) == ([], False)
    back = await views.get(agent, "/tickets", cursor=empty["meta"]["previousCursor"], limit=2)
    assert ids(back["data"]) == tickets[:2]


async def test_a_numbered_page_names_cursors_that_lead_on(views: Views) -> None:
    agent = await views.person("AGENT")
    tickets = [await views.ticket(agent) for _ in range(3)]
    page = await views.get(agent, "/tickets", page=1, limit=2)
    rest = await views.get(agent, "/tickets", cursor=page["meta"]["nextCursor"])
    assert ids(rest["data"]) == tickets[2:]


async def test_a_cursor_belongs_to_its_filters_its_order_and_its_caller(views: Views) -> None:
    agent = await views.person("AGENT")
    requester = await views.person("USER", agent.tenant_id)
    for _ in range(2):
        await views.ticket(requester)
    page = await views.get(agent, "/tickets", cursor="", limit=1, status="open")
    cursor = page["meta"]["nextCursor"]
    assert len((await views.get(agent, "/tickets", cursor=cursor, status="OPEN"))["data"]) == 1
    for changed in ({}, {"status": "closed"}, {"status": "open", "search": "x"}, {"status": "open", "sortBy": "title"}):
        assert await views.refused(agent, "/tickets", cursor=cursor, **changed) == (400, "validation_failed")
    assert await views.refused(requester, "/tickets", cursor=cursor, status="open") == (400, "validation_failed")
    assert await views.refused(agent, "/tickets", cursor=cursor[:-2] + "AA", status="open") == (
        400,
        "validation_failed",
    )


async def test_a_bare_array_is_bounded_and_says_where_the_rest_is(views: Views) -> None:
    agent = await views.person("AGENT")
    await many(views, agent, 1_050)
    answer = await views.ask(agent, "/tickets", status="open")
    assert len(answer.json()) == 1_000
    link, relation = answer.headers["link"].split("; ")
    assert relation == 'rel="next"'
    address = urlsplit(link.strip("<>"))
    assert (address.netloc, address.path) == ("", "/api/v1/tickets")
    rest = await views.client.get(f"{address.path}?{address.query}", headers=agent.headers)
    assert len(rest.json()["data"]) == 50
    assert not set(ids(rest.json()["data"])) & set(ids(answer.json()))
