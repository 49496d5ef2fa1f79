"""Rebuild while others work (design §8): readers, writers, the projector, an automatic vacuum."""

import asyncio
import itertools
from dataclasses import dataclass, field
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from helpdesk.events.ticket import TicketCreated, TicketRetitled
from helpdesk.eventstore.store import StreamAppend
from helpdesk.recorded import Stream
from integration.engine.rebuilds import (
    EVENTS,
    TENANT,
    WAITS,
    databases,
    has_step,
    holding,
    projected,
    projecting,
    rebuild,
    retitle,
)
from integration.engine.rig import NOBODY, NOON, Engine, beside, eventually_true
from projector.rebuild import switch
from projector.rebuild.run import main
from support.history import copied


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
        with holding(rebuilt, "lock table views.tenants in access share mode") as release:
            running = asyncio.create_task(rebuild(rebuilt))
            await eventually_true(lambda: has_step(rebuilt, "compare"), timeout_s=30)
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
        with holding(rebuilt, "lock table views.tenants in access share mode") as release:
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
        with holding(rebuilt, "lock table views.tenants in access share mode") as release:
            running = asyncio.create_task(rebuild(rebuilt))
            await eventually_true(lambda: has_step(rebuilt, "compare"), timeout_s=30)
            await eventually_true(lambda: rebuilt.value(WAITS), timeout_s=30)  # it has compared, and wants to switch
            await retitle(rebuilt)
            await projected(rebuilt)
            await rebuilt.sql("update views.tickets set description = 'corrupted' where id = %s", stream.id)
            release()
            code, said = await running
    assert (code, f"{stream.id} (different)" in said) == (1, True), said
    assert (await rebuild(rebuilt, "--accept-differences"))[0] == 0


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
