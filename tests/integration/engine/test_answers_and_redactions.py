"""What was read before a redaction stands under no key after it, whoever was faster: behaviours §1, §2."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from command_api import operate
from command_api import store as private
from command_api.directory import Directory
from command_api.domain.ticket.commands import EditTicket
from command_api.execute import Commands, Outcome, new_command
from command_api.operate import Act
from helpdesk.events.user import UserRegistered
from helpdesk.eventstore.idempotency import Answer, Answers, Key, Keyed
from helpdesk.eventstore.prepared import prepare
from helpdesk.eventstore.store import StreamAppend
from helpdesk.http.keys import Replays
from helpdesk.http.problem import Problem
from helpdesk.postgres.listening import Listener
from helpdesk.postgres.pool import Pool, connect, open_pool
from helpdesk.recorded import Stream
from integration.engine.rig import NOBODY, NOON, Engine, events, eventually_true, new_stream
from integration.engine.test_commands import ADA, opened, shell_of

ACT = Act("erasure_request", UUID(int=77))
JANE = "Jane"
OF_JANE = Answer(201, b"Jane", '"v1.ab"')
BEHIND_A_ROW = "select 1 from pg_locks where locktype = 'transactionid' and not granted"
WAITING = "select 1 from pg_locks where locktype = 'advisory' and not granted"


@pytest_asyncio.fixture
async def operator(store: Engine) -> AsyncIterator[Pool]:
    """As whom `migrate` runs."""
    async with open_pool(store.admin_dsn, name="operator", max_size=1) as pool:
        yield pool


@pytest_asyncio.fixture
async def shell(store: Engine) -> AsyncIterator[Commands]:
    shell = shell_of(store)
    yield shell
    await shell.group.close()


def key() -> Key:
    return Key("somebody", "PATCH", "/api/v1/tickets/7", uuid4().hex, b"body")


async def begun(store: Engine, tenant: UUID) -> Key:
    """A key as a request has it that was not carried out before."""
    one = key()
    looked = await Answers(store.pool, "events").look(tenant, one)
    assert looked.answer is None
    return replace(one, redactions=looked.redactions)


async def person(store: Engine, tenant: UUID) -> Stream:
    """An account called Jane."""
    stream = Stream(tenant, "user", uuid4())
    address = f"{stream.id}@example.com"
    registered = UserRegistered(email=address, name=JANE, role="USER", by=stream.id, at=NOON)
    async with await connect(store.dsn("command_api"), name="test") as connection, connection.transaction():
        await store.store.append_in(connection, uuid4(), [StreamAppend(stream, 0, [registered])], NOBODY)
        await private.insert_account(
            connection,
            tenant_id=tenant,
            id_=stream.id,
            email=address,
            name=JANE,
            role="USER",
            password_hash="",
            at=NOON,
        )
    return stream


async def keep(store: Engine, tenant: UUID, under: Key) -> None:
    append = StreamAppend(new_stream(tenant), 0, events())
    await store.store.append(uuid4(), [append], NOBODY, Keyed(under, OF_JANE))


async def kept(store: Engine, tenant: UUID) -> list[bytes | None]:
    found = await store.sql("select body from events.idempotency where tenant_id = %s order by key", tenant)
    return [body for (body,) in found]


async def test_an_answer_that_was_made_before_a_redaction_is_kept_without_its_body(
    store: Engine, shell: Commands, operator: Pool
) -> None:
    """An edit that changes nothing appends nothing, so no version tells that the ticket reads differently now."""
    tenant = uuid4()
    ticket_id, _ = await opened(shell, tenant)
    why = replace(new_command(tenant, ADA.id, waits=False), key=await begun(store, tenant))

    async def shape(outcome: Outcome) -> Answer:
        body = outcome.ticket.title.encode()
        await operate.redact(operator, Stream(tenant, "ticket", ticket_id), ACT)
        return Answer(200, body, '"v1.ab"')

    outcome = await shell.ticket(why, ticket_id, lambda at: EditTicket(by=ADA, at=at, title="x"), shape=shape)
    assert not outcome.changed
    assert await kept(store, tenant) == [None]


async def test_what_is_kept_while_a_redaction_is_under_way_has_no_body_either_and_nobody_waits(
    store: Engine, operator: Pool
) -> None:
    tenant = uuid4()
    jane, first, second = await person(store, tenant), await begun(store, tenant), await begun(store, tenant)
    await keep(store, tenant, first)
    async with await connect(store.admin_dsn, name="in-the-way") as holding:
        async with holding.transaction():
            await holding.execute("select 1 from events.idempotency where tenant_id = %s for update", (tenant,))
            redacting = asyncio.create_task(operate.redact(operator, jane, ACT))
            await eventually_true(lambda: store.sql(BEHIND_A_ROW))
            async with asyncio.timeout(5):
                await keep(store, tenant, second)
        await redacting
    assert await kept(store, tenant) == [None, None]


async def test_a_redaction_waits_for_what_is_being_kept_and_empties_it(store: Engine, operator: Pool) -> None:
    tenant = uuid4()
    jane, one = await person(store, tenant), await begun(store, tenant)
    async with await connect(store.dsn("command_api"), name="keeping") as keeping:
        async with keeping.transaction():
            append = StreamAppend(new_stream(tenant), 0, events())
            await store.store.append_in(keeping, uuid4(), [append], NOBODY, Keyed(one, OF_JANE))
            redacting = asyncio.create_task(operate.redact(operator, jane, ACT))
            while not redacting.done() and not await store.sql(WAITING):
                await asyncio.wait({redacting}, timeout=0.05)
        await redacting
    assert await kept(store, tenant) == [None]


async def test_in_one_transaction_with_others_each_answer_is_judged_alone(store: Engine, operator: Pool) -> None:
    tenant, other = uuid4(), uuid4()
    jane, before, elsewhere = await person(store, tenant), await begun(store, tenant), await begun(store, other)
    await operate.redact(operator, jane, ACT)
    after = await begun(store, tenant)
    batch = [
        prepare(uuid4(), whose, [StreamAppend(new_stream(whose), 0, events())], NOBODY, Keyed(one, OF_JANE))
        for whose, one in ((tenant, before), (other, elsewhere), (tenant, after))
    ]
    assert await store.store.append_batch(batch) == {}
    answers = Answers(store.pool, "events")
    assert await answers.find(tenant, before) == replace(OF_JANE, body=None)
    assert await answers.find(other, elsewhere) == await answers.find(tenant, after) == OF_JANE


async def test_who_looks_a_key_up_after_a_redaction_takes_no_name_of_before_from_memory(
    store: Engine, operator: Pool
) -> None:
    """Although the notice that tells of the row has not come: here nobody hears it."""
    tenant, directory = uuid4(), Directory(store.pool, Listener(store.dsn("command_api"), "nobody-hears"))
    jane = await person(store, tenant)
    replays = Replays(Answers(store.pool, "events"), store.store, redacted=directory.redacted)
    await replays.find(tenant, key())
    assert (await directory.people(tenant, [jane.id]))[jane.id].name == JANE
    await operate.redact(operator, jane, ACT)
    _, found = await replays.find(tenant, key())
    name = (await directory.people(tenant, [jane.id]))[jane.id].name
    assert name == ""
    await store.store.append(uuid4(), [StreamAppend(new_stream(tenant), 0, events())], NOBODY, Keyed(found, OF_JANE))
    assert await kept(store, tenant) == [OF_JANE.body]


async def test_an_answer_without_a_tag_is_not_given_again_empty(store: Engine, operator: Pool) -> None:
    """Such as that of a bulk change: its replay was an empty 200."""
    tenant = uuid4()
    jane, one, gone = await person(store, tenant), await begun(store, tenant), await begun(store, tenant)
    await store.store.append(uuid4(), [StreamAppend(new_stream(tenant), 0, events())], NOBODY,
                             Keyed(one, Answer(200, b"{}")))  # fmt: skip
    await store.store.append(uuid4(), [StreamAppend(new_stream(tenant), 0, events())], NOBODY,
                             Keyed(gone, Answer(204)))  # fmt: skip
    await operate.redact(operator, jane, ACT)
    replays = Replays(Answers(store.pool, "events"), store.store)
    with pytest.raises(Problem, match="destroyed"):
        await replays.find(tenant, one)
    again, _ = await replays.find(tenant, gone)
    assert again is not None
    assert again.status_code == 204
