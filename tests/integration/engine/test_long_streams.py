"""Commands on long tickets on a real event store: what a process keeps of them shows in no answer (ADR 29)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from command_api import operate
from command_api.domain.rejected import Rejected
from command_api.domain.ticket.commands import (
    AddComment,
    CreateTicket,
    DeleteComment,
    DeleteTicket,
    EditComment,
    EditTicket,
    TicketCommand,
)
from command_api.domain.ticket.state import Ticket
from command_api.execute import MISSED, Commands, Outcome, StaleVersion, new_command
from command_api.histories import LONG, Histories
from command_api.routes.shared import shaped
from helpdesk.events.tenant import TenantCreated
from helpdesk.events.ticket import TicketRedacted
from helpdesk.eventstore import erasure
from helpdesk.eventstore.erasure import NotErased
from helpdesk.eventstore.store import StreamAppend
from helpdesk.postgres.pool import Pool, connect, open_pool
from helpdesk.recorded import Stream
from integration.engine.rig import NOBODY, NOON, Engine
from integration.engine.test_commands import ADA, shell_of
from integration.engine.test_erasure import ACT, AT_ONCE, SECRET
from support.tickets import AGENT, REQUESTER, STRANGER

NEVER = 10**9


def process(engine: Engine, long: int = LONG) -> Commands:
    """A command API with a memory of its own, whose time stands still."""
    shell = shell_of(engine)
    shell.histories, shell.clock = Histories(shell.events.read_stream, long=long), lambda: NOON
    return shell


@pytest_asyncio.fixture
async def one(store: Engine) -> AsyncIterator[Commands]:
    shell = process(store, long=1)
    yield shell
    await shell.group.close()


@pytest_asyncio.fixture
async def other(store: Engine) -> AsyncIterator[Commands]:
    shell = process(store, long=1)
    yield shell
    await shell.group.close()


@pytest_asyncio.fixture
async def forgetful(store: Engine) -> AsyncIterator[Commands]:
    """Keeps nothing."""
    shell = process(store, long=NEVER)
    yield shell
    await shell.group.close()


@pytest_asyncio.fixture
async def operator(store: Engine) -> AsyncIterator[Pool]:
    async with open_pool(store.admin_dsn, name="operator", max_size=1) as pool:
        yield pool


async def do(shell: Commands, stream: Stream, command: TicketCommand, expected: int | None = None) -> Outcome:
    why = new_command(stream.tenant_id, command.by.id, waits=False)
    return await shell.ticket(why, stream.id, lambda _: command, expected)


def comment(content: str = "x", id_: UUID | None = None, **fields: Any) -> AddComment:
    plain: dict[str, Any] = {"is_internal": False, "by": ADA, "at": NOON} | fields
    return AddComment(comment_id=id_ or uuid4(), content=content, **plain)


async def opened(shell: Commands, tenant: UUID | None = None, id_: UUID | None = None) -> Stream:
    """A ticket of the requester's."""
    stream = Stream(tenant or uuid4(), "ticket", id_ or uuid4())
    number = await shell.numbers.take(stream.tenant_id)
    await do(
        shell,
        stream,
        CreateTicket(
            number=number,
            title=SECRET,
            description="",
            priority="low",
            metadata={"a": [1, 1.5, None]},
            tags=("b",),
            assignee_id=None,
            by=REQUESTER,
            at=NOON,
        ),
    )
    return stream


async def kept_of(shell: Commands, stream: Stream) -> Ticket | None:
    assert stream in shell.histories
    return (await shell.histories.read(stream)).ticket


# --- two processes ----------------------------------------------------------------------------------------------------


async def test_what_another_process_wrote_is_decided_upon(one: Commands, other: Commands) -> None:
    stream, mine = await opened(one), uuid4()
    await do(one, stream, comment("mine", mine))
    await do(other, stream, EditTicket(by=AGENT, at=NOON, title="Of the other", status="resolved"))
    after = await do(one, stream, comment("more", by=REQUESTER))
    assert (after.ticket.title, after.ticket.status, after.version) == ("Of the other", "open", 6)
    assert (await do(other, stream, EditComment(mine, None, by=ADA, at=NOON))).version == 6
    assert await kept_of(one, stream) == await kept_of(other, stream) == after.ticket


async def test_processes_that_write_at_once_lose_nothing(one: Commands, other: Commands) -> None:
    stream = await opened(one)
    made = await asyncio.gather(*(do(shell, stream, comment()) for _ in range(10) for shell in (one, other)))
    assert sorted(outcome.version for outcome in made) == list(range(2, 22))
    whole = await Histories(one.events.read_stream, long=NEVER).read(stream)
    assert await kept_of(one, stream) == await kept_of(other, stream) == whole.ticket


async def test_a_process_keeps_a_ticket_once_it_is_long(store: Engine, one: Commands) -> None:
    shell, stream = process(store), await opened(one)
    for _ in range(LONG - 1):
        assert stream not in shell.histories
        await do(shell, stream, comment())
    await do(shell, stream, comment())
    assert stream in shell.histories
    await shell.group.close()


# --- what is destroyed ------------------------------------------------------------------------------------------------


async def test_after_a_redaction_no_answer_has_the_text(one: Commands, operator: Pool) -> None:
    stream, mine = await opened(one), uuid4()
    await do(one, stream, comment(SECRET, mine))
    assert SECRET in str(await kept_of(one, stream))
    await operate.redact(operator, stream, ACT)
    answers = [
        await do(one, stream, EditComment(mine, None, by=ADA, at=NOON)),
        await do(one, stream, EditTicket(by=ADA, at=NOON)),
        await do(one, stream, comment("after")),
        await do(one, stream, EditTicket(by=ADA, at=NOON, priority="high")),
    ]
    assert SECRET not in str(answers)
    assert SECRET not in str(await kept_of(one, stream))
    assert answers[0].ticket.comments[mine].content == ""
    with pytest.raises(StaleVersion) as stale:
        await do(one, stream, EditTicket(by=ADA, at=NOON, title="y"), expected=1)
    assert SECRET not in str([missed.changes for missed in stale.value.missed])


async def test_a_text_that_was_destroyed_is_no_text_that_stays_as_it_was(one: Commands, operator: Pool) -> None:
    """Decided upon what was kept, writing the same again would be no change."""
    stream, mine = await opened(one), uuid4()
    await do(one, stream, comment(SECRET, mine))
    assert SECRET in str(await kept_of(one, stream))
    await operate.redact(operator, stream, ACT)
    again = await do(one, stream, EditComment(mine, SECRET, by=ADA, at=NOON))
    assert again.changed
    (edited,) = [row.event for row in (await one.events.read_stream(stream))[-1:]]
    assert getattr(edited, "previous", None) == ""


async def test_a_redaction_is_refused_when_another_stream_records_it(one: Commands, operator: Pool) -> None:
    """What is kept depends on it: each redaction appends to the very stream that it empties."""
    stream = await opened(one)
    beside = await opened(one, stream.tenant_id)
    (first,) = await one.events.read_stream(stream)
    recorded = TicketRedacted(event_id=first.event_id, fields=("title",), reason="mistake", by=ACT.by, at=NOON)
    async with operator.connection() as connection, connection.transaction(force_rollback=True):
        await one.events.append_in(connection, uuid4(), [StreamAppend(beside, 1, [recorded])], NOBODY)
        with pytest.raises(Exception, match="recorded first, in the same transaction"):
            await connection.execute(
                "select events.redact(%s, 'ticket', %s, %s, '{title}')", (stream.tenant_id, stream.id, first.event_id)
            )
    with pytest.raises(NotErased, match="no such event"):
        await erasure.redact(operator, "events", beside, 1, [recorded], NOBODY)


async def test_a_purged_ticket_is_none(one: Commands, operator: Pool) -> None:
    stream = await opened(one)
    tenant = stream.tenant_id
    begun = TenantCreated(name="x", slug=tenant.hex, settings={}, by=ACT.by, at=NOON)
    await one.events.append(uuid4(), [StreamAppend(Stream(tenant, "tenant", tenant), 0, [begun])], NOBODY)
    await do(one, stream, comment(SECRET))
    await do(one, stream, comment())
    assert stream in one.histories
    await operate.close_tenant(operator, tenant, ACT)
    await operate.purge(operator, tenant, ACT, AT_ONCE)
    with pytest.raises(Rejected) as refused:
        await do(one, stream, comment())
    assert refused.value.code == "ticket_not_found"
    assert stream not in one.histories
    assert one.histories.size == 0


async def test_a_store_that_was_restored_and_went_on_otherwise_is_believed(
    store: Engine, one: Commands, other: Commands
) -> None:
    stream = await opened(one)
    for text in ("stays", "is lost", "is lost, too"):
        await do(one, stream, comment(text))
    await do(one, stream, EditTicket(by=ADA, at=NOON))
    async with await connect(store.admin_dsn, name="test") as connection, connection.transaction():
        await connection.execute("alter table events.event disable trigger event_is_immutable")
        await connection.execute("delete from events.event where stream_id = %s and version > 2", (stream.id,))
        await connection.execute("alter table events.event enable trigger event_is_immutable")
    for text in ("instead", "instead, too"):
        await do(other, stream, comment(text))
    after = await do(one, stream, comment("now"))
    assert after.version == 5
    assert [each.content for each in after.ticket.comments.values()] == ["stays", "instead", "instead, too", "now"]


# --- answers ----------------------------------------------------------------------------------------------------------

FIRST, SECOND = UUID(int=100), UUID(int=101)
STORY: list[tuple[TicketCommand, int | None]] = [
    (comment("a", FIRST), None),
    (comment("b", SECOND, is_internal=True, by=AGENT), 2),
    (comment("c", is_internal=True, by=REQUESTER), None),
    (comment("d", by=STRANGER), 1),
    (EditTicket(by=AGENT, at=NOON, title="New", tags=("c",), metadata={"a": 1.0}, status="resolved"), 1),
    (EditTicket(by=AGENT, at=NOON, title="New", tags=("c",), metadata={"a": 1.0}, status="resolved"), 3),
    (EditTicket(by=AGENT, at=NOON, title="New"), None),
    (EditTicket(by=REQUESTER, at=NOON, status="closed", resolution="nothing"), 99),
    (comment("e", by=REQUESTER), None),
    (EditComment(FIRST, "f", by=ADA, at=NOON), None),
    (EditComment(FIRST, "f", by=ADA, at=NOON), 2),
    (EditComment(SECOND, "g", by=ADA, at=NOON), 2),
    (EditTicket(by=AGENT, at=NOON, waiting_on="requester", priority="critical"), None),
    (DeleteComment(SECOND, by=AGENT, at=NOON), None),
    (DeleteComment(SECOND, by=AGENT, at=NOON), 1),
    (EditTicket(by=AGENT, at=NOON, status="open", resolution="solved"), None),
    (DeleteTicket(by=AGENT, at=NOON), 1),
    (DeleteTicket(by=ADA, at=NOON), 1),
    (DeleteTicket(by=ADA, at=NOON), None),
    (EditTicket(by=ADA, at=NOON), None),
    (EditTicket(by=ADA, at=NOON), 1),
]


async def answered(shell: Commands, stream: Stream, command: TicketCommand, expected: int | None) -> object:
    """What the door would make an answer of: body and tag, or why not."""
    try:
        outcome = await do(shell, stream, command, expected)
    except Rejected as refused:
        return refused.code, refused.message, refused.details
    except StaleVersion as stale:
        return stale.current, [(missed.version, missed.type, missed.changes) for missed in stale.missed]
    ticket = outcome.ticket
    body = [ticket.title, ticket.status, ticket.tags, ticket.updated_at, ticket.metadata, ticket.waiting_on]
    body += [[each.id, each.content, each.updated_at] for each in ticket.comments.values()]
    answer = shaped(UUID(int=1), outcome, body)
    return outcome, answer.body, answer.etag, answer.token


async def test_whoever_keeps_and_whoever_does_not_answer_the_same(
    one: Commands, other: Commands, forgetful: Commands
) -> None:
    """The same story about two tickets of the same id: bodies, tags, refusals, 412 with what was missed."""
    id_ = uuid4()
    kept, read = await opened(one, id_=id_), await opened(forgetful, id_=id_)
    for place, (command, expected) in enumerate(STORY):
        said = await answered((one, other)[place % 2], kept, command, expected)
        assert said == await answered(forgetful, read, command, expected), command
    assert kept in one.histories
    assert read not in forgetful.histories


async def test_who_is_far_behind_is_told_of_the_last_that_happened(one: Commands) -> None:
    stream = await opened(one)
    for _ in range(MISSED + 10):
        await do(one, stream, comment())
    with pytest.raises(StaleVersion) as stale:
        await do(one, stream, EditTicket(by=ADA, at=NOON, title="y"), expected=3)
    current = MISSED + 11
    assert stale.value.current == current
    assert [missed.version for missed in stale.value.missed] == list(range(current - MISSED + 1, current + 1))


async def test_whether_a_ticket_exists_is_told_by_its_first_event(one: Commands) -> None:
    stream = await opened(one)
    assert await one.has_history(stream.tenant_id, stream.id)
    assert not await one.has_history(uuid4(), stream.id)
