"""Entry points: `python -m projector run | all | migrate`."""

import sys

from helpdesk.http.app import edge
from helpdesk.http.server import run_process, serve
from helpdesk.observability.logs import configure
from helpdesk.settings import load
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
            settings = load(ProjectorSettings)
            configure("projector", settings)
            run_process(run(settings))
        case ["migrate"]:
            changing = load(ProjectorMigrateSettings)
            configure("projector", changing)
            run_process(migrate(changing))
        case _:
            raise SystemExit("usage: python -m projector run | all | migrate")


if __name__ == "__main__":
    main(sys.argv[1:])
