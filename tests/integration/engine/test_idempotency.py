"""Answers that are kept under a key, in the transaction of their events: behaviours §2, design §3."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from helpdesk.eventstore.grouping import Group
from helpdesk.eventstore.idempotency import Answer, Answers, Key, KeyAnswered, Keyed, KeyInFlight, KeyReused
from helpdesk.eventstore.prepared import prepare
from helpdesk.eventstore.store import DuplicateCommand, StreamAppend, WrongVersion
from helpdesk.postgres.pool import connect
from helpdesk.recorded import Stream
from integration.engine.rig import NOBODY, Engine, events, eventually_true, new_stream
from integration.engine.test_grouping import cut_off

ANSWER = Answer(201, b'{"id": "\xc3\xa4"}', '"v1.ab"', "token", "/api/v1/tickets/7")


def key(name: str | None = None, *, sent: bytes = b"body", principal: str = "somebody") -> Key:
    return Key(principal, "POST", "/api/v1/tickets", name or uuid4().hex, sent)


async def send(store: Engine, key: Key, stream: Stream | None = None, **rest: Any) -> Stream:
    """One command under a key, on a stream of its own; returns the stream."""
    stream = stream or new_stream(UUID(int=9))
    await store.store.append(uuid4(), [StreamAppend(stream, 0, events())], NOBODY, Keyed(key, ANSWER, **rest))
    return stream


async def test_the_answer_stands_with_the_events(store: Engine) -> None:
    answers, one = Answers(store.pool, "events"), key()
    assert await answers.find(UUID(int=9), one) is None
    stream = await send(store, one)
    assert await answers.find(stream.tenant_id, one) == ANSWER
    with pytest.raises(KeyReused):
        await answers.find(stream.tenant_id, key(one.key, sent=b"another"))


async def test_a_key_counts_within_tenant_principal_method_and_path(store: Engine) -> None:
    one = key("k")
    await send(store, one, new_stream())
    elsewhere = [
        Key("another", one.method, one.path, one.key, one.fingerprint),
        Key(one.principal, "PUT", one.path, one.key, one.fingerprint),
        Key(one.principal, one.method, "/api/v1/comments", one.key, one.fingerprint),
    ]
    tenant = uuid4()
    for other in [one, *elsewhere]:
        await send(store, other, new_stream(tenant))
    with pytest.raises(KeyAnswered):
        await send(store, one, new_stream(tenant))


async def test_a_key_is_carried_out_once(store: Engine) -> None:
    one = key()
    await send(store, one)
    again = new_stream(UUID(int=9))
    with pytest.raises(KeyAnswered):
        await send(store, one, again)
    with pytest.raises(KeyReused):
        await send(store, key(one.key, sent=b"another"), again)
    assert await store.store.read_stream(again) == []


async def test_a_key_that_comes_many_times_at_once_is_carried_out_once(store: Engine) -> None:
    groups, one, streams = (
        [Group(store.pool, "events") for _ in range(3)],
        key(),
        [new_stream(UUID(int=9)) for _ in range(12)],
    )
    outcomes = await asyncio.gather(
        *(
            groups[n % 3].append(uuid4(), [StreamAppend(stream, 0, events())], NOBODY, Keyed(one, ANSWER))
            for n, stream in enumerate(streams)
        ),
        return_exceptions=True,
    )
    assert outcomes.count(None) == 1
    assert {type(outcome) for outcome in outcomes} - {type(None)} <= {KeyAnswered, KeyInFlight}
    assert sum([len(await store.store.read_stream(stream)) for stream in streams]) == 1


async def test_while_a_key_is_being_carried_out_another_is_told_to_wait(store: Engine) -> None:
    one, stream = key(), new_stream(UUID(int=9))
    async with await connect(store.dsn("command_api"), name="slow") as slow:
        async with slow.transaction(force_rollback=True):
            appends = [StreamAppend(stream, 0, events())]
            await store.store.append_in(slow, uuid4(), appends, NOBODY, Keyed(one, ANSWER))
            with pytest.raises(KeyInFlight):
                await send(store, one)
            await send(store, key())  # another key waits for nobody
        await send(store, one)  # the first has failed: nothing was kept
    assert await store.store.read_stream(stream) == []


async def test_a_refused_command_keeps_no_answer(store: Engine) -> None:
    one, answers = key(), Answers(store.pool, "events")
    stands = await send(store, key())
    with pytest.raises(WrongVersion):
        await send(store, one, stands)
    assert await answers.find(stands.tenant_id, one) is None
    await send(store, one)


async def test_keyed_commands_are_grouped_with_others(store: Engine) -> None:
    tenant, known = UUID(int=9), key()
    await send(store, known)
    fresh, streams = key(), [new_stream(tenant) for _ in range(4)]
    batch = [
        prepare(uuid4(), tenant, [StreamAppend(stream, 0, events())], NOBODY, Keyed(one, ANSWER) if one else None)
        for stream, one in zip(streams, (None, fresh, known, key(known.key, sent=b"another")), strict=True)
    ]
    assert await store.store.append_batch(batch[:3]) == {batch[2].id: "answered"}
    assert await store.store.append_batch(batch[3:]) == {batch[3].id: "reused"}
    found = [await store.store.read_stream(stream) for stream in streams]
    assert [len(one) for one in found] == [1, 1, 0, 0]
    assert found[0][0].cursor.xid == found[1][0].cursor.xid
    assert await Answers(store.pool, "events").find(tenant, fresh) == ANSWER


async def test_a_command_without_events_keeps_its_answer_too(store: Engine) -> None:
    group, one, tenant = Group(store.pool, "events"), key(), uuid4()
    await group.append(uuid4(), [], NOBODY, Keyed(one, Answer(200)), tenant_id=tenant)
    assert await Answers(store.pool, "events").find(tenant, one) == Answer(200)
    with pytest.raises(KeyAnswered):
        await group.append(uuid4(), [], NOBODY, Keyed(one, Answer(200)), tenant_id=tenant)


async def test_what_has_expired_is_replaced_and_never_matched(store: Engine) -> None:
    one, answers = key(), Answers(store.pool, "events")
    stream = await send(store, one, kept_s=0.0)
    assert await answers.find(stream.tenant_id, one) is None
    await send(store, key(one.key, sent=b"another"))
    with pytest.raises(KeyReused):
        await answers.find(stream.tenant_id, one)


async def test_what_has_expired_is_deleted_of_every_tenant_and_nothing_else(own: Engine) -> None:
    kept, stream = key(), new_stream()
    await send(own, kept, stream)
    for _ in range(3):
        await send(own, key(), new_stream(), kept_s=0.0)
    answers = Answers(own.pool, "events")
    assert await answers.forget() == 3
    assert await answers.forget() == 0
    assert await answers.find(stream.tenant_id, kept) == ANSWER
    assert await own.value("select count(*) from events.idempotency") == 1


@pytest.mark.parametrize("direction", ["answer", "request"])
async def test_a_keyed_command_whose_answer_was_lost_is_carried_out_once(store: Engine, direction: str) -> None:
    async with cut_off(store) as (group, cutter):
        one, stream = key(), new_stream()
        cutter.cut_next(direction)
        await group.append(uuid4(), [StreamAppend(stream, 0, events())], NOBODY, Keyed(one, ANSWER))
        assert cutter.cuts == 1
        assert await Answers(store.pool, "events").find(stream.tenant_id, one) == ANSWER
        assert len(await store.store.read_stream(stream)) == 1
        cutter.cut_next(direction)
        await group.append(uuid4(), [], NOBODY, Keyed(key(), Answer(204)), tenant_id=stream.tenant_id)


async def test_after_a_crash_before_the_answer_the_key_tells_what_was_done(own: Engine) -> None:
    """The client never heard; it sends again, with another command id, as any process would make it."""
    await own.sql("create function events.slow() returns trigger language plpgsql as "
                  "$$ begin perform pg_sleep(30); return null; end $$")  # fmt: skip
    await own.sql("create constraint trigger slow after insert on events.event deferrable initially deferred "
                  "for each row when (new.version = 2) execute function events.slow()")  # fmt: skip
    one, stream = key(), new_stream()
    command = [StreamAppend(stream, 0, events(2))]
    sending = asyncio.create_task(own.store.append(uuid4(), command, NOBODY, Keyed(one, ANSWER)))
    await eventually_true(lambda: own.sql("select 1 from pg_stat_activity where wait_event = 'PgSleep'"))
    with pytest.raises(KeyInFlight):
        await own.store.append(
            uuid4(), [StreamAppend(new_stream(stream.tenant_id), 0, events())], NOBODY, Keyed(one, ANSWER)
        )
    await own.sql("select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'")
    assert isinstance((await asyncio.gather(sending, return_exceptions=True))[0], Exception)
    await own.store.append(uuid4(), [StreamAppend(stream, 0, events())], NOBODY, Keyed(one, ANSWER))
    with pytest.raises(KeyAnswered):
        await own.store.append(uuid4(), [StreamAppend(stream, 1, events())], NOBODY, Keyed(one, ANSWER))
    assert len(await own.store.read_stream(stream)) == 1


async def test_answers_of_another_tenant_are_nobodys(store: Engine) -> None:
    one = key()
    stream = await send(store, one, new_stream())
    assert await Answers(store.pool, "events").find(uuid4(), one) is None
    async with await connect(store.dsn("command_api"), name="test") as connection, connection.transaction():
        await connection.execute("select set_config('app.tenant', %s, true)", (str(uuid4()),))
        cursor = await connection.execute("select 1 from events.idempotency where tenant_id = %s", (stream.tenant_id,))
        assert await cursor.fetchall() == []


async def test_the_same_command_again_is_a_duplicate_not_an_answer(store: Engine) -> None:
    one, command, stream = Keyed(key(), ANSWER), uuid4(), new_stream()
    await store.store.append(command, [StreamAppend(stream, 0, events())], NOBODY, one)
    with pytest.raises(DuplicateCommand):
        await store.store.append(command, [StreamAppend(stream, 0, events())], NOBODY, one)
