"""Whatever is commanded in whatever order: the rules never break, and every fold of the history agrees."""

from dataclasses import fields
from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from command_api.domain.rejected import Rejected
from command_api.domain.ticket.commands import (
    UNSET,
    Actor,
    AddAttachment,
    AddComment,
    CreateTicket,
    DeleteComment,
    DeleteTicket,
    EditComment,
    EditTicket,
    RemoveAttachment,
    TicketCommand,
)
from command_api.domain.ticket.decide import decide
from command_api.domain.ticket.state import Ticket, evolve, fold
from helpdesk.events.ticket import TicketEvent
from helpdesk.folds import activities
from helpdesk.folds import ticket as shared
from helpdesk.recorded import Stream
from projector.domain import attachments, comments, tickets
from projector.domain.attachments import AttachmentRow
from projector.domain.comments import CommentRow
from projector.domain.tickets import TicketRow
from support.tickets import ADMIN, AGENT, NOON, REQUESTER, STRANGER

STREAM = Stream(UUID(int=50), "ticket", UUID(int=51))
ACTORS = st.sampled_from([REQUESTER, REQUESTER, STRANGER, AGENT, ADMIN, Actor(AGENT.id, "USER"), Actor(ADMIN.id, "?")])
MOMENTS = st.integers(-5, 40 * 24 * 60).map(lambda minutes: NOON + timedelta(minutes=minutes))
IDS = st.sampled_from([UUID(int=n) for n in range(100, 104)])
WORDS = st.sampled_from(["", "a", "b", "ü🔥"])
TAGS = st.lists(st.sampled_from("abcd"), max_size=5).map(tuple)
PEOPLE = st.none() | st.sampled_from([AGENT.id, ADMIN.id, REQUESTER.id])
METADATA = st.none() | st.dictionaries(
    st.sampled_from("xy"), st.sampled_from([0, 1, True, False, None, "1", [1], [True]])
)
STATUSES = st.sampled_from(["open", "in_progress", "resolved", "closed"])
RESOLUTIONS = st.sampled_from([None, "solved", "cancelled", "duplicate", "merged"])
WAITS = st.sampled_from([None, "requester", "third_party"])


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.just(UNSET) | st.just(UNSET) | values


CREATES = st.builds(
    CreateTicket,
    number=st.integers(1, 9),
    title=WORDS,
    description=WORDS,
    priority=st.sampled_from(["low", "high"]),
    metadata=METADATA,
    tags=TAGS,
    assignee_id=PEOPLE,
    by=st.sampled_from([REQUESTER, AGENT]),
    at=MOMENTS,
)
EDITS = st.builds(
    EditTicket,
    by=ACTORS,
    at=MOMENTS,
    title=maybe(WORDS),
    description=maybe(WORDS),
    priority=maybe(st.sampled_from(["low", "medium", "high", "critical"])),
    metadata=maybe(METADATA),
    tags=maybe(TAGS),
    assignee_id=maybe(PEOPLE),
    status=maybe(STATUSES),
    resolution=maybe(RESOLUTIONS),
    waiting_on=maybe(WAITS),
)
COMMANDS: st.SearchStrategy[TicketCommand] = st.one_of(
    EDITS,
    EDITS,
    EDITS,
    st.builds(AddComment, comment_id=IDS, content=WORDS, is_internal=st.booleans(), by=ACTORS, at=MOMENTS),
    st.builds(AddComment, comment_id=IDS, content=WORDS, is_internal=st.just(False), by=st.just(REQUESTER), at=MOMENTS),
    st.builds(EditComment, comment_id=IDS, content=st.none() | WORDS, by=ACTORS, at=MOMENTS),
    st.builds(DeleteComment, comment_id=IDS, by=ACTORS, at=MOMENTS),
    st.builds(
        AddAttachment,
        attachment_id=IDS,
        object_id=IDS,
        filename=WORDS,
        file_size=st.integers(0, 9),
        mime_type=WORDS,
        sha256=WORDS,
        by=ACTORS,
        at=MOMENTS,
    ),
    st.builds(RemoveAttachment, attachment_id=IDS, by=ACTORS, at=MOMENTS),
    st.builds(DeleteTicket, by=st.sampled_from([REQUESTER, AGENT]) | ACTORS, at=MOMENTS),
    CREATES,
)
STORIES = st.tuples(CREATES, st.lists(COMMANDS, max_size=20)).map(lambda story: [story[0], *story[1]])


def told(commands: list[TicketCommand]) -> list[list[TicketEvent]]:
    """The events of each command that was not refused; a comment's id is new in the world, as the doors make it."""
    history: list[list[TicketEvent]] = []
    ticket: Ticket | None = None
    used: set[UUID] = set()
    for command in commands:
        if isinstance(command, AddComment):
            if command.comment_id in used:
                continue
            used.add(command.comment_id)
        try:
            events = decide(ticket, command)
        except Rejected:
            continue
        before = ticket
        for event in events:
            ticket = evolve(ticket, event)
        assert ticket is not None
        if before is None or not events:
            assert events or ticket == before
        else:
            assert ticket.updated_at > before.updated_at
            assert ticket != before
        if events:
            again = decide(ticket, command) if isinstance(command, EditTicket) else []
            assert again == [], "asking twice for what already holds is no event"
            history.append(events)
    return history


@settings(max_examples=300)
@given(STORIES)
def test_the_rules_only_ever_decide_or_refuse(commands: list[TicketCommand]) -> None:
    history = told(commands)
    ticket = fold(event for events in history for event in events)
    assert ticket is not None
    assert ticket.status in {"open", "in_progress", "resolved", "closed"}
    ended = ticket.status in {"resolved", "closed"}
    assert (ticket.resolution is not None) == ended
    assert (ticket.closed_at is not None) == (ticket.status == "closed")
    assert ticket.waiting_on is None or not ended
    assert len(set(ticket.tags)) == len(ticket.tags)
    assert ticket.created_at <= ticket.updated_at


@given(STORIES)
def test_a_history_told_again_makes_the_same_ticket(commands: list[TicketCommand]) -> None:
    events = [event for command in told(commands) for event in command]
    step: Ticket | None = None
    for event in events:
        step = evolve(step, event)
    assert step == fold(events)


@given(STORIES, st.data())
def test_the_views_cut_into_any_batches_are_the_views_folded_at_once_and_agree_with_the_rules(
    commands: list[TicketCommand], data: st.DataObject
) -> None:
    events = [event for command in told(commands) for event in command]
    row: TicketRow | None = None
    standing: dict[UUID, CommentRow] = {}
    files: dict[UUID, AttachmentRow] = {}
    at = 0
    while at < len(events):
        count = data.draw(st.integers(1, 6))
        batch = events[at : at + count]
        at += len(batch)
        row = tickets.after(row, batch, at, STREAM)
        known = {id_: standing[id_] for id_ in comments.touched(batch) if id_ in standing}  # as the store loads them
        standing |= comments.after(known, batch)
        loaded = {id_: files[id_] for id_ in attachments.touched(batch) if id_ in files}
        files |= attachments.after(loaded, batch)
    assert row == tickets.after(None, events, len(events), STREAM)
    assert standing == comments.after({}, events)
    assert files == attachments.after({}, events)

    ticket = fold(events)
    assert ticket is not None
    assert row is not None
    for one in fields(shared.Ticket):
        assert getattr(row, one.name) == getattr(ticket, one.name), one.name
    assert row.version == len(events)
    visible = {id_: one for id_, one in standing.items() if not one.deleted}
    assert set(visible) == set(ticket.comments)
    for id_, comment in ticket.comments.items():
        for name in ("content", "is_internal", "author_id", "created_at", "updated_at"):
            assert getattr(visible[id_], name) == getattr(comment, name)
    assert all(one.content == "" for one in standing.values() if one.deleted)
    assert {id_ for id_, one in files.items() if not one.deleted} == set(ticket.attachments)
    assert {id_ for id_, one in files.items() if one.deleted} == ticket.removed_attachments
    for id_, file in ticket.attachments.items():
        for name in ("object_id", "filename", "file_size", "mime_type", "created_at"):
            assert getattr(files[id_], name) == getattr(file, name)
    assert all(one.filename == "" for one in files.values() if one.deleted)


@given(STORIES)
def test_every_event_is_an_activity_and_an_internal_one_when_its_comment_is(commands: list[TicketCommand]) -> None:
    for version, event in enumerate((event for command in told(commands) for event in command), 1):
        activity = activities.of(event, version, UUID(int=version))
        assert (activity.version, activity.actor_id, activity.created_at) == (version, event.by, event.at)
        assert activity.is_internal == getattr(event, "is_internal", False)
        assert activity.type.isupper()
