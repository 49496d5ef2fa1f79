"""What is told of a command, and to whom."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from helpdesk import wire
from helpdesk.events.ticket import (
    AttachmentAdded,
    AttachmentRemoved,
    CommentAdded,
    CommentDeleted,
    CommentEdited,
    TicketAssigned,
    TicketClosed,
    TicketCreated,
    TicketDeleted,
    TicketEvent,
    TicketPrioritized,
    TicketReopened,
    TicketRetitled,
    TicketTagged,
    TicketUntagged,
)
from helpdesk.ids import milliseconds_of
from helpdesk.recorded import Cursor, Metadata, RecordedEvent, Stream
from webhook_dispatcher.domain.catalogue import filter_of, matches
from webhook_dispatcher.domain.commands import Command, commands_of
from webhook_dispatcher.domain.messages import LARGEST_WITH_SNAPSHOT, delivery_id, messages_of
from webhook_dispatcher.store.intake import Listening
from webhook_dispatcher.subscribers import deliveries_of

TENANT, TICKET, REQUESTER, AGENT, COMMENT = (uuid4() for _ in range(5))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CREATED = TicketCreated(
    number=7, title="Printer on fire", description="", priority="medium", metadata=None, tags=(), by=REQUESTER, at=NOON
)
NOTE = CommentAdded(comment_id=COMMENT, content="He is rude", is_internal=True, by=AGENT, at=NOON)
REPLY = replace(NOTE, content="Use water", is_internal=False)
CLOSED = TicketClosed(resolution="solved", previous="open", by=AGENT, at=NOON)


def history(*commands: list[TicketEvent]) -> list[Command]:
    """The commands of one ticket, each recorded a second after the one before."""
    recorded: list[RecordedEvent] = []
    for second, events in enumerate(commands):
        for ordinal, event in enumerate(events, 1):
            recorded.append(
                RecordedEvent(
                    stream=Stream(TENANT, "ticket", TICKET),
                    version=len(recorded) + 1,
                    cursor=Cursor(1, len(recorded) + 1),
                    event_id=uuid4(),
                    command_id=uuid4() if ordinal == 1 else None,
                    ordinal=ordinal,
                    remaining=len(events) - ordinal,
                    type=wire.type_of(event),
                    schema_version=1,
                    event=event,
                    metadata=Metadata(event.by, None, None),
                    recorded_at=NOON + timedelta(seconds=second),
                )
            )
    return commands_of(None, recorded)


def told(*commands: list[TicketEvent]) -> dict[str, dict[str, Any]]:
    """The data of what is told of the last command, by type."""
    return {one.type: json.loads(one.body)["data"] for one in messages_of(history(*commands)[-1])}


def test_a_creation_that_assigns_is_one_message() -> None:
    assigned = TicketAssigned(assignee_id=AGENT, previous=None, by=REQUESTER, at=NOON)
    found = told([CREATED, assigned])
    assert list(found) == ["ticket.created"]
    data = found["ticket.created"]
    assert (data["ticketId"], data["title"]) == (str(TICKET), "Printer on fire")
    assert (data["createdBy"], data["assignedToId"]) == (str(REQUESTER), str(AGENT))


def test_all_changes_of_a_command_are_one_update() -> None:
    found = told(
        [CREATED, TicketTagged(tags=("fire",), by=REQUESTER, at=NOON)],
        [
            TicketRetitled(title="Toner on fire", previous="Printer on fire", by=AGENT, at=NOON),
            TicketPrioritized(priority="high", previous="medium", by=AGENT, at=NOON),
            TicketUntagged(tags=("fire",), by=AGENT, at=NOON),
            TicketTagged(tags=("toner",), by=AGENT, at=NOON),
            TicketAssigned(assignee_id=AGENT, previous=None, by=AGENT, at=NOON),
        ],
    )
    assert found == {
        "ticket.updated": {
            "ticketId": str(TICKET),
            "title": "Toner on fire",
            "changes": {"title": "Toner on fire", "priority": "high", "assignedToId": str(AGENT), "tags": ["toner"]},
            "previous": {"title": "Printer on fire", "priority": "medium", "assignedToId": None, "tags": ["fire"]},
        }
    }


def test_a_close_is_told_twice_but_a_new_resolution_of_a_closed_ticket_once() -> None:
    assert list(told([CREATED], [CLOSED])) == ["ticket.updated", "ticket.closed"]
    again = replace(CLOSED, resolution="duplicate", previous="closed")
    assert told([CREATED], [CLOSED], [again])["ticket.updated"]["changes"] == {"resolution": "duplicate"}
    assert list(told([CREATED], [CLOSED], [again])) == ["ticket.updated"]


def test_a_reply_that_reopens_is_a_comment_and_an_update() -> None:
    reopened = TicketReopened(status="open", previous="closed", by=REQUESTER, at=NOON)
    found = told([CREATED], [CLOSED], [REPLY, reopened])
    assert found["ticket.updated"]["changes"] == {"status": "open", "resolution": None}
    assert {name: found["comment.added"][name] for name in ("ticketId", "commentId", "authorId")} == {
        "ticketId": str(TICKET),
        "commentId": str(COMMENT),
        "authorId": str(AGENT),
    }


def test_internal_notes_have_types_of_their_own() -> None:
    edited = CommentEdited(comment_id=COMMENT, content="b", previous="a", is_internal=True, by=AGENT, at=NOON)
    deleted = CommentDeleted(comment_id=COMMENT, is_internal=True, by=AGENT, at=NOON)
    assert list(told([CREATED], [NOTE])) == ["comment.internal_added"]
    assert list(told([CREATED], [edited])) == ["comment.internal_edited"]
    assert list(told([CREATED], [deleted])) == ["comment.internal_deleted"]
    assert list(told([CREATED], [replace(edited, is_internal=False)])) == ["comment.edited"]
    assert list(told([CREATED], [TicketDeleted(by=AGENT, at=NOON)])) == ["ticket.deleted"]


def test_files_are_told_by_their_names_and_digests_and_are_no_update() -> None:
    file, stored = uuid4(), uuid4()
    added = AttachmentAdded(file, stored, "scan.png", 5, "image/png", "0" * 64, by=REQUESTER, at=NOON)
    found = told([CREATED], [added])
    assert list(found) == ["attachment.added"]
    assert found["attachment.added"] == {
        "ticketId": str(TICKET),
        "title": "Printer on fire",
        "attachmentId": str(file),
        "addedBy": str(REQUESTER),
        "filename": "scan.png",
        "fileSize": 5,
        "mimeType": "image/png",
        "sha256": "0" * 64,
    }
    removed = AttachmentRemoved(attachment_id=file, by=AGENT, at=NOON)
    assert list(told([CREATED], [added], [removed])) == ["attachment.removed"]


def test_a_body_says_what_when_who_and_how_the_ticket_stands() -> None:
    command = history([CREATED], [CLOSED])[-1]
    _, closed = messages_of(command)
    body = json.loads(closed.body)
    assert list(body)[:3] == ["event", "type", "timestamp"]
    assert (body["event"], body["type"], body["timestamp"]) == (
        "TICKET_CLOSED",
        "ticket.closed",
        "2026-03-01T12:00:00.000Z",
    )
    assert (body["sequence"], body["actor"], body["eventId"]) == (2, {"id": str(AGENT)}, str(command.first.event_id))
    assert (body["ticket"]["number"], body["ticket"]["status"]) == (7, "closed")


def test_a_large_ticket_is_linked_instead_of_repeated() -> None:
    [message] = messages_of(history([replace(CREATED, metadata={"x": "y" * LARGEST_WITH_SNAPSHOT})])[0])
    assert json.loads(message.body)["ticket"] == {"id": str(TICKET), "href": f"/api/v1/tickets/{TICKET}"}


def endpoint(*events: str, created_at: datetime = NOON - timedelta(days=1), id_: UUID = AGENT) -> Listening:
    return Listening(TENANT, id_, list(events), created_at)


def test_ids_follow_from_endpoint_event_and_type() -> None:
    command = history([CREATED], [CLOSED])[-1]
    both = deliveries_of(command, [endpoint("TICKET_UPDATED", "TICKET_CLOSED")])
    assert [one.type for one in both] == ["ticket.updated", "ticket.closed"]
    assert both[0].id != both[1].id
    assert both == deliveries_of(command, [endpoint("TICKET_UPDATED", "TICKET_CLOSED")])
    assert delivery_id(AGENT, command, "ticket.closed") == both[1].id
    assert delivery_id(REQUESTER, command, "ticket.closed") != both[1].id
    recorded_ms = int(command.first.recorded_at.timestamp() * 1000)
    assert {(one.id.version, milliseconds_of(one.id)) for one in both} == {(7, recorded_ms)}


def test_a_delivery_of_a_history_from_before_version_7_keeps_its_id() -> None:
    (command,) = history([CREATED])
    first = command.first._replace(event_id=UUID("6229d68c-0b69-53b6-9597-c367b7af62ad"))
    made = delivery_id(UUID("01a22b71-ac97-73dd-a321-25f3408c6cd1"), replace(command, events=[first]), "ticket.created")
    assert str(made) == "bd457c9a-f75a-5725-92dd-9a27bc336250"


def test_an_endpoint_hears_nothing_of_the_time_before_it() -> None:
    before, after = history([CREATED], [CLOSED])
    late = endpoint("ticket.*", created_at=NOON + timedelta(milliseconds=500))
    assert deliveries_of(before, [late]) == []
    assert [one.type for one in deliveries_of(after, [late])] == ["ticket.updated", "ticket.closed"]


@pytest.mark.parametrize(
    ("filters", "type_", "wanted"),
    [
        (["TICKET_CREATED"], "ticket.created", True),
        (["TICKET_CREATED"], "ticket.updated", False),
        (["ticket.created"], "ticket.created", True),
        (["ticket.*"], "ticket.closed", True),
        (["ticket.*"], "comment.added", False),
        (["COMMENT_ADDED", "comment.*"], "comment.internal_added", False),
        (["comment.internal_added"], "comment.internal_added", True),
        (["attachment.*"], "attachment.added", True),
        (["ticket.*", "comment.*"], "attachment.added", False),
    ],
)
def test_filters_match_exactly_or_by_family_but_notes_only_by_name(
    filters: list[str], type_: str, wanted: bool
) -> None:
    assert matches(filters, type_) is wanted


def test_filters_are_spelt_in_any_case_and_unknown_ones_are_none() -> None:
    assert filter_of("ticket_created") == "TICKET_CREATED"
    assert filter_of("Ticket.*") == "ticket.*"
    assert [filter_of(name) for name in ("*", "ticket.exploded", "", "TICKET.CREATED.X")] == [None] * 4
