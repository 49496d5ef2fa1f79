"""Entry points: `python -m notifier serve | intake | all | migrate | unpark`."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from helpdesk.commands import run_command
from helpdesk.consumer.subscriber import Subscriber
from helpdesk.consumer.unpark import unparking
from helpdesk.http.app import edge
from helpdesk.http.server import run_jobs, run_process
from helpdesk.http.server import serve as run_server
from helpdesk.observability.logs import configured
from helpdesk.postgres.pool import open_pool
from notifier.app import beside, build_app, build_intake, migrate
from notifier.settings import IntakeSettings, NotifierMigrateSettings, NotifierSettings


@asynccontextmanager
async def consumer_of(settings: IntakeSettings) -> AsyncIterator[Subscriber]:
    """The intake with its connections, not yet running."""
    async with (
        open_pool(settings.notifier_worker_database_url, name="notifier-intake", max_size=4, durable=False) as pool,
        open_pool(settings.notifier_events_database_url, name="notifier-events", max_size=2, seldom=True) as events,
    ):
        yield build_intake(settings, pool, events)


async def serve(settings: NotifierSettings) -> None:
    """Answer people until the process is told to stop."""
    async with open_pool(settings.notifier_database_url, name="notifier") as pool:
        app = build_app(settings, pool)
        await run_server(edge(app), settings.host, settings.notifier_port, beside(app, pool))


async def intake(settings: IntakeSettings) -> None:
    """Write notifications until the process is told to stop."""
    async with consumer_of(settings) as consumer:
        await run_jobs([consumer.run])


async def everything(settings: NotifierSettings) -> None:
    """Both in one process."""
    async with open_pool(settings.notifier_database_url, name="notifier") as pool, consumer_of(settings) as consumer:
        app = build_app(settings, pool, consumer)
        await run_server(edge(app), settings.host, settings.notifier_port, [consumer.run, *beside(app, pool)])


async def unpark(settings: IntakeSettings, words: list[str]) -> None:
    """Let parked streams go on."""
    async with consumer_of(settings) as consumer:
        await unparking(consumer.applier, words)


def main(argv: list[str]) -> None:
    """Run one entry point."""
    match argv:
        case ["serve"]:
            run_process(serve(configured("notifier", NotifierSettings)))
        case ["intake"]:
            run_process(intake(configured("notifier", IntakeSettings)))
        case ["all"]:
            run_process(everything(configured("notifier", NotifierSettings)))
        case ["migrate"]:
            run_command("migrate", migrate(configured("notifier", NotifierMigrateSettings)))
        case ["unpark", *words]:
            run_command("unpark", unpark(configured("notifier", IntakeSettings), words))
        case _:
            raise SystemExit("usage: python -m notifier serve | intake | all | migrate | unpark")


if __name__ == "__main__":
    main(sys.argv[1:])
