"""What may be done to a ticket: contract §6, behaviours §1."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from command_api.domain.tenant_settings import REOPEN_WINDOW
from command_api.domain.ticket.commands import Actor, TicketCommand
from command_api.domain.ticket.decide import TRANSITIONS, allowed_targets
from command_api.domain.ticket.state import evolve, fold
from helpdesk.events.ticket import (
    CommentEdited,
    TicketAssigned,
    TicketClosed,
    TicketCreated,
    TicketDeleted,
    TicketDescriptionRewritten,
    TicketEvent,
    TicketMetadataReplaced,
    TicketPrioritized,
    TicketReopened,
    TicketResolved,
    TicketRetitled,
    TicketReturned,
    TicketStarted,
    TicketTagged,
    TicketUnassigned,
    TicketUntagged,
    TicketWaitEnded,
    TicketWaitStarted,
)
from support.tickets import (
    ADMIN,
    AGENT,
    LATER,
    NOON,
    REQUESTER,
    STRANGER,
    assigned,
    closed,
    comment,
    commented,
    create,
    created,
    delete,
    delete_comment,
    deleted,
    edit,
    edit_comment,
    given,
    reopened,
    resolved,
    started,
    waiting,
)

STATUSES = ("open", "in_progress", "resolved", "closed")
INTO: dict[str, list[TicketEvent]] = {
    "open": [created()],
    "in_progress": [created(), started()],
    "resolved": [created(), resolved()],
    "closed": [created(), closed()],
}


# --- create ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [REQUESTER, AGENT, ADMIN])
def test_any_role_creates_a_ticket(by: Actor) -> None:
    assert given().when(create(by=by)) == [created(by=by, at=LATER)]


def test_a_new_ticket_can_be_assigned_at_once() -> None:
    assert given().when(create(assignee=AGENT)) == [
        created(at=LATER),
        TicketAssigned(assignee_id=AGENT.id, previous=None, by=REQUESTER.id, at=LATER),
    ]


def test_a_tag_that_is_named_twice_counts_once() -> None:
    (event,) = given().when(create(tags=("vip", "login", "vip")))
    assert isinstance(event, TicketCreated)
    assert event.tags == ("vip", "login")


def test_a_ticket_is_created_once() -> None:
    assert given(created()).refuses(create()) == "ticket_exists"


@pytest.mark.parametrize("command", [edit(title="x"), delete(), comment(), edit_comment(), delete_comment()])
@pytest.mark.parametrize("history", [[], [created(), deleted()]])
def test_nothing_happens_to_a_ticket_that_is_not_there(history: list[TicketEvent], command: Any) -> None:
    assert given(*history).refuses(command) == "ticket_not_found"


def test_a_deleted_ticket_is_not_created_again() -> None:
    assert given(created(), deleted()).refuses(create()) == "ticket_exists"


# --- edit -----------------------------------------------------------------------------------------------------------


def test_an_edit_says_what_was_before() -> None:
    assert given(created()).when(edit(title="The fax burns", description="Fire!", priority="high")) == [
        TicketRetitled(title="The fax burns", previous="The printer burns", by=AGENT.id, at=LATER),
        TicketDescriptionRewritten(description="Fire!", previous="Smoke.", by=AGENT.id, at=LATER),
        TicketPrioritized(priority="high", previous="medium", by=AGENT.id, at=LATER),
    ]


def test_an_edit_that_changes_nothing_is_no_event() -> None:
    ticket = created(metadata={"a": 1}, tags=("vip", "login"))
    same = edit(
        title="The printer burns",
        description="Smoke.",
        priority="medium",
        metadata={"a": 1},
        tags=("login", "vip"),
        assignee_id=None,
        status="open",
        resolution=None,
        waiting_on=None,
    )
    assert given(ticket).when(same) == []
    assert given(ticket).when(edit()) == []


def test_metadata_is_replaced_and_cleared() -> None:
    ticket = given(created(metadata={"a": 1}))
    assert ticket.when(edit(metadata={"b": 2})) == [
        TicketMetadataReplaced(metadata={"b": 2}, previous={"a": 1}, by=AGENT.id, at=LATER)
    ]
    assert ticket.when(edit(metadata=None)) == [
        TicketMetadataReplaced(metadata=None, previous={"a": 1}, by=AGENT.id, at=LATER)
    ]


@pytest.mark.parametrize(("before", "after"), [(1, True), (0, False), ([1], [True]), ({"b": 0}, {"b": False})])
def test_true_is_not_one_in_metadata(before: Any, after: Any) -> None:
    assert given(created(metadata={"a": before})).when(edit(metadata={"a": after})) == [
        TicketMetadataReplaced(metadata={"a": after}, previous={"a": before}, by=AGENT.id, at=LATER)
    ]
    assert given(created(metadata={"a": before})).when(edit(metadata={"a": before})) == []


def test_tags_change_by_what_is_added_and_removed() -> None:
    assert given(created(tags=("vip", "login"))).when(edit(tags=("login", "billing", "billing"))) == [
        TicketUntagged(tags=("vip",), by=AGENT.id, at=LATER),
        TicketTagged(tags=("billing",), by=AGENT.id, at=LATER),
    ]


def test_two_people_who_add_tags_lose_neither() -> None:
    once = created(tags=("vip",))
    mine, yours = given(once).when(edit(tags=("vip", "a"))), given(once).when(edit(tags=("vip", "b")))
    ticket = fold([once, *mine, *yours])
    assert ticket is not None
    assert ticket.tags == ("vip", "a", "b")


def test_a_ticket_is_assigned_reassigned_and_unassigned() -> None:
    assert given(created()).when(edit(assignee_id=AGENT.id)) == [assigned(AGENT, at=LATER)]
    assert given(created(), assigned(AGENT)).when(edit(assignee_id=ADMIN.id)) == [
        assigned(ADMIN, at=LATER, previous=AGENT.id)
    ]
    assert given(created(), assigned(AGENT)).when(edit(assignee_id=None)) == [
        TicketUnassigned(previous=AGENT.id, by=AGENT.id, at=LATER)
    ]
    assert given(created(), assigned(AGENT)).when(edit(assignee_id=AGENT.id)) == []


def test_a_change_of_many_fields_is_refused_as_a_whole() -> None:
    assert given(created(), closed()).refuses(edit(by=REQUESTER, title="New", status="open")) == "illegal_transition"


# --- who ------------------------------------------------------------------------------------------------------------


def test_a_user_changes_their_own_tickets_alone() -> None:
    assert given(created(by=REQUESTER)).when(edit(by=REQUESTER, title="x")) != []
    assert given(created(by=REQUESTER)).refuses(edit(by=STRANGER, title="x")) == "not_allowed"
    assert given(created(by=REQUESTER)).refuses(comment(by=STRANGER)) == "not_allowed"


def test_a_user_learns_of_a_refusal_even_when_nothing_would_change() -> None:
    assert given(created()).refuses(edit(by=STRANGER)) == "not_allowed"


def test_an_unknown_role_may_nothing() -> None:
    assert given(created()).refuses(edit(by=Actor(REQUESTER.id, "ROOT"), title="x")) == "not_allowed"


@pytest.mark.parametrize("by", [AGENT, ADMIN])
def test_agents_and_admins_change_any_ticket(by: Actor) -> None:
    assert given(created(by=REQUESTER)).when(edit(by=by, title="x")) != []


def test_only_admins_delete() -> None:
    assert given(created()).when(delete(by=ADMIN)) == [TicketDeleted(by=ADMIN.id, at=LATER)]
    for by in (REQUESTER, AGENT, STRANGER):
        assert given(created(by=REQUESTER)).refuses(delete(by=by)) == "not_allowed"


# --- status ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("target", STATUSES)
def test_the_table_of_transitions(status: str, target: str) -> None:
    ticket = given(*INTO[status])
    if target == status:
        assert ticket.when(edit(status=target)) == []
    elif target in TRANSITIONS[status]:
        (event,) = ticket.when(edit(status=target))
        assert ticket.ticket is not None
        assert evolve(ticket.ticket, event).status == target
    else:
        refusal = ticket.refusal(edit(status=target))
        assert refusal.code == "illegal_transition"
        assert refusal.details == {"allowed": list(TRANSITIONS[status])}


def test_the_words_of_the_transitions() -> None:
    by, at = AGENT.id, LATER
    assert given(created()).when(edit(status="in_progress")) == [TicketStarted(previous="open", by=by, at=at)]
    assert given(created(), started()).when(edit(status="open")) == [
        TicketReturned(previous="in_progress", by=by, at=at)
    ]
    assert given(created(), resolved()).when(edit(status="in_progress")) == [
        TicketReopened(status="in_progress", previous="resolved", by=by, at=at)
    ]
    assert given(created(), resolved(resolution="duplicate")).when(edit(status="closed")) == [
        TicketClosed(resolution="duplicate", previous="resolved", by=by, at=at)
    ]


def test_closed_never_becomes_resolved() -> None:
    assert given(created(), closed()).refuses(edit(status="resolved")) == "illegal_transition"


@pytest.mark.parametrize("target", ["open", "in_progress"])
def test_only_staff_reopens_what_is_closed(target: str) -> None:
    history: list[TicketEvent] = [created(by=REQUESTER), closed()]
    assert given(*history).when(edit(by=AGENT, status=target)) == [reopened(AGENT, "closed", target)]
    refusal = given(*history).refusal(edit(by=REQUESTER, status=target))
    assert (refusal.code, refusal.details) == ("illegal_transition", {"allowed": []})
    assert allowed_targets("closed", "USER") == ()
    assert allowed_targets("resolved", "USER") == TRANSITIONS["resolved"]


def test_a_requester_reopens_what_is_resolved() -> None:
    assert given(created(), resolved()).when(edit(by=REQUESTER, status="open")) == [reopened(REQUESTER, "resolved")]


def test_a_ticket_ends_as_solved_unless_told_otherwise() -> None:
    assert given(created()).when(edit(status="resolved")) == [resolved(at=LATER)]
    assert given(created()).when(edit(status="closed", resolution=None)) == [closed(at=LATER)]
    assert given(created()).when(edit(status="closed", resolution="cancelled")) == [
        closed(at=LATER, resolution="cancelled")
    ]


def test_the_way_it_ended_can_be_corrected() -> None:
    assert given(created(), resolved()).when(edit(resolution="duplicate")) == [
        TicketResolved(resolution="duplicate", previous="resolved", by=AGENT.id, at=LATER)
    ]
    assert given(created(), closed()).when(edit(resolution="solved")) == []


@pytest.mark.parametrize("ended", [resolved(), closed(resolution="cancelled")])
def test_no_resolution_at_all_leaves_an_ended_ticket_as_it_is(ended: TicketEvent) -> None:
    assert given(created(), ended).when(edit(resolution=None)) == []


def test_a_correction_of_the_resolution_does_not_close_the_ticket_anew() -> None:
    corrected = TicketClosed(resolution="duplicate", previous="closed", by=AGENT.id, at=LATER)
    ticket = fold([created(), closed(), corrected])
    assert ticket is not None
    assert (ticket.resolution, ticket.closed_at) == ("duplicate", NOON)


@pytest.mark.parametrize("status", ["open", "in_progress"])
def test_a_ticket_that_goes_on_has_no_resolution(status: str) -> None:
    assert given(*INTO[status]).refuses(edit(resolution="solved")) == "resolution_without_end"
    assert given(created(), resolved()).refuses(edit(status=status, resolution="solved")) == "resolution_without_end"


def test_a_reopened_ticket_forgets_how_and_when_it_ended() -> None:
    ticket = fold([created(), closed(), reopened(AGENT, "closed")])
    assert ticket is not None
    assert (ticket.status, ticket.resolution, ticket.closed_at) == ("open", None, None)


# --- waiting --------------------------------------------------------------------------------------------------------


def test_a_ticket_waits_changes_whom_it_waits_for_and_waits_no_more() -> None:
    by, at = AGENT.id, LATER
    assert given(created()).when(edit(waiting_on="requester")) == [
        TicketWaitStarted(waiting_on="requester", previous=None, by=by, at=at)
    ]
    assert given(created(), waiting("requester")).when(edit(waiting_on="third_party")) == [
        TicketWaitStarted(waiting_on="third_party", previous="requester", by=by, at=at)
    ]
    assert given(created(), waiting("requester")).when(edit(waiting_on=None)) == [
        TicketWaitEnded(previous="requester", by=by, at=at)
    ]
    assert given(created(), waiting("requester")).when(edit(waiting_on="requester")) == []


@pytest.mark.parametrize("status", ["in_progress", "resolved", "closed"])
def test_a_change_of_status_ends_the_wait(status: str) -> None:
    *_, last = given(created(), waiting("requester")).when(edit(status=status))
    assert last == TicketWaitEnded(previous="requester", by=AGENT.id, at=LATER)


def test_a_ticket_can_begin_work_and_wait_in_one_command() -> None:
    assert given(created()).when(edit(status="in_progress", waiting_on="third_party")) == [
        started(at=LATER),
        TicketWaitStarted(waiting_on="third_party", previous=None, by=AGENT.id, at=LATER),
    ]


@pytest.mark.parametrize("status", ["resolved", "closed"])
def test_an_ended_ticket_waits_for_nobody(status: str) -> None:
    assert given(*INTO[status]).refuses(edit(waiting_on="requester")) == "not_unsolved"
    assert given(created()).refuses(edit(status=status, waiting_on="requester")) == "not_unsolved"


# --- comments -------------------------------------------------------------------------------------------------------


def test_a_comment_is_added_by_the_requester_and_by_staff() -> None:
    for by in (REQUESTER, AGENT, ADMIN):
        assert given(created()).when(comment(by=by)) == [commented(by=by, at=LATER)]


def test_a_resolved_ticket_reopens_when_the_requester_replies() -> None:
    assert given(created(), resolved()).when(comment(by=REQUESTER)) == [
        commented(at=LATER),
        reopened(REQUESTER, "resolved"),
    ]


def test_a_ticket_closed_of_late_reopens_when_the_requester_replies() -> None:
    last_moment = NOON + REOPEN_WINDOW
    assert given(created(), closed(at=NOON)).when(comment(by=REQUESTER, at=last_moment)) == [
        commented(at=last_moment),
        reopened(REQUESTER, "closed", at=last_moment),
    ]
    too_late = last_moment + timedelta(milliseconds=1)
    assert given(created(), closed(at=NOON)).when(comment(by=REQUESTER, at=too_late)) == [commented(at=too_late)]


@pytest.mark.parametrize(("days", "reopens"), [(0, False), (6, False), (7, True), (60, True)])
def test_for_how_long_a_closed_ticket_reopens_is_the_tenants_setting(days: int, reopens: bool) -> None:
    reply = replace(comment(by=REQUESTER, at=NOON + timedelta(days=7)), reopen_window=timedelta(days=days))
    assert (len(given(created(), closed(at=NOON)).when(reply)) == 2) is reopens


@pytest.mark.parametrize("ended", [resolved(), closed()])
def test_staffs_comment_reopens_nothing(ended: TicketEvent) -> None:
    assert given(created(by=REQUESTER), ended).when(comment(by=AGENT)) == [commented(by=AGENT, at=LATER)]


def test_a_ticket_that_waits_for_the_requester_wakes_when_they_reply() -> None:
    assert given(created(), waiting("requester")).when(comment(by=REQUESTER)) == [
        commented(at=LATER),
        TicketWaitEnded(previous="requester", by=REQUESTER.id, at=LATER),
    ]


def test_a_ticket_that_waits_for_somebody_else_goes_on_waiting() -> None:
    assert given(created(), waiting("third_party")).when(comment(by=REQUESTER)) == [commented(at=LATER)]
    assert given(created(), waiting("requester")).when(comment(by=AGENT)) == [commented(by=AGENT, at=LATER)]


def test_internal_notes_are_for_staff() -> None:
    assert given(created()).when(comment(by=AGENT, internal=True)) == [commented(by=AGENT, at=LATER, internal=True)]
    assert given(created()).refuses(comment(by=REQUESTER, internal=True)) == "internal_not_allowed"


def test_an_internal_note_reopens_nothing_even_when_the_requester_is_an_agent() -> None:
    history: list[TicketEvent] = [created(by=AGENT), resolved()]
    assert given(*history).when(comment(by=AGENT, internal=True)) == [commented(by=AGENT, at=LATER, internal=True)]


def test_the_author_edits_and_deletes_a_comment() -> None:
    ticket = given(created(), commented(by=REQUESTER, content="Help!"))
    (edited,) = ticket.when(edit_comment(by=REQUESTER, content="Quick!"))
    assert isinstance(edited, CommentEdited)
    assert (edited.content, edited.previous, edited.at) == ("Quick!", "Help!", LATER)
    (gone,) = ticket.when(delete_comment(by=REQUESTER))
    after = fold([created(), commented(), gone])
    assert after is not None
    assert after.comments == {}


@pytest.mark.parametrize("content", ["Help!", None])
def test_a_comment_that_stays_as_it_is_makes_no_event(content: str | None) -> None:
    assert given(created(), commented(content="Help!")).when(edit_comment(content=content)) == []


def test_anothers_comment_is_answered_like_an_unknown_one() -> None:
    ticket = given(created(by=REQUESTER), commented(by=REQUESTER))
    unknown = ticket.refusal(edit_comment(by=REQUESTER, id_=AGENT.id))
    for refusal in (
        ticket.refusal(edit_comment(by=ADMIN)),
        ticket.refusal(delete_comment(by=AGENT)),
        ticket.refusal(edit_comment(by=STRANGER)),
    ):
        assert (refusal.code, str(refusal)) == (unknown.code, str(unknown)) == ("comment_not_found", str(unknown))


def test_a_deleted_comment_is_unknown() -> None:
    (gone,) = given(created(), commented()).when(delete_comment())
    ticket = given(created(), commented(), gone)
    assert ticket.refuses(edit_comment()) == "comment_not_found"
    assert ticket.refuses(delete_comment()) == "comment_not_found"


def test_who_is_no_longer_staff_reaches_neither_own_notes_nor_comments_on_the_tickets_of_others() -> None:
    demoted = Actor(AGENT.id, "USER")
    for internal in (True, False):
        ticket = given(created(by=REQUESTER), commented(by=AGENT, internal=internal))
        assert ticket.refuses(edit_comment(by=demoted)) == "comment_not_found"
        assert ticket.refuses(delete_comment(by=demoted)) == "comment_not_found"
    note_on_own_ticket = given(created(by=AGENT), commented(by=AGENT, internal=True))
    assert note_on_own_ticket.refuses(delete_comment(by=demoted)) == "comment_not_found"


# --- time -----------------------------------------------------------------------------------------------------------


def test_two_changes_within_one_millisecond_happen_one_after_the_other() -> None:
    first = given(created(at=NOON)).when(edit(title="a", at=NOON))
    second = given(created(at=NOON), *first).when(edit(title="b", at=NOON))
    tick = timedelta(milliseconds=1)
    assert [event.at for event in (*first, *second)] == [NOON + tick, NOON + 2 * tick]


def test_a_clock_that_went_back_does_not_turn_time_round() -> None:
    (event,) = given(created(at=NOON)).when(edit(title="a", at=NOON - timedelta(hours=1)))
    assert event.at == NOON + timedelta(milliseconds=1)


def test_every_change_moves_updated_at() -> None:
    history: list[TicketEvent] = [created(at=NOON)]
    commands: list[TicketCommand] = [edit(status="resolved"), comment(by=AGENT), edit_comment(by=AGENT), delete()]
    for n, command in enumerate(commands):
        before = fold(history)
        history += given(*history).when(command)
        after = fold(history)
        assert before is not None, n
        assert after is not None, n
        assert after.updated_at > before.updated_at, n
