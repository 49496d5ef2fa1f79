"""Entry points: `python -m projector run | all | migrate | rebuild | unpark`."""

import gc
import sys
from functools import partial
from typing import Final

from helpdesk.commands import in_one_line, run_command
from helpdesk.consumer.unpark import unparking
from helpdesk.http.app import edge
from helpdesk.http.server import run_process, serve
from helpdesk.observability.logs import configured
from projector.app import build_app, migrate, subscriber
from projector.rebuild.build import Databases
from projector.rebuild.run import main as rebuild_main
from projector.rebuild.run import parser
from projector.settings import ProjectorMigrateSettings, ProjectorRebuildSettings, ProjectorSettings

UNFREED: Final = 100_000
"""Objects made and not yet freed before the collector looks for garbage: more than two batches hold, in which there is
none. Looking through them again and again was a fifth of what an event costs here."""


async def run(settings: ProjectorSettings) -> None:
    """Fold until the process is told to stop."""
    gc.set_threshold(UNFREED)
    async with subscriber(settings) as (consumer, pool):
        await serve(edge(build_app(consumer, pool)), settings.host, settings.projector_port, [consumer.run])


async def unpark(settings: ProjectorSettings, words: list[str]) -> None:
    """Let parked streams go on."""
    async with subscriber(settings) as (consumer, _):
        await unparking(consumer.applier, words)


def rebuild(words: list[str]) -> int:
    """Build views anew beside the live ones and switch."""
    parser().parse_args(words)  # before the settings: a question for --help needs no database
    settings = configured("projector", ProjectorRebuildSettings)
    databases = Databases(settings.migrate_database_url, settings.projector_events_database_url)
    with in_one_line("rebuild"):
        return rebuild_main(databases, words, partial(print, flush=True))


def main(argv: list[str]) -> None:
    """Run one entry point."""
    match argv:
        case ["run" | "all"]:
            run_process(run(configured("projector", ProjectorSettings)))
        case ["migrate"]:
            run_command("migrate", migrate(configured("projector", ProjectorMigrateSettings)))
        case ["unpark", *words]:
            run_command("unpark", unpark(configured("projector", ProjectorSettings), words))
        case ["rebuild", *words]:
            raise SystemExit(rebuild(words))
        case _:
            raise SystemExit("usage: python -m projector run | all | migrate | rebuild | unpark")


if __name__ == "__main__":
    main(sys.argv[1:])
