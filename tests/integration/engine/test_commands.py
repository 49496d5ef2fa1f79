"""The shell of the ticket commands on a real event store: numbers, groups, what is kept in memory."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from command_api import store as private
from command_api.directory import Directory
from command_api.domain.rejected import Rejected
from command_api.domain.ticket.commands import Actor, AddComment, CreateTicket, EditTicket
from command_api.execute import CommandAt, Commands, NumberTaken, Outcome, StaleVersion, new_command
from helpdesk.consistency import Applied
from helpdesk.eventstore.grouping import Group
from helpdesk.eventstore.relay import Poke
from helpdesk.ids import new_id
from helpdesk.postgres.listening import Listener
from helpdesk.postgres.pool import Pool
from integration.engine.rig import Engine, account, eventually, eventually_true

ADA = Actor(UUID(int=42), "ADMIN")


def shell_of(engine: Engine) -> Commands:
    dsn = engine.dsn("command_api")
    listener = Listener(dsn, "test-listen")
    views, notices, webhooks = (Applied(listener, dsn, schema) for schema in ("views", "notices", "webhooks"))
    group, directory = Group(engine.pool, "events"), Directory(engine.pool, listener)
    return Commands(engine.pool, group, directory, views, notices, webhooks, Poke(dsn, "events"))


@pytest_asyncio.fixture
async def shell(store: Engine) -> AsyncIterator[Commands]:
    shell = shell_of(store)
    yield shell
    await shell.group.close()


def creation(number: int) -> CommandAt:
    return lambda at: CreateTicket(
        number=number,
        title="x",
        description="",
        priority="low",
        metadata=None,
        tags=(),
        assignee_id=None,
        by=ADA,
        at=at,
    )


async def opened(shell: Commands, tenant: UUID) -> tuple[UUID, int]:
    """As the route does it."""
    ticket_id, why = new_id(), new_command(tenant, ADA.id, waits=False)
    while True:
        number = await shell.numbers.take(tenant)
        try:
            outcome = await shell.ticket(why, ticket_id, creation(number), is_new=True)
        except NumberTaken:
            continue
        return ticket_id, outcome.ticket.number


# --- numbers ----------------------------------------------------------------------------------------------------------


async def test_numbers_that_are_wanted_at_once_are_taken_at_once(
    shell: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, take = list[int](), private.take_numbers

    async def counted(pool: Pool, tenant_id: UUID, count: int) -> int:
        taken.append(count)
        return await take(pool, tenant_id, count)

    monkeypatch.setattr(private, "take_numbers", counted)
    tenant = uuid4()
    numbers = await asyncio.gather(*(shell.numbers.take(tenant) for _ in range(40)))
    assert sorted(numbers) == list(range(1, 41))
    assert len(taken) <= 2


async def test_who_goes_away_while_waiting_for_a_number_leaves_only_a_gap(shell: Commands) -> None:
    tenant = uuid4()
    tasks = [asyncio.create_task(shell.numbers.take(tenant)) for _ in range(9)]
    await asyncio.sleep(0)
    for gone in tasks[::3]:
        gone.cancel()
    numbers = [one for one in await asyncio.gather(*tasks, return_exceptions=True) if isinstance(one, int)]
    assert len(set(numbers)) == 6
    assert await shell.numbers.take(tenant) > max(numbers)


async def test_creates_at_once_after_the_counter_stepped_back_all_get_numbers_of_their_own(
    store: Engine, shell: Commands
) -> None:
    tenant = uuid4()
    await asyncio.gather(*(opened(shell, tenant) for _ in range(12)))
    await store.sql("update events.ticket_counter set next = 5 where tenant_id = %s", tenant)
    made = await asyncio.gather(*(opened(shell, tenant) for _ in range(12)))
    numbers = [number for _, number in made]
    assert len(set(numbers)) == 12
    assert min(numbers) == 13


# --- commands ---------------------------------------------------------------------------------------------------------


async def test_changes_of_one_ticket_from_two_processes_all_happen(store: Engine, shell: Commands) -> None:
    tenant, other = uuid4(), shell_of(store)
    ticket_id, _ = await opened(shell, tenant)

    async def comment(by: Commands) -> int:
        outcome = await by.ticket(
            new_command(tenant, ADA.id, waits=False),
            ticket_id,
            lambda at: AddComment(comment_id=uuid4(), content="x", is_internal=False, by=ADA, at=at),
        )
        return outcome.version

    versions = await asyncio.gather(*(comment(one) for one in (shell, other) for _ in range(6)))
    assert sorted(versions) == list(range(2, 14))


async def test_the_same_command_sent_twice_at_once_is_answered_twice_and_happens_once(
    store: Engine, shell: Commands
) -> None:
    tenant, other = uuid4(), shell_of(store)
    ticket_id, _ = await opened(shell, tenant)
    why = new_command(tenant, ADA.id, waits=False)

    def comment(by: Commands) -> Coroutine[Any, Any, Outcome]:
        return by.ticket(
            why, ticket_id, lambda at: AddComment(comment_id=UUID(int=1), content="x", is_internal=False, by=ADA, at=at)
        )

    one, two = await asyncio.gather(comment(shell), comment(other))
    assert (one.version, two.version) == (2, 2)
    assert one.ticket.comments.keys() == two.ticket.comments.keys() == {UUID(int=1)}


async def test_a_new_ticket_whose_id_is_taken_after_all_is_refused(shell: Commands) -> None:
    tenant = uuid4()
    ticket_id, _ = await opened(shell, tenant)
    with pytest.raises(Rejected):
        await shell.ticket(new_command(tenant, ADA.id, waits=False), ticket_id, creation(99), is_new=True)


async def test_a_stale_expectation_is_told_with_where_the_ticket_is(shell: Commands) -> None:
    tenant = uuid4()
    ticket_id, _ = await opened(shell, tenant)
    with pytest.raises(StaleVersion) as stale:
        await shell.ticket(
            new_command(tenant, ADA.id, waits=False), ticket_id, lambda at: EditTicket(by=ADA, at=at, title="y"), 7
        )
    assert stale.value.current == 1


# --- what is kept in memory -------------------------------------------------------------------------------------------


async def test_a_person_who_changes_is_read_again_and_others_are_not(store: Engine) -> None:
    listener = Listener(store.dsn("command_api"), "test-listen")
    directory = Directory(store.pool, listener)
    hearing = asyncio.create_task(listener.run())
    tenant, person = uuid4(), uuid4()
    try:
        assert await directory.people(tenant, [person]) == {}
        await account(store, tenant, person)
        assert (await directory.people(tenant, [person]))[person].name == "Ada"  # what is missing is not kept
        await eventually(lambda: listener.hears("events_rows"))
        await directory.people(tenant, [person])
        kept = (await directory.people(tenant, [person]))[person]
        assert (await directory.people(tenant, [person]))[person] is kept

        async def renamed() -> bool:
            return (await directory.people(tenant, [person]))[person].name == "Grace"

        await store.sql("update events.person set name = 'Grace' where id = %s", person)
        await eventually_true(renamed, 2.0)
    finally:
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)
