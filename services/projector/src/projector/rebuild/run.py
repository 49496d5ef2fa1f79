"""`python -m projector rebuild`: the steps in order, each found again after a kill. docs/operators/rebuild.md."""

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import psycopg

from projector.rebuild import build, store, switch, tables
from projector.rebuild.build import Databases, Say, since, swapped
from projector.rebuild.fold import VIEWS, Broken
from projector.rebuild.measure import copy_seconds
from projector.rebuild.store import Rebuild
from projector.rebuild.tables import FORMER, GUARD, NEXT, Unsuitable

REFUSED: Final = (Broken, Unsuitable, switch.Different)


class Refused(Exception):
    """What was asked for cannot be done now; the words say what can."""


def parser() -> argparse.ArgumentParser:
    """The words of the command line."""
    found = argparse.ArgumentParser(
        prog="python -m projector rebuild",
        description="Build views anew from the event table, beside the live ones, and switch over. Run it again after "
        "whatever ended it: it goes on where it was.",
    )
    found.add_argument("views", nargs="*", metavar="view", help=f"{', '.join(v.name for v in VIEWS)}; none: all")
    what = found.add_mutually_exclusive_group()
    what.add_argument("--status", action="store_true", help="how far the last rebuild is")
    what.add_argument("--rollback", action="store_true", help="bring the former tables up to date and switch back")
    what.add_argument("--drop-former", action="store_true", help="give going back up: remove the former tables")
    what.add_argument("--discard", action="store_true", help="give the rebuild up: remove the next tables")
    found.add_argument("--accept-differences", action="store_true", help="switch although live rows were wrong")
    found.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that fold (default: cores)")
    found.add_argument("--chunk-events", type=int, default=build.CHUNK_EVENTS, help="events in one transaction")
    found.add_argument("--measure-copy", action="store_true", help="print COPY's own rate for the same rows")
    return found


def main(databases: Databases, argv: Sequence[str], say: Say) -> int:
    """Do what the words ask for; 0 when it is done, 1 when not (and said why)."""
    options = parser().parse_args(argv)
    if unknown := set(options.views) - {view.name for view in VIEWS}:
        say(f"there is no view {', '.join(sorted(unknown))}")
        return 2
    with store.connect(databases.views, "rebuild") as connection:
        if options.status:
            say(status(connection))
            return 0
        try:
            with _alone(connection):
                if options.rollback:
                    _roll_back(connection, databases, say)
                elif options.drop_former:
                    _end(connection, "switched", FORMER, "done")
                    say("the tables that were not live are removed")
                elif options.discard:
                    _discard(connection)
                    say("the rebuild is given up: its tables are removed")
                else:
                    _rebuild(connection, databases, options, say)
        except (*REFUSED, Refused) as error:
            say(f"{type(error).__name__}: {error}")
            return 1
    return 0


@contextmanager
def _alone(connection: psycopg.Connection) -> Iterator[None]:
    if not store.lock(connection):
        raise Refused("another rebuild is running")
    yield


def status(connection: psycopg.Connection) -> str:
    """One line about the last rebuild."""
    rebuild = store.last(connection)
    if rebuild is None:
        return "no rebuild was ever begun"
    progress = store.progress(connection, rebuild.id)
    where = _ROLLED_BACK if rebuild.rolled_back and rebuild.step == "switched" else _WORDS[rebuild.step]
    return (
        f"rebuild {rebuild.id} of {', '.join(rebuild.views)}, begun {rebuild.started_at:%Y-%m-%d %H:%M:%S %Z}: "
        f"{where}; {progress.events_done:,} of {progress.events:,} events folded"
    )


_WORDS: Final = {
    "fold": "folding",
    "index": "folded, not indexed yet",
    "compare": "built, not switched yet (run it again)",
    "switched": "live; the former tables stand for going back (--rollback, --drop-former)",
    "done": "done",
    "discarded": "given up",
}
_ROLLED_BACK: Final = "rolled back: the former tables are live again (--rollback: forward, --drop-former)"


def _rebuild(connection: psycopg.Connection, databases: Databases, options: argparse.Namespace, say: Say) -> None:
    rebuild = store.opened(connection)
    if rebuild is None:
        build.begin(connection, options.views, options.chunk_events)
    elif rebuild.step == "switched":
        raise Refused(f"the former tables of rebuild {rebuild.id} still stand: --rollback or --drop-former first")
    elif options.views and set(options.views) != set(rebuild.views):
        raise Refused(f"a rebuild of {', '.join(rebuild.views)} is under way: end it, or --discard it")
    rebuild = _open(connection)
    if rebuild.step == "fold":
        build.fold(connection, databases, rebuild, options.workers, say)
        rebuild = _open(connection)
    if rebuild.step == "index":
        build.index(connection, rebuild, say)
        rebuild = _open(connection)
    _tell_speed(connection, rebuild, options.measure_copy, say)
    found, left_out = switch.compared(connection, databases, rebuild, NEXT, say)
    for one in found:
        say(str(one))
    if found and not options.accept_differences:
        raise Refused("the live views differ from the events: --accept-differences switches to what the events say")
    tries = switch.switch(connection, databases, rebuild, NEXT, None if found else left_out, say)
    say(f"switched at try {tries}: {', '.join(swapped(rebuild))}; checksums {'differed' if found else 'agree'}")


def _tell_speed(connection: psycopg.Connection, rebuild: Rebuild, measure: bool, say: Say) -> None:
    progress = store.progress(connection, rebuild.id)
    elapsed = since(rebuild.started_at) - since(rebuild.indexed_at)
    say(f"built: {progress.events:,} events in {elapsed:.1f} s, {progress.events / max(elapsed, 0.001):,.0f} events/s")
    if measure:
        seconds = copy_seconds(connection, rebuild.views, NEXT)
        say(
            f"COPY of the same rows into the same tables: {seconds:.1f} s, "
            f"{progress.events / max(seconds, 0.001):,.0f} events/s; the rebuild has {seconds / elapsed:.2f} of it"
        )


def _open(connection: psycopg.Connection) -> Rebuild:
    rebuild = store.opened(connection)
    if rebuild is None:
        raise Refused("no rebuild is under way")
    return rebuild


def _roll_back(connection: psycopg.Connection, databases: Databases, say: Say) -> None:
    rebuild = _open(connection)
    if rebuild.step != "switched":
        raise Refused("nothing was switched")
    tries = switch.switch(connection, databases, rebuild, FORMER, None, say)
    say(f"switched back at try {tries}: {', '.join(swapped(rebuild))}")


def _discard(connection: psycopg.Connection) -> None:
    if _open(connection).step == "switched":
        raise Refused("it is switched already: --rollback or --drop-former")
    _end(connection, _open(connection).step, NEXT, "discarded")


def _end(connection: psycopg.Connection, step: str, suffix: str, outcome: str) -> None:
    rebuild = _open(connection)
    if rebuild.step != step:
        raise Refused("nothing was switched")
    with connection.transaction():
        for table in (*rebuild.views, GUARD):
            tables.drop(connection, table, suffix)
        store.step(connection, rebuild.id, outcome)
