"""The steps that fill the next tables: begin, fold in several processes, index, catch up with the live views."""

import gc
import multiprocessing
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import psycopg

from helpdesk.recorded import Stream
from projector.rebuild import store, tables
from projector.rebuild.fold import VIEWS, Broken, History, View
from projector.rebuild.store import GUARD_COLUMNS, Rebuild
from projector.rebuild.tables import GUARD, NEXT, named

CHUNK_EVENTS: Final = 20_000
CATCH_UP_STREAMS: Final = 2_000
PLATFORM_STREAM: Final = "platform"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Databases:
    """`views` by the owner of the views' schema, `events` by a login that may read the events' history."""

    views: str
    events: str


def views_of(names: Sequence[str]) -> list[View]:
    """The views of these names. Raises KeyError for a name that is none."""
    by_name = {view.name: view for view in VIEWS}
    return [by_name[name] for name in names]


def swapped(rebuild: Rebuild) -> list[str]:
    """The tables that a switch exchanges: the guard too when all views are rebuilt."""
    return [*rebuild.views, *([GUARD] if rebuild.whole else [])]


def begin(connection: psycopg.Connection, names: Sequence[str], chunk_events: int) -> None:
    """The empty next tables, and the plan: all of it or nothing."""
    views = views_of(names or [view.name for view in VIEWS])
    with connection.transaction():
        for view in views:
            tables.demand_suitable(connection, view.name)
            if tuple(tables.columns(connection, view.name)) != view.columns:
                raise tables.Unsuitable(f"views.{view.name} has other columns than the rebuild knows")
        if tuple(tables.columns(connection, GUARD)) != GUARD_COLUMNS:
            raise tables.Unsuitable(f"views.{GUARD} has other columns than the rebuild knows")
        for table in (*(view.name for view in views), GUARD):
            tables.create(connection, table)
        store.begin(connection, views, not names, chunk_events)


# --- fold -------------------------------------------------------------------------------------------------------------


def fold(connection: psycopg.Connection, databases: Databases, rebuild: Rebuild, workers: int, say: Say) -> None:
    """Fold every chunk, by several processes; a line a second. Raises Broken when one of them fails."""
    context = multiprocessing.get_context("spawn")  # forks would share the connection
    found = [
        context.Process(target=work, args=(databases, rebuild.id, rebuild.views, os.getpid()), daemon=True)
        for _ in range(workers)
    ]
    for one in found:
        one.start()
    begun, before = time.monotonic(), store.progress(connection, rebuild.id).events_done
    try:
        while any(one.is_alive() for one in found):
            for one in found:
                one.join(1.0 / workers)
            say(_line(store.progress(connection, rebuild.id), before, time.monotonic() - begun))
    finally:
        for one in found:
            one.terminate()
            one.join()
    done = store.progress(connection, rebuild.id)
    if done.chunks_done < done.chunks:
        raise Broken("a worker failed: its words are above; nothing is lost, run it again")
    store.step(connection, rebuild.id, "index")


def work(databases: Databases, rebuild_id: int, names: Sequence[str], parent: int) -> None:
    """What a process does: chunk after chunk, each one transaction, while there is one and its parent lives."""
    views = views_of(names)
    with (
        store.connect(databases.views, "rebuild-worker") as connection,
        store.connect(databases.events, "rebuild-events") as events,
    ):
        types = {view.name: tables.columns(connection, view.name) for view in views}
        gc.freeze()
        gc.disable()  # nothing of a chunk is garbage until it is done, and then it frees itself
        while os.getppid() == parent and _chunk(connection, events, rebuild_id, views, types):
            gc.collect()


def _chunk(
    connection: psycopg.Connection,
    events: psycopg.Connection,
    rebuild_id: int,
    views: Sequence[View],
    types: Mapping[str, Mapping[str, str]],
) -> bool:
    with connection.transaction():
        chunk = store.claim(connection, rebuild_id)
        if chunk is None:
            return False
        wanted = sorted({view.stream_type for view in views})
        guards = store.guards_of(connection, chunk, wanted)
        histories = store.histories_of_chunk(events, chunk, wanted, guards)
        write(connection, views, types, NEXT, histories)
        store.chunk_done(connection, rebuild_id, chunk.number, histories)
    return True


def write(
    connection: psycopg.Connection,
    views: Sequence[View],
    types: Mapping[str, Mapping[str, str]],
    suffix: str,
    histories: Sequence[History],
) -> None:
    """The rows of these streams, and how far they are."""
    for view in views:
        known = (one for one in histories if one.stream.type == view.stream_type and one.events is not None)
        rows = (row for one in known for row in view.rows(one))
        store.copy(connection, named(view.name, suffix), view.columns, types[view.name], rows)
    guards = ((*_key(one.stream), one.guard.version, one.guard.event_id) for one in histories)
    store.copy(connection, named(GUARD, suffix), GUARD_COLUMNS, _GUARD_TYPES, guards)


_GUARD_TYPES: Final = dict(zip(GUARD_COLUMNS, ("uuid", "text", "uuid", "integer", "uuid"), strict=True))


def _key(stream: Stream) -> tuple[UUID, str, UUID]:
    return stream.tenant_id, stream.type, stream.id


def _line(progress: store.Progress, before: int, elapsed: float) -> str:
    rate = (progress.events_done - before) / max(elapsed, 0.001)
    left = f", {(progress.events - progress.events_done) / rate:,.0f} s left" if rate else ""
    percent = 100 * progress.events_done / max(progress.events, 1)
    return (
        f"fold: {progress.events_done:,} of {progress.events:,} events of {progress.streams:,} streams "
        f"({percent:.0f} %), {rate:,.0f} events/s{left}"
    )


# --- index and catch up -----------------------------------------------------------------------------------------------


def index(connection: psycopg.Connection, rebuild: Rebuild, say: Say) -> None:
    """The live tables' indexes for the next tables, all or none."""
    with connection.transaction():
        for table in (*rebuild.views, GUARD):
            say(f"index: {table}")
            tables.index(connection, table)
        store.step(connection, rebuild.id, "compare")


def catch_up(
    connection: psycopg.Connection, databases: Databases, rebuild: Rebuild, suffix: str, say: Say
) -> list[Stream]:
    """Bring the tables beside to the live views' versions until little is left; return the streams that moved."""
    moved: list[Stream] = []
    with store.connect(databases.events, "rebuild-events") as events:
        while True:
            with connection.transaction():
                found = refold(connection, events, rebuild, suffix, CATCH_UP_STREAMS)
            moved += found
            if len(found) < CATCH_UP_STREAMS:
                return moved
            say(f"catch up: {len(moved):,} streams")


def refold(
    connection: psycopg.Connection, events: psycopg.Connection, rebuild: Rebuild, suffix: str, limit: int
) -> list[Stream]:
    """Fold those streams anew that the live views have at another version, exactly to that version."""
    views = views_of(rebuild.views)
    folded = {view.stream_type for view in views}
    wanted = None if rebuild.whole else sorted({*folded, PLATFORM_STREAM})
    found = store.differing(connection, named(GUARD, suffix), wanted, limit)
    if not found:
        return []
    streams = list(found)
    for view in views:
        of_view = [stream for stream in streams if stream.type == view.stream_type]
        store.forget(connection, named(view.name, suffix), view.key, of_view)
        # The platform tells of purges; those streams are named after the tenant.
        tenants = [stream.id for stream in streams if stream.type == PLATFORM_STREAM]
        store.forget_tenants(connection, named(view.name, suffix), tenants)
    store.forget_guards(connection, named(GUARD, suffix), streams)
    guards = {stream: guard for stream, guard in found.items() if guard is not None}
    histories = store.histories_of(events, {s: guard for s, guard in guards.items() if s.type in folded})
    # Streams that no view is made from have nothing but their guard.
    bare = [History(stream, guard, None) for stream, guard in guards.items() if stream.type not in folded]
    types = {view.name: tables.columns(connection, view.name) for view in views}
    write(connection, views, types, suffix, [*histories, *bare])
    return streams


def since(moment: datetime | None) -> float:
    """Seconds since then."""
    return (datetime.now(UTC) - moment).total_seconds() if moment else 0.0
