"""`python -m <service> unpark`: what waits is shown, and let go on."""

import argparse
import sys
from uuid import UUID

from helpdesk.consumer.apply import Applier
from helpdesk.recorded import Stream


def _stream(text: str) -> Stream:
    """As it is shown: type/id@tenant."""
    type_, _, rest = text.partition("/")
    id_, _, tenant = rest.partition("@")
    try:
        return Stream(UUID(tenant), type_, UUID(id_))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no type/id@tenant") from None


async def unparking(applier: Applier, words: list[str]) -> None:
    """Without arguments: list what waits. Ends with 1 when something that was chosen waits still.

    Raises what a database that is away raises, and SystemExit.
    """
    parser = argparse.ArgumentParser("unpark", description="Let parked streams go on, from what the store has.")
    parser.add_argument("stream", nargs="?", type=_stream, help="as the list shows it: type/id@tenant")
    parser.add_argument("--all", action="store_true", help="all streams; forgets records that were no envelopes")
    parser.add_argument("--refold", action="store_true", help="make anew what was made from the stream before")
    asked = parser.parse_args(words)
    waiting = await applier.parked()
    chosen = [one for one in waiting if asked.all or one.stream == asked.stream]
    if asked.stream is not None and not chosen:
        raise SystemExit(f"{asked.stream} is not parked")
    reasons = {one.stream: await applier.unpark(one.stream, refold=asked.refold) for one in chosen}
    told = [f"{stream}: {reason or 'goes on'}" for stream, reason in reasons.items()]
    if asked.all:
        told.append(f"{await applier.forget_records()} records that were no envelopes are forgotten")
    elif asked.stream is None:
        told += [
            f"{one.stream} since {one.since}, {one.tries} tries: version {one.version}: {one.error}" for one in waiting
        ]
        await applier.count_parked()
        if records := applier.state.parked - len(waiting):
            told.append(f"records that were no envelopes: {records}, in unreadable_record; --all forgets them")
        told = told or ["nothing waits"]
    sys.stdout.writelines(f"{line}\n" for line in told)
    if any(reasons.values()):
        raise SystemExit(1)
