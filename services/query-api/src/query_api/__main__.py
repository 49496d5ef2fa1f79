"""Entry points: `python -m query_api serve | all | migrate | openapi`."""

import sys

from helpdesk.commands import run_command
from helpdesk.http.app import edge
from helpdesk.http.server import run_process, serve
from helpdesk.observability.logs import configured
from query_api.app import build_app, listening, migrate, progress
from query_api.routes.documents import merged
from query_api.settings import QueryMigrateSettings, QuerySettings


async def run(settings: QuerySettings) -> None:
    """Answer until the process is told to stop."""
    listener = listening(settings)
    applied = progress(settings, listener)
    jobs = [listener.run, applied.run]
    await serve(edge(build_app(settings, applied)), settings.host, settings.query_api_port, jobs)


def main(argv: list[str]) -> None:
    """Run one entry point."""
    match argv:
        case ["serve" | "all"]:
            run_process(run(configured("query-api", QuerySettings)))
        case ["migrate"]:
            run_command("migrate", migrate(configured("query-api", QueryMigrateSettings)))
        case ["openapi"]:
            sys.stdout.write(merged().decode())
        case _:
            raise SystemExit("usage: python -m query_api serve | all | migrate | openapi")


if __name__ == "__main__":
    main(sys.argv[1:])
