"""Sentences about tickets and the people who hear of them (contract §10)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from helpdesk.events.ticket import (
    CommentAdded,
    CommentEdited,
    TicketAssigned,
    TicketClosed,
    TicketCreated,
    TicketDeleted,
    TicketEvent,
    TicketReopened,
    TicketResolved,
    TicketRetitled,
    TicketReturned,
    TicketStarted,
    TicketUnassigned,
    TicketWaitStarted,
)
from helpdesk.ids import milliseconds_of, new_id
from notifier.domain.notice import NoticeType, in_app_id
from notifier.domain.rules import notices_for
from notifier.domain.ticket import Ticket, evolve
from support.records import recorded, stream

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
REQUESTER, AGENT, ADMIN = UUID(int=1), UUID(int=2), UUID(int=3)
TICKET_ID, COMMENT_ID = UUID(int=10), UUID(int=11)
ROLES = {REQUESTER: "USER", AGENT: "AGENT", ADMIN: "ADMIN"}
TICKET = Ticket(TICKET_ID, 7, "The printer burns", creator_id=REQUESTER, assignee_id=AGENT)


def created(by: UUID = REQUESTER) -> TicketCreated:
    return TicketCreated(
        number=7, title="The printer burns", description="", priority="low", metadata=None, tags=(), by=by, at=NOON
    )


def assigned(to: UUID, by: UUID) -> TicketAssigned:
    return TicketAssigned(assignee_id=to, previous=None, by=by, at=NOON)


def commented(by: UUID, *, internal: bool = False) -> CommentAdded:
    return CommentAdded(comment_id=COMMENT_ID, content="Smoke!", is_internal=internal, by=by, at=NOON)


def resolved(by: UUID, previous: str = "open") -> TicketResolved:
    return TicketResolved(resolution="solved", previous=previous, by=by, at=NOON)


def reopened(by: UUID) -> TicketReopened:
    return TicketReopened(status="open", previous="resolved", by=by, at=NOON)


def hear(
    *command: TicketEvent, ticket: Ticket = TICKET, roles: Mapping[UUID, str] = ROLES
) -> Sequence[tuple[UUID, NoticeType]]:
    return [(notice.user_id, notice.type) for notice in notices_for(command, ticket, roles)]


def test_the_assignee_hears_of_an_assignment() -> None:
    assert hear(assigned(AGENT, by=ADMIN)) == [(AGENT, NoticeType.TICKET_ASSIGNED)]


def test_who_assigns_a_ticket_to_oneself_hears_of_it_too() -> None:
    assert hear(assigned(AGENT, by=AGENT)) == [(AGENT, NoticeType.TICKET_ASSIGNED)]


def test_who_opens_a_ticket_for_somebody_tells_the_assignee_alone() -> None:
    assert hear(created(), assigned(AGENT, by=REQUESTER)) == [(AGENT, NoticeType.TICKET_ASSIGNED)]


def test_nobody_hears_of_ones_own_new_ticket() -> None:
    assert hear(created(), ticket=replace(TICKET, assignee_id=None)) == []


def test_creator_and_assignee_hear_of_another_persons_comment() -> None:
    assert hear(commented(ADMIN)) == [(REQUESTER, NoticeType.COMMENT_ADDED), (AGENT, NoticeType.COMMENT_ADDED)]


def test_the_author_of_a_comment_does_not_hear_of_it() -> None:
    assert hear(commented(REQUESTER)) == [(AGENT, NoticeType.COMMENT_ADDED)]
    assert hear(commented(AGENT)) == [(REQUESTER, NoticeType.COMMENT_ADDED)]


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (TicketStarted(previous="open", by=ADMIN, at=NOON), "in_progress"),
        (TicketReturned(previous="in_progress", by=ADMIN, at=NOON), "open"),
        (resolved(ADMIN), "resolved"),
        (TicketClosed(resolution="solved", previous="open", by=ADMIN, at=NOON), "closed"),
        (reopened(ADMIN), "open"),
    ],
)
def test_creator_and_assignee_hear_of_every_change_of_status(event: TicketEvent, status: str) -> None:
    told = notices_for([event], TICKET, ROLES)
    assert [(one.user_id, one.type, one.data["status"]) for one in told] == [
        (REQUESTER, NoticeType.STATUS_CHANGED, status),
        (AGENT, NoticeType.STATUS_CHANGED, status),
    ]


def test_who_changes_the_status_does_not_hear_of_it() -> None:
    assert hear(resolved(AGENT)) == [(REQUESTER, NoticeType.STATUS_CHANGED)]


def test_another_resolution_of_a_resolved_ticket_is_no_change_of_status() -> None:
    assert hear(resolved(ADMIN, previous="resolved")) == []


def test_a_creator_who_is_the_assignee_hears_once() -> None:
    assert hear(commented(ADMIN), ticket=replace(TICKET, creator_id=AGENT)) == [(AGENT, NoticeType.COMMENT_ADDED)]


def test_one_command_tells_a_person_once_and_the_strongest() -> None:
    assert hear(resolved(ADMIN), assigned(AGENT, by=ADMIN)) == [
        (REQUESTER, NoticeType.STATUS_CHANGED),
        (AGENT, NoticeType.TICKET_ASSIGNED),
    ]


def test_a_reply_that_reopens_is_told_as_a_reply() -> None:
    assert hear(commented(REQUESTER), reopened(REQUESTER)) == [(AGENT, NoticeType.COMMENT_ADDED)]


def test_an_internal_note_never_reaches_a_requester() -> None:
    assert hear(commented(ADMIN, internal=True)) == [(AGENT, NoticeType.COMMENT_ADDED)]
    assert hear(commented(ADMIN, internal=True), roles={**ROLES, AGENT: "USER"}) == []


def test_an_internal_note_for_somebody_unknown_is_kept_for_staff_eyes() -> None:
    (notice,) = notices_for([commented(ADMIN, internal=True)], TICKET, {REQUESTER: "USER"})
    assert (notice.user_id, notice.is_internal) == (AGENT, True)


def test_an_internal_note_does_not_hide_what_its_reader_may_see() -> None:
    told = notices_for([commented(ADMIN, internal=True), resolved(ADMIN)], TICKET, {})
    assert [(one.user_id, one.type, one.is_internal) for one in told] == [
        (REQUESTER, NoticeType.STATUS_CHANGED, False),
        (AGENT, NoticeType.STATUS_CHANGED, False),
    ]


def test_quiet_changes_tell_nobody() -> None:
    assert (
        hear(
            TicketRetitled(title="b", previous="a", by=ADMIN, at=NOON),
            TicketWaitStarted(waiting_on="requester", previous=None, by=ADMIN, at=NOON),
            TicketUnassigned(previous=AGENT, by=ADMIN, at=NOON),
            CommentEdited(comment_id=COMMENT_ID, content="b", previous="a", is_internal=False, by=ADMIN, at=NOON),
            TicketDeleted(by=ADMIN, at=NOON),
        )
        == []
    )


@pytest.mark.parametrize("event", [assigned(AGENT, by=ADMIN), commented(ADMIN), resolved(ADMIN)])
def test_a_notice_names_its_ticket_and_quotes_no_comment(event: TicketEvent) -> None:
    for notice in notices_for([event], TICKET, ROLES):
        assert "The printer burns" in notice.message
        assert "Smoke!" not in notice.message
        assert notice.data["ticketId"] == str(TICKET_ID)
        assert notice.data["ticketNumber"] == 7


def test_a_ticket_knows_its_newest_title_and_assignee() -> None:
    ticket: Ticket | None = None
    history: list[TicketEvent] = [
        created(),
        assigned(ADMIN, by=REQUESTER),
        TicketRetitled(title="The printer is out", previous="The printer burns", by=AGENT, at=NOON),
        assigned(AGENT, by=ADMIN),
    ]
    for event in history:
        ticket = evolve(ticket, TICKET_ID, event)
    assert ticket == replace(TICKET, title="The printer is out")


def test_a_history_without_a_beginning_is_refused() -> None:
    with pytest.raises(ValueError, match="begins with"):
        evolve(None, TICKET_ID, commented(ADMIN))


def test_a_notification_has_the_same_id_whenever_it_is_made() -> None:
    first, other = (recorded(stream(1), n)._replace(event_id=new_id()) for n in (1, 2))
    assert in_app_id(first, AGENT) == in_app_id(first, AGENT)
    ids = {in_app_id(first, AGENT), in_app_id(first, ADMIN), in_app_id(other, AGENT)}
    assert len(ids) == 3
    assert {(one.version, milliseconds_of(one)) for one in ids} == {(7, int(first.recorded_at.timestamp() * 1000))}


def test_a_notification_of_a_history_from_before_version_7_keeps_its_id() -> None:
    first = recorded(stream(1), 1)._replace(event_id=UUID("6229d68c-0b69-53b6-9597-c367b7af62ad"))
    made = in_app_id(first, UUID("01a22b71-ac97-73dd-a321-25f3408c6cd1"))
    assert str(made) == "2575f8e5-365b-5681-833d-587d37913e97"
