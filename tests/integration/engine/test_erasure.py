"""Redact and purge: the only exceptions of immutability, both recorded, and nobody else's."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import pytest_asyncio
from psycopg import sql

from command_api import operate
from command_api.operate import Act
from helpdesk import digests
from helpdesk.consumer.batch import StreamBatch
from helpdesk.events import Event
from helpdesk.events.operations import PLATFORM, TenantPurged
from helpdesk.events.tenant import TenantClosed, TenantCreated
from helpdesk.events.ticket import CommentAdded, TicketCreated, TicketRedacted, TicketResolved, TicketRetitled
from helpdesk.events.user import UserRegistered
from helpdesk.eventstore import erasure
from helpdesk.eventstore.erasure import NotErased
from helpdesk.eventstore.store import StreamAppend
from helpdesk.postgres.pool import Pool, connect, open_pool
from helpdesk.recorded import RecordedEvent, Stream
from integration.engine.rig import NOBODY, NOON, Engine, new_stream
from integration.engine.test_rls import LOGINS
from projector.subscribers import project

SECRET = "Jane's number is 0123-456"
ACT = Act("erasure_request", UUID(int=77))
AT_ONCE = timedelta(0)
ROW = "select data, metadata from events.event where stream_id = %s and version = %s"
UNTOUCHED = (
    "select version, xid, position, event_id, recorded_at from events.event where stream_id = %s and version = 1"
)


@pytest_asyncio.fixture
async def operator(store: Engine) -> AsyncIterator[Pool]:
    """As whom `migrate` runs."""
    async with open_pool(store.admin_dsn, name="operator", max_size=1) as pool:
        yield pool


def created(**fields: Any) -> TicketCreated:
    plain: dict[str, Any] = {
        "number": 1, "title": SECRET, "description": "d", "priority": "high", "metadata": {"z": 1e-300, "a": SECRET},
        "tags": (SECRET,), "by": UUID(int=5), "at": NOON}  # fmt: skip
    return TicketCreated(**plain | fields)


def retitled(title: str, previous: str) -> TicketRetitled:
    return TicketRetitled(title=title, previous=previous, by=UUID(int=5), at=NOON)


async def append(store: Engine, stream: Stream, *events: Event, version: int = 0) -> None:
    await store.store.append(uuid4(), [StreamAppend(stream, version, events)], NOBODY)


async def ticket(store: Engine, *events: Event, tenant: UUID | None = None) -> Stream:
    stream = new_stream(tenant, "ticket")
    await append(store, stream, *(events or [created(number=uuid4().int % 10**9)]))
    return stream


# --- redact -----------------------------------------------------------------------------------------------------------


async def test_a_redacted_field_is_empty_and_all_else_stands_as_it_stood(store: Engine, operator: Pool) -> None:
    stream = await ticket(store)
    ((before, _),) = await store.sql(ROW, stream.id, 1)
    place = await store.sql(UNTOUCHED, stream.id)
    await operate.redact(operator, stream, ACT)
    ((after, _),) = await store.sql(ROW, stream.id, 1)
    assert after == before | {"title": "", "description": "", "metadata": {}, "tags": []}
    assert list(after) == list(before)
    assert await store.sql(UNTOUCHED, stream.id) == place
    first, last = await store.store.read_stream(stream)
    assert isinstance(first.event, TicketCreated)
    assert last.redacts
    assert not first.redacts


async def test_a_redaction_is_recorded_in_the_stream_with_who_and_why(store: Engine, operator: Pool) -> None:
    stream = await ticket(store)
    await operate.redact(operator, stream, ACT, fields=["title", "tags"])
    first, last = await store.store.read_stream(stream)
    assert isinstance(last.event, TicketRedacted)
    assert last.event.event_id == first.event_id
    assert (last.event.fields, last.event.reason) == (("title", "tags"), "erasure_request")
    assert last.event.by == last.metadata.actor == ACT.by
    assert SECRET not in str(await store.sql(ROW, stream.id, 2))


async def test_digests_outlive_the_text_and_prove_a_kept_copy(store: Engine, operator: Pool) -> None:
    stream = await ticket(store)
    ((_, kept),) = await store.sql(ROW, stream.id, 1)
    await operate.redact(operator, stream, ACT, fields=["title"])
    ((_, left),) = await store.sql(ROW, stream.id, 1)
    assert "salt" not in left
    assert left["digests"] == kept["digests"]
    salt = bytes.fromhex(kept["salt"])
    assert digests.proves(left, salt, "title", SECRET)
    assert digests.proves(left, salt, "metadata", {"a": SECRET, "z": 1e-300})
    assert not digests.proves(left, salt, "title", "Jane's number is 0123-457")


async def test_one_event_or_one_field_can_be_meant(store: Engine, operator: Pool) -> None:
    stream = await ticket(store, created(number=1001), retitled("b", SECRET), retitled("c", "b"))
    _, second, _ = await store.store.read_stream(stream)
    await operate.redact(operator, stream, ACT, events=[second.event_id], fields=["previous"])
    first, second, third, _ = await store.store.read_stream(stream)
    assert isinstance(first.event, TicketCreated)
    assert first.event.title == SECRET
    assert second.event == retitled("b", "")
    assert third.event == retitled("c", "b")


async def test_a_second_redaction_finds_what_the_first_left(store: Engine, operator: Pool) -> None:
    stream = await ticket(store)
    await operate.redact(operator, stream, ACT, fields=["title"])
    await operate.redact(operator, stream, ACT)
    assert "nothing of this is left" in await operate.redact(operator, stream, ACT)
    assert [one.type for one in await store.store.read_stream(stream)] == ["ticket.created", *["ticket.redacted"] * 2]


async def test_somebody_who_writes_meanwhile_only_makes_it_try_again(
    store: Engine, operator: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = await ticket(store)
    whole = erasure.redactions

    def slow(history: Sequence[RecordedEvent], **wanted: Any) -> list[erasure.Redaction]:
        """The first time, somebody is faster between reading and appending."""
        if len(history) == 1:
            with psycopg.connect(store.admin_dsn, autocommit=True) as connection:
                connection.execute(
                    """insert into events.event (tenant_id, stream_type, stream_id, version, shard, event_id, ordinal,
                                                 remaining, type, schema_version, data, metadata)
                       select tenant_id, stream_type, stream_id, 2, shard, gen_random_uuid(), 1, 0, 'ticket.started', 1,
                              '{"previous": "open", "by": "00000000-0000-0000-0000-000000000005",
                                "at": "2026-01-01T12:00:00Z"}', '{}'
                       from events.event where stream_id = %s""",
                    (stream.id,),
                )
        return whole(history, **wanted)

    monkeypatch.setattr(erasure, "redactions", slow)
    await operate.redact(operator, stream, ACT)
    history = await store.store.read_stream(stream)
    assert [one.type for one in history] == ["ticket.created", "ticket.started", "ticket.redacted"]
    assert SECRET not in str(await store.sql(ROW, stream.id, 1))


async def test_an_event_from_before_there_were_digests_is_redacted_too(store: Engine, operator: Pool) -> None:
    stream = await ticket(store)
    async with await connect(store.admin_dsn, name="test") as connection:
        await connection.execute("alter table events.event disable trigger event_is_immutable")
        await connection.execute("update events.event set metadata = '{}' where stream_id = %s", (stream.id,))
        await connection.execute("alter table events.event enable trigger event_is_immutable")
    await operate.redact(operator, stream, ACT)
    ((data, _),) = await store.sql(ROW, stream.id, 1)
    assert SECRET not in str(data)


@pytest.mark.parametrize(
    ("events", "fields", "sentence"),
    [
        ([uuid4()], [], "the stream has no event"),
        ([], ["number"], "number is no personal field"),
        ([], ["nothing"], "nothing is no personal field"),
    ],
)
async def test_what_is_no_personal_field_is_refused_in_a_sentence(
    store: Engine, operator: Pool, events: list[UUID], fields: list[str], sentence: str
) -> None:
    stream = await ticket(store)
    with pytest.raises(NotErased, match=sentence):
        await operate.redact(operator, stream, ACT, events=events, fields=fields)
    assert len(await store.store.read_stream(stream)) == 1


@pytest.mark.parametrize("field", ["number", "priority", "by", "nothing"])
async def test_the_database_itself_redacts_no_field_without_a_mark(store: Engine, operator: Pool, field: str) -> None:
    stream = await ticket(store)
    (one,) = await store.store.read_stream(stream)
    wanted = TicketRedacted(event_id=one.event_id, fields=(field,), reason="mistake", by=ACT.by, at=NOON)
    with pytest.raises(NotErased, match="no personal field"):
        await erasure.redact(operator, "events", stream, 1, [wanted], NOBODY)
    assert len(await store.store.read_stream(stream)) == 1


async def test_what_is_not_recorded_in_the_same_transaction_is_not_redacted(store: Engine, operator: Pool) -> None:
    stream = await ticket(store)
    (one,) = await store.store.read_stream(stream)
    call = "select events.redact(%s, 'ticket', %s, %s, %s)"
    recorded = TicketRedacted(event_id=one.event_id, fields=("tags",), reason="mistake", by=ACT.by, at=NOON)
    await append(store, stream, recorded, version=1)
    for fields in (["title"], ["tags"], ["tags", "title"]):
        with pytest.raises(psycopg.Error) as refused:
            await store.sql(call, stream.tenant_id, stream.id, one.event_id, fields)
        assert refused.value.sqlstate == "HD031"
    ((data, _),) = await store.sql(ROW, stream.id, 1)
    assert (data["title"], data["tags"]) == (SECRET, [SECRET])


async def test_answers_that_were_kept_for_idempotency_keys_lose_their_bodies(store: Engine, operator: Pool) -> None:
    stream = await ticket(store)
    insert = """
        insert into events.idempotency (tenant_id, principal, method, path, key, command_id, fingerprint, status, body,
                                        expires_at)
        values (%s, 'p', 'POST', '/tickets', %s, %s, '', 201, %s, now() + interval '1 day')"""
    for tenant in (stream.tenant_id, other := uuid4()):
        await store.sql(insert, tenant, str(uuid4()), uuid4(), SECRET.encode())
    await operate.redact(operator, stream, ACT)
    body = "select body from events.idempotency where tenant_id = %s"
    assert await store.value(body, stream.tenant_id) is None
    assert await store.value(body, other) == SECRET.encode()


async def test_a_redacted_account_is_gone_from_the_private_rows(store: Engine, operator: Pool) -> None:
    tenant, address = uuid4(), f"{uuid4().hex}@example.com"
    stream = new_stream(tenant, "user")
    await append(store, stream, UserRegistered(email=address, name="Jane", role="USER", by=stream.id, at=NOON))
    await store.sql("insert into events.tenant values (%s, %s, 'x', '{}')", tenant, uuid4().hex)
    await store.sql(
        "insert into events.person values (%s, %s, %s, 'Jane', 'USER', true, now(), now(), now(), 1)",
        tenant, stream.id, address)  # fmt: skip
    await store.sql("insert into events.credential values (%s, %s, %s, 'hash')", tenant, stream.id, address)
    logins = "select count(*) from events.logins_by_address(%s)"
    assert await store.value(logins, address) == 1
    await operate.redact(operator, stream, ACT)
    assert await store.value(logins, address) == 0
    assert await store.sql("select email, name from events.person where id = %s", stream.id) == [("", "")]


# --- who may not ------------------------------------------------------------------------------------------------------

ATTEMPTS = (
    "update events.event set data = '{}'",
    "delete from events.event",
    "truncate events.event",
    "select events.redact(gen_random_uuid(), 'ticket', gen_random_uuid(), gen_random_uuid(), '{title}')",
    "select events.purge(gen_random_uuid(), '0 days')",
    "select events.forget_events(gen_random_uuid())",
    "set role events_redactor",
    "set role events_operator",
    "alter table events.event disable trigger all",
)


@pytest.mark.parametrize("login", LOGINS)
async def test_no_service_changes_redacts_or_purges(store: Engine, login: str) -> None:
    async with await connect(store.dsn(login), name="test") as connection:
        for attempt in ATTEMPTS:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await connection.execute(attempt.encode())


async def test_nobody_is_a_member_of_the_redactor_and_it_cannot_log_in(store: Engine) -> None:
    assert not await store.value("select rolcanlogin or rolsuper from pg_roles where rolname = 'events_redactor'")
    members = "select count(*) from pg_auth_members where roleid = 'events_redactor'::regrole and set_option"
    assert await store.value(members) == 0
    assert await store.value("select count(*) from pg_auth_members where roleid = 'events_operator'::regrole") == 0


async def test_history_is_refused_to_its_owner_too(store: Engine) -> None:
    stream = await ticket(store)
    for attempt in ("update events.event set data = '{}' where stream_id = %s",
                    "delete from events.event where stream_id = %s"):  # fmt: skip
        with pytest.raises(psycopg.Error) as refused:
            await store.sql(attempt, stream.id)
        assert refused.value.sqlstate == "HD004"


@pytest.mark.parametrize("change", ["version = 9", "type = 'ticket.sung_about'", "recorded_at = now()", "xid = '1'"])
async def test_even_the_redactor_changes_nothing_but_data_and_metadata(store: Engine, change: str) -> None:
    stream = await ticket(store)
    async with await connect(store.admin_dsn, name="test") as connection, connection.transaction(force_rollback=True):
        await connection.execute("grant update on events.event to events_redactor")
        await connection.execute("set local role events_redactor")
        await connection.execute("select set_config('app.tenant', %s, true)", (str(stream.tenant_id),))
        with pytest.raises(psycopg.Error) as refused:
            await connection.execute(
                sql.SQL("update events.event set {} where stream_id = {}").format(sql.SQL(change), stream.id)
            )
        assert refused.value.sqlstate == "HD004"


# --- purge ------------------------------------------------------------------------------------------------------------


async def tenant(store: Engine, tickets: int = 3) -> UUID:
    """With some history, private rows and an account."""
    id_ = uuid4()
    begun = TenantCreated(name=SECRET, slug=id_.hex, settings={}, by=ACT.by, at=NOON)
    await append(store, Stream(id_, "tenant", id_), begun)
    await store.sql("insert into events.tenant values (%s, %s, %s, '{}')", id_, id_.hex, SECRET)
    await store.sql("insert into events.credential values (%s, %s, %s, 'hash')", id_, uuid4(), f"{id_.hex}@x.org")
    await store.sql("insert into events.refresh_token values (%s, %s, %s, now(), now())", id_.bytes, id_, uuid4())
    for number in range(tickets):
        comment = CommentAdded(comment_id=uuid4(), content=SECRET, is_internal=False, by=ACT.by, at=NOON)
        await ticket(store, created(number=number), comment, tenant=id_)
    return id_


async def rows_of(store: Engine, tenant_id: UUID) -> dict[str, int]:
    """How many rows every table of the events' schema has of a tenant."""
    tables = await store.sql(
        """select c.oid::regclass::text from pg_class c join pg_attribute a on a.attrelid = c.oid
           where c.relnamespace = 'events'::regnamespace and c.relkind = 'r' and a.attname = 'tenant_id'"""
    )
    return {
        name: await store.value(f"select count(*) from {name} where tenant_id = %s", tenant_id) for (name,) in tables
    }


async def test_a_closed_tenant_lets_nobody_in_and_says_so_once(store: Engine, operator: Pool) -> None:
    id_ = await tenant(store)
    await operate.close_tenant(operator, id_, ACT)
    assert "already" in await operate.close_tenant(operator, id_, ACT)
    history = [one.event for one in await store.store.read_stream(Stream(id_, "tenant", id_))]
    assert [type(event) for event in history] == [TenantCreated, TenantClosed]
    assert await store.value("select count(*) from events.logins_by_address(%s)", f"{id_.hex}@x.org") == 0
    assert await store.value("select count(*) from events.refresh_token where tenant_id = %s", id_) == 0
    assert await store.value("select count(*) from events.tenant_by_slug_or_id(null, %s)", id_) == 0
    assert await store.value("select slug from events.tenant where tenant_id = %s", id_) == f"~{id_}"


async def test_a_purge_leaves_no_row_of_the_tenant_and_one_record_of_itself(store: Engine, operator: Pool) -> None:
    id_, other = await tenant(store), await tenant(store)
    beside = await rows_of(store, other)
    await operate.close_tenant(operator, id_, ACT)
    await operate.purge(operator, id_, ACT, AT_ONCE)
    assert set((await rows_of(store, id_)).values()) == {0}
    assert await rows_of(store, other) == beside
    (record,) = await store.store.read_stream(Stream(PLATFORM, "platform", id_))
    assert isinstance(record.event, TenantPurged)
    assert (record.event.tenant_id, record.event.reason, record.event.by) == (id_, ACT.reason, ACT.by)


async def test_what_was_closed_long_enough_ago_is_purged_and_nothing_else(store: Engine, operator: Pool) -> None:
    closed, living = await tenant(store), await tenant(store)
    await operate.close_tenant(operator, closed, ACT)
    assert await operate.purge_due(operator, ACT) == "no tenant is due"
    assert f"tenant {closed} is purged" in await operate.purge_due(operator, ACT, AT_ONCE)
    assert set((await rows_of(store, closed)).values()) == {0}
    assert sum((await rows_of(store, living)).values()) > 0


async def test_a_purge_goes_in_slices_and_can_be_broken_off(
    store: Engine, operator: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = await tenant(store, tickets=20)
    await operate.close_tenant(operator, id_, ACT)
    before = sum((await rows_of(store, id_)).values())
    record = TenantPurged(tenant_id=id_, reason="mistake", by=ACT.by, at=NOON)
    async with operator.connection() as connection, connection.transaction():
        stream = Stream(PLATFORM, "platform", id_)
        await store.store.append_in(connection, uuid4(), [StreamAppend(stream, 0, [record])], NOBODY)
        await connection.execute("select events.purge(%s, '0 days', 7)", (id_,))
    left = sum((await rows_of(store, id_)).values())
    assert 0 < left == before - 7
    assert (
        await store.value("select count(*) from events.event where tenant_id = %s and stream_type = 'tenant'", id_) == 2
    )
    await operate.purge(operator, id_, ACT, AT_ONCE)
    assert set((await rows_of(store, id_)).values()) == {0}


async def test_what_came_after_a_purge_is_purged_again(store: Engine, operator: Pool) -> None:
    """By a token that had not expired yet."""
    id_ = await tenant(store)
    await operate.close_tenant(operator, id_, ACT)
    await operate.purge(operator, id_, ACT, AT_ONCE)
    await ticket(store, tenant=id_)
    await operate.purge(operator, id_, ACT, AT_ONCE)
    assert set((await rows_of(store, id_)).values()) == {0}


async def test_a_tenant_that_is_not_closed_for_long_enough_is_not_purged(store: Engine, operator: Pool) -> None:
    id_ = await tenant(store)
    before = await rows_of(store, id_)
    with pytest.raises(NotErased, match="not closed"):
        await operate.purge(operator, id_, ACT, AT_ONCE)
    await operate.close_tenant(operator, id_, ACT)
    with pytest.raises(NotErased, match="may be purged from"):
        await operate.purge(operator, id_, ACT)
    with pytest.raises(NotErased, match="not closed"):
        await operate.purge(operator, uuid4(), ACT, AT_ONCE)
    with pytest.raises(NotErased, match="not closed"):
        await operate.purge(operator, PLATFORM, ACT, AT_ONCE)
    assert (await rows_of(store, id_))["events.event"] == before["events.event"] + 1
    assert await store.store.read_stream(Stream(PLATFORM, "platform", id_)) == []


async def test_what_is_not_recorded_is_not_purged(store: Engine, operator: Pool) -> None:
    id_ = await tenant(store)
    await operate.close_tenant(operator, id_, ACT)
    with pytest.raises(psycopg.Error) as refused:
        await store.sql("select events.purge(%s, '0 days')", id_)
    assert refused.value.sqlstate == "HD031"


async def test_a_login_of_an_operator_is_enough_for_all_three(store: Engine) -> None:
    """Nobody needs to be superuser, or the owner, in order to destroy."""
    id_ = await tenant(store)
    await store.sql("create role an_operator login password 'operate' in role events_operator")
    dsn = psycopg.conninfo.make_conninfo(store.admin_dsn, user="an_operator", password="operate")
    person, address = new_stream(id_, "user"), f"{uuid4().hex}@example.com"
    registered = UserRegistered(email=address, name="Jane", role="USER", by=person.id, at=NOON)
    await append(store, person, registered)
    try:
        async with open_pool(dsn, name="operator", max_size=1) as pool:
            await operate.redact(pool, await ticket(store, tenant=id_), ACT)
            await operate.redact(pool, person, ACT)
            await operate.close_tenant(pool, id_, ACT)
            await operate.purge(pool, id_, ACT, AT_ONCE)
    finally:
        await store.sql("drop role an_operator")
    assert set((await rows_of(store, id_)).values()) == {0}


# --- what readers make of a purge -------------------------------------------------------------------------------------


async def batch(store: Engine, stream: Stream, first: int = 1) -> StreamBatch:
    return StreamBatch(stream, first - 1, await store.store.read_stream(stream, first - 1))


async def test_the_views_forget_a_purged_tenant_and_pass_over_what_still_comes_of_it(
    store: Engine, operator: Pool
) -> None:
    id_, other = await tenant(store, tickets=0), uuid4()
    seen, late, beside = [await ticket(store, created(number=n), tenant=of) for n, of in enumerate((id_, id_, other))]
    told = [await batch(store, one) for one in (seen, late, beside)]
    count = "select count(*) from views.tickets where tenant_id = %s"
    async with open_pool(store.dsn("projector"), name="test", max_size=1) as pool:

        async def apply(*batches: StreamBatch) -> None:
            async with pool.connection() as connection, connection.transaction():
                await project(connection, batches)

        await apply(told[0], told[2])
        assert await store.value(count, id_) == 1
        await operate.close_tenant(operator, id_, ACT)
        await operate.purge(operator, id_, ACT, AT_ONCE)
        await apply(await batch(store, Stream(PLATFORM, "platform", id_)))
        assert await store.value(count, id_) == 0
        await apply(told[1])
        assert await store.value(count, id_) == 0
        assert await store.value(count, other) == 1


# --- the command line -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "redact --tenant {id} --stream ticket/{id}",
        "redact --tenant {id} --stream ticket/{id} --reason because",
        "redact --tenant {id} --stream tenant/{id} --reason mistake",
        "redact --tenant {id} --stream ticket/7 --reason mistake",
        "redact --tenant acme --stream ticket/{id} --reason mistake",
        "purge --tenant {id}",
        "close-tenant --reason mistake",
    ],
)
def test_the_command_line_wants_a_reason_and_ids(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        operate.arguments().parse_args(line.format(id=UUID(int=1)).split())
    assert refused.value.code == 2
    assert "usage: python -m command_api" in capsys.readouterr().err


def test_resolutions_and_the_like_are_no_personal_fields() -> None:
    event = TicketResolved(resolution="solved", previous="open", by=ACT.by, at=NOON)
    assert digests.commitments(event) == {}
