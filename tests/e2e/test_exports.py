"""Tickets as CSV (contract §6; behaviours §6)."""

import csv
import io

import pytest

from support.people import Json, Person
from support.shapes import answered, refused

HEADINGS = [
    *("id", "number", "title", "description", "status", "priority", "waitingOn", "resolution", "tags"),
    *("createdAt", "updatedAt", "createdById", "createdBy", "createdByEmail", "assignedToId", "assignedTo"),
    *("assignedToEmail", "metadata"),
]


async def export(person: Person, path: str = "/tickets/export", **query: str) -> list[dict[str, str]]:
    """The rows of an export."""
    response = await person.get(path, **{"format": "csv", **query})
    answered(response, 200)
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"] == 'attachment; filename="tickets.csv"'
    text = response.content.decode("utf-8")
    assert text.endswith("\r\n")
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    assert reader.fieldnames == HEADINGS
    return list(reader)


async def test_a_row_tells_a_ticket(user: Person, agent: Person) -> None:
    ticket = await user.opens_ticket(
        title='Grüße, "quoted" 👋', description="two\r\nlines", tags=["vip", "a b"], metadata={"a": 1}, priority="high"
    )
    await agent.edits(ticket, assignedToId=agent.id, status="pending")
    ticket = await user.reads(ticket)
    (row,) = await export(user)
    assert row == {
        "id": ticket["id"],
        "number": str(ticket["number"]),
        "title": 'Grüße, "quoted" 👋',
        "description": "two\r\nlines",
        "status": "open",
        "priority": "high",
        "waitingOn": "requester",
        "resolution": "",
        "tags": "vip, a b",
        "createdAt": ticket["createdAt"],
        "updatedAt": ticket["updatedAt"],
        "createdById": user.id,
        "createdBy": "Nora New Comer",
        "createdByEmail": user.email,
        "assignedToId": agent.id,
        "assignedTo": agent.session["user"]["name"],
        "assignedToEmail": agent.email,
        "metadata": '{"a":1}',
    }


async def test_an_export_is_narrowed_like_a_list_and_is_oldest_first(user: Person, agent: Person) -> None:
    tickets: list[Json] = [await user.opens_ticket(title=title) for title in ("one", "two", "three")]
    await agent.edits(tickets[1], status="closed")
    assert [row["title"] for row in await export(user)] == ["one", "two", "three"]
    assert [row["title"] for row in await export(user, "/api/tickets/export")] == ["one", "two", "three"]
    assert [row["title"] for row in await export(user, status="closed")] == ["two"]
    assert [row["title"] for row in await export(user, q="-status:closed title:t")] == ["three"]
    assert [row["title"] for row in await export(user, createdBefore="2020-01-01")] == []
    assert [row["title"] for row in await export(user, format="CSV", search="TW")] == ["two"]


@pytest.mark.parametrize("mark", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
async def test_no_cell_is_a_formula(somebody: Person, mark: str) -> None:
    ticket = await somebody.opens_ticket(title=f"{mark}1+cmd|' /C calc'!A0", tags=[f"{mark}tag"])
    (row,) = await export(somebody, q=f"#{ticket['number']}")
    assert row["title"] == f"'{mark}1+cmd|' /C calc'!A0"
    assert row["tags"] == f"'{mark}tag"


@pytest.mark.parametrize("number", ["-5", "+3.25", "-1e3", "-.5"])
async def test_real_numbers_stay_numbers(somebody: Person, number: str) -> None:
    ticket = await somebody.opens_ticket(title=number)
    (row,) = await export(somebody, q=f"#{ticket['number']}")
    assert row["title"] == number


async def test_an_export_holds_what_its_caller_sees_and_no_note(
    user: Person, other_user: Person, agent: Person, stranger: Person
) -> None:
    ticket = await user.opens_ticket(title="Seen")
    await agent.comments_on(ticket, "nobodyknowsthis", isInternal=True)
    await other_user.opens_ticket(title="Unseen", assignedToId=user.id)
    for person in (user, agent):
        response = await person.get("/tickets/export", createdById=user.id)
        assert "Seen" in response.text
        assert "nobodyknowsthis" not in response.text
    assert [row["title"] for row in await export(user)] == ["Seen"]
    assert await export(user, createdById=other_user.id) == []
    assert await export(stranger, createdById=user.id) == []


async def test_a_head_has_the_headers_alone(somebody: Person) -> None:
    response = await somebody.ask("HEAD", "/tickets/export?format=csv")
    answered(response, 200)
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in response.headers["Content-Disposition"]


@pytest.mark.parametrize("query", ["format=pdf", "format=", "format=csv&status=nonsense", "format=csv&q=nonsense:1"])
async def test_what_cannot_be_exported_is_refused(somebody: Person, query: str) -> None:
    field = query.rpartition("&")[2].partition("=")[0]
    refused(await somebody.get(f"/tickets/export?{query}"), 400, "validation_failed", field)


async def test_only_a_get_exports(somebody: Person) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        response = await somebody.ask(method, "/tickets/export", json={})
        refused(response, 405, "method_not_allowed")
        assert response.headers["Allow"] == "GET, HEAD, OPTIONS"
