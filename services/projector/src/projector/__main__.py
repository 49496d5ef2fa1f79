"""Entry points: `python -m projector run | all | migrate`."""

import sys

from helpdesk.http.app import edge
from helpdesk.http.server import run_process, serve
from helpdesk.observability.logs import configured
from projector.app import build_app, migrate, subscriber
from projector.settings import ProjectorMigrateSettings, ProjectorSettings


async def run(settings: ProjectorSettings) -> None:
    """Fold until the process is told to stop."""
    async with subscriber(settings) as (consumer, pool):
        await serve(edge(build_app(consumer, pool)), settings.host, settings.projector_port, [consumer.run])


def main(argv: list[str]) -> None:
    """Run one entry point."""
    match argv:
        case ["run" | "all"]:
            run_process(run(configured("projector", ProjectorSettings)))
        case ["migrate"]:
            run_process(migrate(configured("projector", ProjectorMigrateSettings)))
        case _:
            raise SystemExit("usage: python -m projector run | all | migrate")


if __name__ == "__main__":
    main(sys.argv[1:])
