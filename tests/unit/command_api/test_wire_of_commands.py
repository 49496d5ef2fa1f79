"""What clients send: aliases, null, bounds (contract §2, §6, §7)."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from command_api.domain.ticket.commands import UNSET, EditTicket
from command_api.wire import (
    CommentBody,
    CreateTicketBody,
    EditCommentBody,
    EditTicketBody,
    LoginBody,
    RefreshBody,
    RegisterBody,
    SignupBody,
)
from helpdesk.http.wire import Body
from support.tickets import AGENT, LATER

ID = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
TICKET = {"title": "The printer burns", "description": ""}
SIGNUP = {"email": "ada@example.com", "password": "12345678", "name": "Ada"}


def edited(**fields: Any) -> EditTicket:
    return EditTicketBody.model_validate(fields).command(AGENT, LATER)


def refused(body: type[Body], fields: Any) -> list[str]:
    with pytest.raises(ValidationError) as error:
        body.model_validate(fields)
    return [str(one["loc"][0]) for one in error.value.errors()]


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [("URGENT", "critical"), ("Urgent", "critical"), ("HIGH", "high"), (" medium ", "medium"), ("Low", "low")],
)
def test_a_priority_in_any_case_and_by_its_alias(given: str, expected: str) -> None:
    assert CreateTicketBody.model_validate(TICKET | {"priority": given}).priority == expected
    assert edited(priority=given).priority == expected


@pytest.mark.parametrize("given", ["IN_PROGRESS", "in-progress", "In Progress", "in_progress"])
def test_a_status_in_any_form(given: str) -> None:
    assert edited(status=given).status == "in_progress"


@pytest.mark.parametrize("given", ["cancelled", "CANCELED"])
def test_cancelled_is_closed_with_that_resolution(given: str) -> None:
    command = edited(status=given)
    assert (command.status, command.resolution, command.waiting_on) == ("closed", "cancelled", UNSET)


@pytest.mark.parametrize(("given", "whom"), [("pending", "requester"), ("ON_HOLD", "third_party")])
def test_pending_and_on_hold_are_waits(given: str, whom: str) -> None:
    command = edited(status=given)
    assert (command.status, command.resolution, command.waiting_on) == (UNSET, UNSET, whom)


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "done"},
        {"status": ""},
        {"status": None},
        {"status": 1},
        {"priority": "asap"},
        {"priority": None},
        {"title": None},
        {"title": ""},
        {"description": None},
        {"tags": None},
        {"waitingOn": "godot"},
        {"resolution": "magic"},
        {"assignedToId": "nobody"},
        {"metadata": []},
        {"metadata": "x"},
    ],
    ids=str,
)
def test_what_is_no_value_of_a_field_is_refused_by_its_name(fields: dict[str, Any]) -> None:
    assert refused(EditTicketBody, fields) == list(fields)


# --- partial edits ----------------------------------------------------------------------------------------------------


def test_only_named_fields_count() -> None:
    assert edited() == EditTicket(by=AGENT, at=LATER)
    assert edited(title="x") == EditTicket(by=AGENT, at=LATER, title="x")


def test_null_clears_what_may_be_empty() -> None:
    command = edited(assignedToId=None, metadata=None, waitingOn=None, resolution=None)
    assert command == EditTicket(by=AGENT, at=LATER, assignee_id=None, metadata=None, waiting_on=None, resolution=None)


def test_fields_that_no_route_names_have_no_effect() -> None:
    strange = {"id": ID, "tenantId": ID, "createdById": ID, "number": 1, "role": "ADMIN", "createdAt": "x"}
    assert edited(**strange) == edited()
    body = SignupBody.model_validate(SIGNUP | {"role": "ADMIN", "id": ID})
    assert not hasattr(body, "role")


def test_names_are_camel_case_alone() -> None:
    assert edited(assigned_to_id=ID, waiting_on="requester") == edited()


def test_a_comments_partial_edit() -> None:
    assert EditCommentBody.model_validate({}).wanted is None
    assert EditCommentBody.model_validate({"content": "x"}).wanted == "x"
    assert refused(EditCommentBody, {"content": ""}) == ["content"]
    assert refused(EditCommentBody, {"content": None}) == ["content"]


# --- bounds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "base", "field", "longest"),
    [
        (CreateTicketBody, TICKET, "title", 200),
        (CreateTicketBody, TICKET, "description", 5000),
        (CommentBody, {}, "content", 2000),
        (SignupBody, SIGNUP, "name", 200),
    ],
)
def test_lengths_are_those_of_the_contract_in_utf16(
    body: type[Body], base: dict[str, Any], field: str, longest: int
) -> None:
    for fits in ("x" * longest, "🔥" * (longest // 2)):
        body.model_validate(base | {field: fits})
    for value in ("x" * (longest + 1), "🔥" * (longest // 2) + "x", "a\x00b", "\ud83d", 7, None, ["x"]):
        assert refused(body, base | {field: value}) == [field]


def test_a_description_is_required_and_may_be_empty() -> None:
    assert CreateTicketBody.model_validate(TICKET).description == ""
    assert refused(CreateTicketBody, {"title": "x"}) == ["description"]


def test_an_internal_note_is_a_boolean() -> None:
    assert CommentBody.model_validate({"content": "x"}).is_internal is False
    for value in ("true", 1, None):
        assert refused(CommentBody, {"content": "x", "isInternal": value}) == ["isInternal"]


@pytest.mark.parametrize(
    "email",
    ["", "ada", "ada@", "@example.com", "ada@example", "a b@example.com", "a@b@example.com", "ada@.com.", "a\n@b.com",
     "ada@" + "x" * 250 + ".com", "<ada@example.com>", None, 7],
)  # fmt: skip
def test_what_is_no_address_is_refused(email: Any) -> None:
    assert refused(SignupBody, SIGNUP | {"email": email}) == ["email"]


def test_bounds_of_accounts() -> None:
    assert SignupBody.model_validate(SIGNUP).tenant_slug == "default"
    assert SignupBody.model_validate(SIGNUP | {"email": " o'hara+x@exämple.com "}).email == "o'hara+x@exämple.com"
    assert refused(SignupBody, SIGNUP | {"password": "1234567"}) == ["password"]
    for slug in ("Acme", "a b", "", "ä", "acme\n"):
        assert refused(SignupBody, SIGNUP | {"tenantSlug": slug}) == ["tenantSlug"]
    registering = {"email": "ada@example.com", "password": "12345678", "firstName": "A", "lastName": "L"}
    assert refused(RegisterBody, registering | {"tenantId": "x"}) == ["tenantId"]
    assert refused(RefreshBody, {"refreshToken": 7}) == ["refreshToken"]
    assert refused(LoginBody, {"email": "", "password": ""}) == ["email", "password"]


# --- metadata ---------------------------------------------------------------------------------------------------------


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "metadata",
    [{}, {"a": [1, 2.5, None, True, "ü🔥", {"b": []}]}, {"a": 2**53 - 1, "b": -(2**53) + 1}, nested(32)],
    ids=lambda value: str(value)[:40],
)
def test_what_every_reader_can_hold_is_stored(metadata: dict[str, Any]) -> None:
    assert CreateTicketBody.model_validate(TICKET | {"metadata": metadata}).metadata == metadata


@pytest.mark.parametrize(
    "text",
    ['{"a": "x\\u0000"}', '{"\\u0000": 1}', '{"a": "\\ud83d"}', '{"\\ud83d": 1}', '{"a": ["\\udc00"]}', '{"a": NaN}',
     '{"a": [Infinity]}', '{"a": -Infinity}', '{"a": 1e999}', '{"a": 9007199254740992}', '{"a": [-9007199254740992]}',
     '{"a": 1e22}', '{"a": -1e300}', json.dumps(nested(33)), json.dumps({"a": [[[]] * 3, nested(32)]})],
    ids=lambda value: value[:40],
)  # fmt: skip
def test_what_some_reader_cannot_hold_is_refused(text: str) -> None:
    """A float such as 1e22 comes back from jsonb as an integer that no 64 bits hold."""
    assert refused(CreateTicketBody, TICKET | {"metadata": json.loads(text)}) == ["metadata"]


def test_tags_are_bounded() -> None:
    assert edited(tags=["vip", "login"]).tags == ("vip", "login")
    for tags in (["x" * 51], [""], ["x"] * 51, [7], "vip"):
        assert refused(EditTicketBody, {"tags": tags}) == ["tags"]


@pytest.mark.parametrize("given", [" ", "\u2003\t", " " * 200])
def test_titles_and_comments_are_bound_by_their_length_alone_names_must_show_something(given: str) -> None:
    """The contract says 1–200 and 1–2000, and nothing of what stands in them; a name becomes a `firstName`."""
    assert CreateTicketBody.model_validate(TICKET | {"title": given}).title == given
    assert edited(title=given).title == given
    assert CommentBody.model_validate({"content": given}).content == given
    assert refused(SignupBody, SIGNUP | {"name": given}) == ["name"]
