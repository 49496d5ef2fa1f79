"""Long streams as they were last read: what is kept, what goes, and that nobody can tell from an answer (ADR 29)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command_api.domain.rejected import Rejected
from command_api.domain.ticket.commands import AddComment, TicketCommand
from command_api.domain.ticket.decide import decide
from command_api.domain.ticket.history import History, history_of
from command_api.domain.ticket.state import Ticket, fold
from command_api.histories import IDLE_S, Histories
from helpdesk import wire
from helpdesk.events.personal import personal_fields
from helpdesk.events.ticket import TicketCreated, TicketEvent, TicketRedacted, TicketRetitled
from helpdesk.recorded import START, Metadata, RecordedEvent, Stream
from support.tickets import ADMIN, NOON, comment_deleted, commented, created
from unit.projector.test_folds_agree import STORIES

STREAM = Stream(UUID(int=1), "ticket", UUID(int=2))
SECRET = "0123-456"


def recorded(stream: Stream, version: int, event: TicketEvent | None, type_: str = "") -> RecordedEvent:
    """As it comes back from the store: through its JSON."""
    read = None
    if event is not None:
        stored = wire.encode(event)
        type_, read = stored.type, wire.decode(stored.type, stored.schema_version, orjson.loads(stored.data))
    nobody = Metadata(None, None, None)
    return RecordedEvent(stream, version, START, uuid4(), uuid4(), 1, 0, type_, 1, read, nobody, NOON)


@dataclass
class Streams:
    """A store in memory, and what was read of it: (after, rows). `emptied`: (version of the redaction, as it was)."""

    rows: dict[Stream, list[RecordedEvent]] = field(default_factory=dict)
    readings: list[tuple[int, int]] = field(default_factory=list)
    emptied: list[tuple[int, RecordedEvent]] = field(default_factory=list)

    async def read(self, stream: Stream, after: int) -> Sequence[RecordedEvent]:
        found = [one for one in self.rows.get(stream, []) if one.version > after]
        self.readings.append((after, len(found)))
        return found

    def append(self, *events: TicketEvent, stream: Stream = STREAM) -> None:
        rows = self.rows.setdefault(stream, [])
        for event in events:
            rows.append(recorded(stream, len(rows) + 1, event))

    def redact(self, place: int, stream: Stream = STREAM) -> None:
        """Empty the personal texts of one event and append what records it, as `erasure.redact` does."""
        rows = self.rows[stream]
        one = rows[place - 1]
        texts = [name for name in personal_fields(one.event) if isinstance(getattr(one.event, name), str)]
        emptied = replace(one.event, **dict.fromkeys(texts, ""))  # type: ignore[type-var]  # an event is a dataclass
        rows[place - 1] = one._replace(event=emptied)
        self.emptied.append((len(rows) + 1, one))
        self.append(
            TicketRedacted(event_id=one.event_id, fields=tuple(texts), reason="mistake", by=ADMIN.id, at=NOON),
            stream=stream,
        )

    def restore(self, version: int, stream: Stream = STREAM) -> None:
        """As it stood at an earlier version: what was redacted later has its text again."""
        rows = self.rows.get(stream, [])
        for redaction, one in reversed(self.emptied):
            if redaction > version:
                rows[one.version - 1] = one
        self.emptied = [(redaction, one) for redaction, one in self.emptied if redaction <= version]
        del rows[version:]


def told(comments: int = 3, text: str = "Help!") -> list[TicketEvent]:
    """A ticket with some comments."""
    return [created(), *[commented(content=text, id_=UUID(int=100 + place)) for place in range(comments)]]


def retitled(title: str) -> TicketRetitled:
    return TicketRetitled(title=title, previous="The printer burns", by=ADMIN.id, at=NOON)


@pytest.fixture
def store() -> Streams:
    return Streams()


def ticket_of(history: History) -> Ticket:
    assert history.ticket is not None
    return history.ticket


# --- what is read -----------------------------------------------------------------------------------------------------


async def test_a_long_stream_is_read_from_its_last_known_event_on(store: Streams) -> None:
    histories = Histories(store.read, long=4)
    store.append(*told())
    await histories.read(STREAM)
    store.append(retitled("Fire!"))
    history = await histories.read(STREAM)
    assert store.readings == [(0, 4), (3, 2)]
    assert history == history_of(store.rows[STREAM])
    assert (history.version, ticket_of(history).title) == (5, "Fire!")


async def test_a_short_stream_is_read_whole_and_not_kept(store: Streams) -> None:
    histories = Histories(store.read, long=5)
    store.append(*told())
    await histories.read(STREAM)
    await histories.read(STREAM)
    assert store.readings == [(0, 4), (0, 4)]
    assert STREAM not in histories


async def test_what_is_no_stream_is_no_ticket_and_not_kept(store: Streams) -> None:
    histories = Histories(store.read, long=0)
    assert await histories.read(STREAM) == History()


async def test_another_stream_under_the_same_versions_is_read_whole(store: Streams) -> None:
    histories = Histories(store.read, long=1)
    store.append(*told(text="before the restore"))
    await histories.read(STREAM)
    store.rows.clear()
    store.append(*told(text="after it"))
    assert await histories.read(STREAM) == history_of(store.rows[STREAM])
    assert store.readings[-2:] == [(3, 1), (0, 4)]


@pytest.mark.parametrize("left", [0, 1, 3])
async def test_a_stream_that_has_lost_its_end_is_read_whole(store: Streams, left: int) -> None:
    histories = Histories(store.read, long=1)
    store.append(*told())
    await histories.read(STREAM)
    del store.rows[STREAM][left:]
    assert await histories.read(STREAM) == history_of(store.rows[STREAM])


async def test_an_unknown_event_is_decided_upon_by_nobody(store: Streams) -> None:
    histories = Histories(store.read, long=4)
    store.append(*told())
    await histories.read(STREAM)
    store.rows[STREAM].append(recorded(STREAM, 5, None, "ticket.sung_about"))
    for one in (histories, histories, Histories(store.read)):
        with pytest.raises(RuntimeError, match=r"ticket\.sung_about"):
            await one.read(STREAM)


# --- what is destroyed ------------------------------------------------------------------------------------------------


async def test_after_a_redaction_everything_is_read_and_the_text_is_gone(store: Streams) -> None:
    histories = Histories(store.read, long=1)
    store.append(*told(text=SECRET))
    assert SECRET in str(await histories.read(STREAM))
    for place in (2, 3, 4):
        store.redact(place)
    assert SECRET not in str(await histories.read(STREAM))
    assert store.readings[-2:] == [(3, 4), (0, 7)]


async def test_a_redaction_that_was_read_is_no_reason_to_read_all_again(store: Streams) -> None:
    histories = Histories(store.read, long=1)
    store.append(*told(text=SECRET))
    store.redact(2)
    await histories.read(STREAM)
    store.append(comment_deleted())
    assert await histories.read(STREAM) == history_of(store.rows[STREAM])
    assert store.readings == [(0, 5), (4, 2)]


async def test_who_read_before_a_redaction_and_keeps_after_it_brings_nothing_back(store: Streams) -> None:
    slow, go_on = asyncio.Event(), asyncio.Event()

    async def read(stream: Stream, after: int) -> Sequence[RecordedEvent]:
        found = await store.read(stream, after)
        if not slow.is_set():
            slow.set()
            await go_on.wait()
        return found

    histories = Histories(read, long=1)
    store.append(*told(1, text=SECRET))
    late = asyncio.create_task(histories.read(STREAM))
    await slow.wait()
    store.redact(2)
    assert SECRET not in str(await histories.read(STREAM))
    go_on.set()
    assert SECRET in str(await late)  # it was read when it stood there
    assert SECRET not in str(await histories.read(STREAM))


# --- what is kept, and for how long -----------------------------------------------------------------------------------


def streams(count: int) -> list[Stream]:
    return [Stream(UUID(int=1), "ticket", UUID(int=10 + place)) for place in range(count)]


async def test_no_more_is_kept_than_the_bound_and_what_was_used_last_stays(store: Streams) -> None:
    text, histories = "x" * 20_000, Histories(store.read, long=1, bound=100_000)
    many = streams(9)
    for stream in many:
        store.append(*told(1, text), stream=stream)
        await histories.read(stream)
        await histories.read(many[0])
        assert histories.size <= 100_000
    assert [stream for stream in many if stream in histories] == [many[0], *many[-3:]]


async def test_a_stream_above_the_bound_is_not_kept_and_drives_out_nobody(store: Streams) -> None:
    small, large = streams(2)
    histories = Histories(store.read, long=1, bound=20_000)
    store.append(*told(2), stream=small)
    store.append(*told(2, "x" * 20_000), stream=large)
    for stream in (small, large):
        await histories.read(stream)
    assert small in histories
    assert large not in histories


async def test_a_stream_that_grows_above_the_bound_is_not_kept_any_more(store: Streams) -> None:
    histories = Histories(store.read, long=1, bound=20_000)
    store.append(*told(2))
    await histories.read(STREAM)
    store.append(commented(content="x" * 20_000, id_=uuid4()))
    history = await histories.read(STREAM)
    assert history.version == 4
    assert STREAM not in histories
    assert histories.size == 0


async def test_characters_that_take_four_bytes_are_counted_as_four(store: Streams) -> None:
    narrow, wide = streams(2)
    histories, sizes = Histories(store.read, long=1), []
    for stream, text in ((narrow, "x" * 1000), (wide, "x" * 999 + "🔥")):
        before = histories.size
        store.append(*told(1, text), stream=stream)
        await histories.read(stream)
        sizes.append(histories.size - before)
    assert sizes[1] - sizes[0] >= 3000


async def test_what_nobody_asks_for_is_forgotten_after_a_minute(store: Streams) -> None:
    now = [0.0]
    used, idle = streams(2)
    histories = Histories(store.read, lambda: now[0], long=1)
    for stream in (idle, used):
        store.append(*told(), stream=stream)
        await histories.read(stream)
    now[0] = IDLE_S - 1
    await histories.read(used)
    now[0] = IDLE_S
    histories.forget_idle()
    assert used in histories
    assert idle not in histories
    now[0] = 2 * IDLE_S
    histories.forget_idle()
    assert histories.size == 0


# --- nobody can tell --------------------------------------------------------------------------------------------------


def answer(history: History, command: TicketCommand) -> tuple[list[TicketEvent], Ticket | None] | str:
    """What the shell makes of it: the events and the ticket afterwards, or the refusal."""
    try:
        events = decide(history.ticket, command)
    except Rejected as refusal:
        return refusal.code
    return events, fold(events, history.ticket)


HAPPENS = st.sampled_from(["nothing"] * 6 + ["redaction", "restore", "purge"])


@settings(max_examples=200)
@given(STORIES, st.data())
def test_two_processes_that_keep_decide_as_one_that_does_not(
    commands: list[TicketCommand], data: st.DataObject
) -> None:
    store = Streams()
    processes = [Histories(store.read, long=data.draw(st.integers(0, 3)), bound=bound) for bound in (10**9, 4_000)]

    async def story() -> None:
        used = set[UUID]()
        for command in commands:
            if isinstance(command, AddComment):
                if command.comment_id in used:
                    continue  # the doors make a new id for each
                used.add(command.comment_id)
            history = await data.draw(st.sampled_from(processes)).read(STREAM)
            whole = history_of(store.rows.get(STREAM, []))
            assert history == whole
            said = answer(history, command)
            assert said == answer(whole, command)
            if isinstance(said, tuple):
                store.append(*said[0])
            rows = store.rows.get(STREAM, [])
            match data.draw(HAPPENS):
                case "redaction" if rows:
                    store.redact(data.draw(st.integers(1, len(rows))))
                case "restore":  # to an earlier moment, from which another history went on
                    store.restore(data.draw(st.integers(0, len(rows))))
                    if rows:
                        store.append(retitled("After the restore"))
                case "purge":
                    store.rows.clear()
                    store.emptied.clear()
                    used.clear()
                case _:
                    pass

    asyncio.run(story())
    assert all(isinstance(rows[0].event, TicketCreated) for rows in store.rows.values() if rows)


def test_a_fold_that_goes_on_leaves_what_it_went_on_from() -> None:
    before = fold(told(2))
    assert before is not None
    after = fold([commented(id_=UUID(int=200)), comment_deleted()], before)
    assert after is not None
    assert len(before.comments) == 2
    assert after.comments.keys() == {UUID(int=101), UUID(int=200)}
    assert fold([], before) is before
