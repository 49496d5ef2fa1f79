"""Compare, and exchange the tables in one transaction while the projector holds still for a moment."""

import random
import time
from collections.abc import Collection, Sequence
from typing import Final

import psycopg
from psycopg import sql
from psycopg.errors import LockNotAvailable

from helpdesk.recorded import Stream
from projector.rebuild import compare, store, tables
from projector.rebuild.build import (
    CATCH_UP_STREAMS,
    PLATFORM_STREAM,
    Databases,
    Say,
    catch_up,
    refold,
    swapped,
    views_of,
)
from projector.rebuild.compare import Differences
from projector.rebuild.store import Rebuild
from projector.rebuild.tables import GUARD, named

LOCK_TIMEOUT_MS: Final = 200
VACUUM_GIVES_WAY: Final = """
select set_config('deadlock_timeout', '50ms', true) where has_parameter_privilege('deadlock_timeout', 'set')"""
"""An automatic vacuum ends when somebody waits for its table, but not before the server looks for deadlocks: after a
second, when we have let go long since. One of a large table takes hours, and no rebuild would be switched meanwhile."""
LAST_STREAMS: Final = 200
"""More than these are not brought along while the projector waits, but before."""
UNCHECKED_STREAMS: Final = 2_000
"""More than these are not compared while the projector waits, but before."""
PAUSE_S: Final = (0.1, 0.4)
PATIENCE: Final = 16
"""Pauses grow up to so many times that: while somebody reads for hours, each try makes others wait once more."""
_SNAPSHOT: Final = "begin isolation level repeatable read read only"


class Different(Exception):
    """The live views are not what the events say; `found` tells where."""

    def __init__(self, found: Sequence[Differences]) -> None:
        super().__init__("\n".join(map(str, found)))
        self.found = found


def compared(
    connection: psycopg.Connection, databases: Databases, rebuild: Rebuild, suffix: str, say: Say
) -> tuple[list[Differences], list[Stream]]:
    """What differs over all streams at equal versions, in one snapshot, and the streams that were left out of it."""
    views = views_of(rebuild.views)
    types = None if rebuild.whole else sorted({*(view.stream_type for view in views), PLATFORM_STREAM})
    while True:
        catch_up(connection, databases, rebuild, suffix, say)
        connection.execute(_SNAPSHOT)
        try:
            left_out = list(store.differing(connection, named(GUARD, suffix), types, CATCH_UP_STREAMS))
            if len(left_out) < CATCH_UP_STREAMS:
                found = []
                for view in views:
                    say(f"compare: {view.name}")
                    differences = compare.all_but(connection, view, suffix, left_out)
                    found += [differences] if differences else []
                return found, left_out
        finally:
            connection.execute("rollback")


def switch(
    connection: psycopg.Connection,
    databases: Databases,
    rebuild: Rebuild,
    suffix: str,
    unchecked: Sequence[Stream] | None,
    say: Say,
) -> int:
    """Exchange the tables; return how many tries it took. Raises Different.

    `unchecked` are streams to be compared here because the comparison left them out; None: nothing is compared (going
    back to tables that are known to differ, or differences that were accepted). Whoever reads for long makes a try
    fail after 200 ms; the locks are let go before the next, so that neither readers nor the projector queue for long.
    """
    checked = set(unchecked or ())
    tries = gave_way = 0
    with store.connect(databases.events, "rebuild-events") as events:
        while True:
            tries += 1
            checked.update(catch_up(connection, databases, rebuild, suffix, say))
            if unchecked is not None and len(checked) > UNCHECKED_STREAMS:
                found, left_out = compared(connection, databases, rebuild, suffix, say)
                if found:
                    raise Different(found)
                checked = set(left_out)
            try:
                with connection.transaction():
                    done = _exchange(connection, events, rebuild, suffix, None if unchecked is None else checked)
            except LockNotAvailable:
                say(f"switch: somebody reads; try {tries + 1} follows")
                done, gave_way = False, gave_way + 1
            if done:
                return tries
            pause = random.uniform(*PAUSE_S)  # noqa: S311 - not to meet the same reader in step
            time.sleep(pause * min(2**gave_way, PATIENCE))


def _exchange(
    connection: psycopg.Connection,
    events: psycopg.Connection,
    rebuild: Rebuild,
    suffix: str,
    checked: Collection[Stream] | None,
) -> bool:
    connection.execute(sql.SQL("set local lock_timeout = {}").format(LOCK_TIMEOUT_MS))
    connection.execute(VACUUM_GIVES_WAY)
    connection.execute("set local synchronous_commit = on")
    connection.execute("select pg_advisory_xact_lock(hashtext('views.switch'))")
    # From here on no batch of the projector moves the live guard.
    moved = refold(connection, events, rebuild, suffix, LAST_STREAMS)
    if len(moved) == LAST_STREAMS:
        return False  # the projector was fast meanwhile: let it go, catch up without it
    if checked is not None:
        _demand_equal(connection, rebuild, suffix, [*checked, *moved])
    tables.hold(connection, swapped(rebuild), suffix)
    for table in swapped(rebuild):
        tables.demand_same_shape(connection, table, suffix)
        tables.exchange(connection, table, suffix)
    if not rebuild.whole and suffix != tables.FORMER:
        tables.rename(connection, GUARD, suffix, tables.FORMER)
    store.step(connection, rebuild.id, "switched")
    return True


def _demand_equal(connection: psycopg.Connection, rebuild: Rebuild, suffix: str, streams: Sequence[Stream]) -> None:
    found = [compare.only(connection, view, suffix, streams) for view in views_of(rebuild.views)]
    if different := [one for one in found if one is not None]:
        raise Different(different)
