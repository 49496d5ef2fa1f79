"""Rebuild (design §8): beside the live views, compared with them, switched at once, found again after any kill."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from helpdesk.events.operations import TenantPurged
from helpdesk.eventstore.store import StreamAppend
from helpdesk.recorded import Stream
from integration.engine.rebuilds import (
    TENANT,
    WAITS,
    holding,
    projected,
    projecting,
    rebuild,
    retitle,
)
from integration.engine.rig import NOBODY, NOON, Engine, eventually_true
from projector.rebuild.fold import VIEWS
from support.history import copied

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


async def content(one: Engine) -> tuple[Any, ...]:
    (row,) = await one.sql(CONTENT)
    return row


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


# --- killed -----------------------------------------------------------------------------------------------------------

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
        with holding(rebuilt, f"lock table {table} in {mode} mode"):
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
