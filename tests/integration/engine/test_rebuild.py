"""Rebuild (design §8): beside the live views, compared with them, switched at once, found again after any kill."""

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import pytest_asyncio
from psycopg import sql

import projector.app
from helpdesk.events.operations import TenantPurged
from helpdesk.events.ticket import TicketCreated, TicketRetitled
from helpdesk.eventstore.store import StreamAppend
from helpdesk.recorded import Stream
from integration.engine.rig import NOBODY, NOON, Engine, engine, eventually_true, relaying
from localstack.stack import Servers
from projector.rebuild import switch
from projector.rebuild.build import Databases
from projector.rebuild.fold import VIEWS
from projector.rebuild.run import main
from projector.settings import ProjectorSettings
from support.history import copied

TENANT = UUID(int=21)
EVENTS = 1_500
KEPT = {
    "migration",
    "stream_guard",
    "progress",
    "rebuild",
    "rebuild_chunk",
    "parked",
    "unreadable_record",
    "purged_tenant",
}
"""What is no read model: a rebuild leaves it, or (the guard) brings its own."""
BEHIND = """
select count(*)
from (select tenant_id, stream_type, stream_id, max(version) as version from events.event group by 1, 2, 3) e
left join views.stream_guard g using (tenant_id, stream_type, stream_id) where e.version is distinct from g.version"""
CONTENT = """
select (select coalesce(sum(hashtextextended(t::text, 0)), 0) from views.tickets t),
       (select coalesce(sum(hashtextextended(t::text, 0)), 0) from views.comments t),
       (select coalesce(sum(hashtextextended(t::text, 0)), 0) from views.attachments t),
       (select coalesce(sum(hashtextextended(t::text, 0)), 0) from views.activities t),
       (select coalesce(sum(hashtextextended(t::text, 0)), 0) from views.people t),
       (select coalesce(sum(hashtextextended(t::text, 0)), 0) from views.tenants t),
       (select coalesce(sum(hashtextextended(t::text, 0)), 0) from views.stream_guard t)"""
CATALOGUE = """
select c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relowner::regrole::text, c.relkind::text,
       (select array_agg(a::text order by a::text) from unnest(c.relacl) a),
       (select array_agg((a.attname, a.atttypid::regtype, a.attnotnull, a.attacl)::text order by attnum)
        from pg_attribute a where a.attrelid = c.oid and attnum > 0 and not attisdropped),
       (select array_agg((p.policyname, p.permissive, p.roles, p.cmd, p.qual, p.with_check)::text order by policyname)
        from pg_policies p where p.schemaname = 'views' and p.tablename = c.relname),
       (select array_agg(d order by d) from pg_index, pg_get_indexdef(indexrelid) d where indrelid = c.oid),
       (select array_agg((conname, contype, pg_get_constraintdef(oid))::text order by conname)
        from pg_constraint where conrelid = c.oid)
from pg_class c where c.relnamespace = 'views'::regnamespace and c.relkind in ('r', 'i')
  and c.relname not like 'rebuild%%' and c.relname not like '%%\\_\\_former' order by c.relname"""


async def projected(one: Engine, within_s: float = 60) -> None:
    await eventually_true(lambda: _caught_up(one), timeout_s=within_s)


async def _caught_up(one: Engine) -> bool:
    return bool(await one.value(BEHIND) == 0)


@asynccontextmanager
async def projecting(one: Engine) -> AsyncIterator[None]:
    """Relay and projector as they are deployed, for as long as the block."""
    settings = ProjectorSettings.model_validate({name.lower(): value for name, value in one.variables.items()})
    async with relaying(one), projector.app.subscriber(settings) as (consumer, *_):
        task = asyncio.create_task(consumer.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest_asyncio.fixture(scope="module")
async def lived(servers: Servers) -> AsyncIterator[Engine]:
    """A history that the projector has applied."""
    async with engine(servers) as one:
        copied(one.admin_dsn, TENANT, EVENTS)
        async with projecting(one):
            await projected(one)
        yield one


@pytest.fixture
def rebuilt(lived: Engine) -> Iterator[Engine]:
    """Nothing is left of a rebuild afterwards."""
    yield lived
    for argv in (["--drop-former"], ["--discard"]):
        main(databases(lived), argv, lambda _: None)


def databases(one: Engine) -> Databases:
    return Databases(one.admin_dsn, one.dsn("projector_events"))


async def rebuild(one: Engine, *argv: str) -> tuple[int, str]:
    """Its exit code, and what it said."""
    said: list[str] = []
    words = [*argv, "--workers", "1", "--chunk-events", "400"]
    code = await asyncio.to_thread(main, databases(one), words, said.append)
    return code, "\n".join(said)


async def content(one: Engine) -> tuple[Any, ...]:
    (row,) = await one.sql(CONTENT)
    return row


async def retitle(one: Engine, count: int = 1) -> list[Stream]:
    """One more event on some tickets."""
    rows = await one.sql(
        "select stream_id, max(version) from events.event where tenant_id = %s and stream_type = 'ticket' "
        "group by 1 order by 1 limit %s",
        TENANT,
        count,
    )
    for id_, version in rows:
        event = TicketRetitled(title=f"Retitled at {version}", previous="?", by=uuid4(), at=NOON)
        await one.store.append(uuid4(), [StreamAppend(Stream(TENANT, "ticket", id_), version, [event])], NOBODY)
    return [Stream(TENANT, "ticket", id_) for id_, _ in rows]


# --- what it does -----------------------------------------------------------------------------------------------------


async def test_every_read_model_can_be_rebuilt(lived: Engine) -> None:
    rows = await lived.sql("select tablename from pg_tables where schemaname = 'views'")
    assert {name for (name,) in rows} - KEPT == {view.name for view in VIEWS}


async def test_a_rebuild_of_what_is_right_changes_nothing_but_the_tables(rebuilt: Engine) -> None:
    before, oid = await content(rebuilt), await rebuilt.value("select 'views.tickets'::regclass::oid")
    code, said = await rebuild(rebuilt)
    assert (code, "checksums agree" in said) == (0, True), said
    assert await content(rebuilt) == before
    assert await rebuilt.value("select 'views.tickets'::regclass::oid") != oid


async def test_rights_policies_keys_and_indexes_are_the_same_after_a_switch_and_after_going_back(
    rebuilt: Engine,
) -> None:
    before = await rebuilt.sql(CATALOGUE)
    assert len(before) > 10
    assert (await rebuild(rebuilt))[0] == 0
    assert await rebuilt.sql(CATALOGUE) == before
    assert (await rebuild(rebuilt, "--rollback"))[0] == 0
    assert await rebuilt.sql(CATALOGUE) == before


async def test_the_tables_beside_are_nobodys_but_the_owners(rebuilt: Engine) -> None:
    assert (await rebuild(rebuilt))[0] == 0
    async with await psycopg.AsyncConnection.connect(rebuilt.dsn("query_api")) as reader:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await reader.execute("select from views.tickets__former")
    rows = await rebuilt.sql(
        "select relrowsecurity from pg_class where relname like '%%\\_\\_former' and relkind = 'r'"
    )
    assert rows == [(True,)] * (len(VIEWS) + 1)


async def test_one_view_alone_is_rebuilt_and_the_guard_stays(rebuilt: Engine) -> None:
    tables = ("tickets", "comments", "stream_guard")
    before = [await rebuilt.value("select %s::regclass::oid", f"views.{name}") for name in tables]
    wrong = await content(rebuilt)
    code, said = await rebuild(rebuilt, "comments")
    assert code == 0, said
    after = [await rebuilt.value("select %s::regclass::oid", f"views.{name}") for name in tables]
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, True]
    assert await content(rebuilt) == wrong


async def test_live_rows_that_are_wrong_stop_the_switch_and_are_mended_when_that_is_accepted(rebuilt: Engine) -> None:
    right = await content(rebuilt)
    (wrong, gone, orphan) = [id_ for (id_,) in await rebuilt.sql("select id from views.tickets order by id limit 3")]
    await rebuilt.sql("update views.tickets set title = 'corrupted' where id = %s", wrong)
    await rebuilt.sql("delete from views.comments where ticket_id = %s", gone)
    await rebuilt.sql(
        "insert into views.activities select tenant_id, ticket_id, 99, id, type, changes, false, actor_id, created_at "
        "from views.activities where ticket_id = %s and version = 1", orphan
    )  # fmt: skip
    code, said = await rebuild(rebuilt)
    assert code == 1
    assert f"views.tickets: 1 rows differ from the events: {TENANT}/{wrong} (different)" in said
    assert f"views.comments: 1 rows differ from the events: {TENANT}/{gone}/" in said
    assert f"{TENANT}/{orphan}/99 (without events)" in said
    assert await content(rebuilt) != right
    assert (await rebuild(rebuilt, "--accept-differences"))[0] == 0
    assert await content(rebuilt) == right


async def test_what_the_projector_has_not_applied_is_not_in_the_new_views_either(rebuilt: Engine) -> None:
    await retitle(rebuilt, 3)
    before = await content(rebuilt)
    code, said = await rebuild(rebuilt)
    assert (code, await content(rebuilt)) == (0, before), said
    async with projecting(rebuilt):
        await projected(rebuilt)
    assert await content(rebuilt) != before


async def test_going_back_brings_what_happened_since(rebuilt: Engine) -> None:
    assert (await rebuild(rebuilt))[0] == 0
    async with projecting(rebuilt):
        await retitle(rebuilt, 5)
        await projected(rebuilt)
        after = await content(rebuilt)
        code, said = await rebuild(rebuilt, "--rollback")
        assert (code, await content(rebuilt)) == (0, after), said
        assert "rolled back" in (await rebuild(rebuilt, "--status"))[1]
        await retitle(rebuilt, 2)
        await projected(rebuilt)
    assert (await rebuild(rebuilt))[0] == 1, "the former tables still stand"
    assert await rebuild(rebuilt, "--drop-former") == (0, "the tables that were not live are removed")
    code, said = await rebuild(rebuilt)
    assert "checksums agree" in said
    assert "rolled back" not in (await rebuild(rebuilt, "--status"))[1]


async def test_nothing_of_a_purged_tenant_comes_back(rebuilt: Engine) -> None:
    tenant = uuid4()
    copied(rebuilt.admin_dsn, tenant, 50)
    async with projecting(rebuilt):
        await projected(rebuilt)
        assert await rebuilt.value("select count(*) from views.tickets where tenant_id = %s", tenant) == 10
        assert (await rebuild(rebuilt))[0] == 0
        purged = TenantPurged(tenant_id=tenant, reason="test", by=uuid4(), at=NOON)
        stream = Stream(UUID(int=0), "platform", tenant)
        await rebuilt.store.append(uuid4(), [StreamAppend(stream, 0, [purged])], NOBODY)
        await projected(rebuilt)
        assert (await rebuild(rebuilt, "--rollback"))[0] == 0
        assert await rebuilt.value("select count(*) from views.tickets where tenant_id = %s", tenant) == 0
    assert (await rebuild(rebuilt, "--drop-former"))[0] == 0
    code, said = await rebuild(rebuilt)
    assert (code, "checksums agree" in said) == (0, True), said
    assert await rebuilt.value("select count(*) from views.tickets where tenant_id = %s", tenant) == 0


async def test_a_store_that_ends_before_the_views_is_refused(rebuilt: Engine) -> None:
    (stream,) = await retitle(rebuilt)
    guard = "update views.stream_guard set version = version + %s where stream_id = %s"
    await rebuilt.sql(guard, 5, stream.id)
    code, said = await rebuild(rebuilt)
    assert code == 1, said
    await rebuilt.sql(guard, -5, stream.id)
    code, said = await rebuild(rebuilt)
    assert (code, "checksums agree" in said) == (0, True), said


# --- while others work ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Reader:
    """Reads as query-api does: within the tenant, by statements that are prepared."""

    dsn: str
    stream: Stream
    reads: int = 0
    versions: list[int] = field(default_factory=list)
    slowest_s: float = 0.0

    async def run(self) -> None:
        async with await psycopg.AsyncConnection.connect(self.dsn, autocommit=True) as connection:
            await connection.execute("select set_config('app.tenant', %s, false)", (str(TENANT),))
            clock = asyncio.get_running_loop().time
            while True:
                began = clock()
                cursor = await connection.execute(
                    "select t.version, (select count(*) from views.tickets) from views.tickets t where id = %s",
                    (self.stream.id,),
                    prepare=True,
                )
                ((version, count),) = await cursor.fetchall()
                self.slowest_s = max(self.slowest_s, clock() - began)
                assert version >= (self.versions or [0])[-1], "a read went back in time"
                assert count >= EVENTS // 5
                self.versions.append(version)
                self.reads += 1


@asynccontextmanager
async def beside(task: Any) -> AsyncIterator[None]:
    """It runs for as long as the block, and must not have failed."""
    running = asyncio.create_task(task)
    try:
        yield
        if running.done():
            running.result()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def _writing(one: Engine, streams: list[Stream]) -> None:
    numbers = itertools.count(2**30 + uuid4().int % 2**29)  # beyond those of the history
    while True:
        for stream in streams:
            version = await one.value("select max(version) from events.event where stream_id = %s", stream.id)
            event = TicketRetitled(title=f"Title {version}", previous="?", by=uuid4(), at=NOON)
            new = Stream(TENANT, "ticket", uuid4())
            created = TicketCreated(next(numbers), "New", "", "low", None, (), uuid4(), NOON)
            await one.store.append(uuid4(), [StreamAppend(stream, version, [event])], NOBODY)
            await one.store.append(uuid4(), [StreamAppend(new, 0, [created])], NOBODY)


async def test_rebuilds_while_writes_go_on_agree_and_reads_neither_fail_nor_go_back(rebuilt: Engine) -> None:
    streams = await retitle(rebuilt, 4)
    async with projecting(rebuilt):
        await projected(rebuilt)
        reader = Reader(rebuilt.dsn("query_api"), streams[0])
        async with beside(reader.run()), beside(_writing(rebuilt, streams)):
            for argv in ([], ["--rollback"], ["--rollback"], ["--drop-former"], ["tickets"], ["--rollback"]):
                code, said = await rebuild(rebuilt, *argv)
                assert code == 0, said
                assert "differ" not in said
        await projected(rebuilt)
    assert reader.reads > 100
    assert reader.versions[-1] > reader.versions[0] + 5
    assert reader.slowest_s < 2
    assert (await rebuild(rebuilt, "--drop-former"))[0] == 0
    code, said = await rebuild(rebuilt)
    assert (code, "checksums agree" in said) == (0, True), said


async def test_a_switch_gives_way_to_whoever_reads_for_long(rebuilt: Engine) -> None:
    async with projecting(rebuilt):
        with _holding(rebuilt, "lock table views.tenants in access share mode") as release:
            running = asyncio.create_task(rebuild(rebuilt))
            await eventually_true(lambda: _step(rebuilt, "compare"), timeout_s=30)
            await asyncio.sleep(1)  # long enough for several tries
            await retitle(rebuilt, 1)
            await projected(rebuilt)  # the projector is not kept waiting
            assert not running.done()
            release()
            code, said = await running
    assert code == 0, said
    assert "somebody reads" in said


async def test_a_switch_does_not_wait_for_an_automatic_vacuum(rebuilt: Engine) -> None:
    """It may take hours, and would begin anew after each try."""
    await rebuilt.sql(
        "alter table views.tickets set (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0, "
        "autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)"
    )
    await rebuilt.sql("alter system set autovacuum_naptime = 1")
    await rebuilt.sql("select pg_reload_conf()")
    try:
        async with projecting(rebuilt):
            await retitle(rebuilt, 50)
            await projected(rebuilt)
        await eventually_true(lambda: _vacuuming(rebuilt), timeout_s=60)
        # The table is to look like any other; to change it the usual way would itself end the vacuum.
        await rebuilt.sql("update pg_class set reloptions = null where oid = 'views.tickets'::regclass")
        code, said = await rebuild(rebuilt)
    finally:
        await rebuilt.sql("alter system reset autovacuum_naptime")
        await rebuilt.sql("select pg_reload_conf()")
    assert code == 0, said
    assert "switched at try 1:" in said


async def _vacuuming(one: Engine) -> bool:
    return bool(
        await one.value(
            "select exists (select from pg_stat_activity where datname = current_database() "
            "and backend_type = 'autovacuum worker' and query like 'autovacuum: VACUUM %views.tickets%')"
        )
    )


async def test_a_read_that_has_entered_gets_on_while_a_switch_waits_for_it(rebuilt: Engine) -> None:
    waiting = "select exists (select from pg_locks l join pg_stat_activity a using (pid) where not l.granted "
    waiting += "and a.application_name = 'rebuild')"
    with psycopg.connect(rebuilt.admin_dsn) as reader:
        reader.execute("set lock_timeout = '100ms'")
        for table in ("tenants", "people"):
            reader.execute(sql.SQL("select from views.{} limit 1").format(sql.Identifier(table)))
        running = asyncio.create_task(rebuild(rebuilt))
        await eventually_true(lambda: rebuilt.value(waiting), timeout_s=30)
        reader.execute("select from views.tickets limit 1")
        reader.rollback()
        code, said = await running
    assert code == 0, said


async def test_what_moves_while_a_switch_gives_way_is_compared_before_the_projector_has_to_wait(
    rebuilt: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switch, "UNCHECKED_STREAMS", 5)
    async with projecting(rebuilt):
        with _holding(rebuilt, "lock table views.tenants in access share mode") as release:
            said: list[str] = []
            running = asyncio.create_task(asyncio.to_thread(main, databases(rebuilt), ["--workers", "1"], said.append))

            async def gave_way() -> bool:
                return any("somebody reads" in line for line in said)

            await eventually_true(gave_way, timeout_s=30)
            before = len(said)
            await retitle(rebuilt, 20)
            await projected(rebuilt)
            release()
            assert await running == 0, said
    assert "compare: tickets" in said[before:]


async def test_what_goes_wrong_between_comparison_and_switch_stops_the_switch(rebuilt: Engine) -> None:
    (stream,) = await retitle(rebuilt)
    async with projecting(rebuilt):
        await projected(rebuilt)
        with _holding(rebuilt, "lock table views.tenants in access share mode") as release:
            running = asyncio.create_task(rebuild(rebuilt))
            await eventually_true(lambda: _step(rebuilt, "compare"), timeout_s=30)
            await eventually_true(lambda: rebuilt.value(WAITS), timeout_s=30)  # it has compared, and wants to switch
            await retitle(rebuilt)
            await projected(rebuilt)
            await rebuilt.sql("update views.tickets set description = 'corrupted' where id = %s", stream.id)
            release()
            code, said = await running
    assert (code, f"{stream.id} (different)" in said) == (1, True), said
    assert (await rebuild(rebuilt, "--accept-differences"))[0] == 0


async def _step(one: Engine, step: str) -> bool:
    return bool(await one.value("select count(*) from views.rebuild where step = %s", step))


@contextmanager
def _holding(one: Engine, statement: str) -> Iterator[Any]:
    """A transaction of somebody else's that holds a lock until `release` or the block's end."""
    with psycopg.connect(one.admin_dsn) as connection:
        connection.execute(statement)
        yield connection.rollback
        connection.rollback()


# --- killed -----------------------------------------------------------------------------------------------------------

WAITS = """
select count(*) from pg_stat_activity
where datname = current_database() and application_name like 'rebuild%%' and wait_event_type = 'Lock'"""
STEPS = {
    "in the middle of a chunk": ("views.comments__next", "share"),
    "while it indexes": ("views.activities__next", "row exclusive"),
    "while it compares": ("views.people", "access exclusive"),
    "while it switches": ("views.tenants", "access share"),
}


@pytest.mark.parametrize(
    ("step", "whole_family"), [*((step, True) for step in STEPS), ("in the middle of a chunk", False)]
)
async def test_a_rebuild_that_is_killed_goes_on_where_it_was(rebuilt: Engine, step: str, whole_family: bool) -> None:
    before = await content(rebuilt)
    table, mode = STEPS[step]
    words = [sys.executable, "-m", "projector", "rebuild", "--chunk-events", "400", "--workers", "1"]
    process = await asyncio.create_subprocess_exec(
        *words, env={**os.environ, **rebuilt.variables}, start_new_session=True
    )
    try:
        await eventually_true(lambda: rebuilt.value("select to_regclass(%s)", table))
        with _holding(rebuilt, f"lock table {table} in {mode} mode"):
            await eventually_true(lambda: rebuilt.value(WAITS), timeout_s=30)
            (os.killpg if whole_family else os.kill)(process.pid, signal.SIGKILL)
            await process.wait()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    code, said = await rebuild(rebuilt)
    assert (code, "checksums agree" in said) == (0, True), said
    assert await content(rebuilt) == before
    events = await rebuilt.sql(
        "select (select sum(events) from views.rebuild_chunk where rebuild_id = r.id) from views.rebuild r "
        "order by id desc limit 1"
    )  # fmt: skip
    assert events == [
        (await rebuilt.value("select sum(version) from views.stream_guard where stream_type = 'ticket'"),)
    ]


async def test_two_rebuilds_do_not_run_at_once(rebuilt: Engine) -> None:
    with psycopg.connect(rebuilt.admin_dsn, autocommit=True) as other:
        other.execute("select pg_advisory_lock(hashtext('views.rebuild'))")
        code, said = await rebuild(rebuilt)
    assert (code, "another rebuild is running" in said) == (1, True)


# --- very many --------------------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_million_events_are_rebuilt_while_writes_go_on(own: Engine) -> None:
    events = copied(own.admin_dsn, TENANT, 1_000_000)
    await own.sql(
        "insert into views.stream_guard (tenant_id, stream_type, stream_id, version) "
        "select tenant_id, stream_type, stream_id, max(version) from events.event group by 1, 2, 3"
    )
    said: list[str] = []
    assert await asyncio.to_thread(main, databases(own), ["--accept-differences"], said.append) == 0
    assert await own.value("select count(*) from views.activities") == events
    assert (await rebuild(own, "--drop-former"))[0] == 0
    streams = await retitle(own, 4)
    async with projecting(own):
        # Without progress it reads the whole history, from the store and then from Kafka, and drops what it knows.
        await projected(own, within_s=300)
        await retitle(own, 4)
        await projected(own, within_s=300)
        reader = Reader(own.dsn("query_api"), streams[0])
        async with beside(reader.run()), beside(_writing(own, streams)):
            code = await asyncio.to_thread(main, databases(own), ["--measure-copy"], said.append)
    print("\n".join(said), f"\nreads: {reader.reads}, the slowest {reader.slowest_s:.2f} s")  # noqa: T201 - the figures are the point
    assert code == 0
    assert "checksums agree" in said[-1]
    assert reader.versions[-1] > reader.versions[0]
