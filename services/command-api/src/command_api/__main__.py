"""Entry points: `python -m command_api` with one of the words of USAGE."""

import asyncio
import sys
from uuid import UUID

from command_api.app import build_app, collector, migrate, new_epoch, rebuild_topic, relay_job, service
from command_api.execute import new_command
from command_api.found import Wanted, found, wanted
from command_api.operate import COMMANDS, arguments, operate
from command_api.seed import seed
from command_api.settings import CommandMigrateSettings, CommandSettings, RelaySettings, WorkerSettings
from helpdesk.commands import run_command
from helpdesk.consistency import Position
from helpdesk.events.operations import SystemProbed
from helpdesk.eventstore.relay import RelayState
from helpdesk.eventstore.store import StreamAppend
from helpdesk.http.app import edge
from helpdesk.http.server import Job, run_jobs, run_process, serve
from helpdesk.ids import new_id
from helpdesk.observability.logs import configured
from helpdesk.postgres.listening import Listeners
from helpdesk.recorded import Stream
from helpdesk.settings import MigrateSettings, load

USAGE = (
    "usage: python -m command_api all | serve | relay | worker | migrate | seed | create-tenant | probe | rebuild-topic"
    " | new-epoch | close-tenant | redact | purge | purge-due"
)
NOBODY = UUID(int=0)
PROBE_BOUND_S = 20.0


async def run(settings: CommandSettings) -> None:
    """Serve commands."""
    async with service(settings) as parts:
        await serve(edge(build_app(parts)), settings.host, settings.command_api_port, parts.jobs)


async def everything(settings: CommandSettings) -> None:
    """Serve commands, with the relay and the worker in the same process."""
    state = RelayState()
    async with service(settings) as parts, collector(settings) as files:
        listener = parts.listeners.at(settings.command_api_relay_database_url)
        jobs: list[Job] = [*parts.jobs, relay_job(settings, state, listener), files.run]
        await serve(edge(build_app(parts, state)), settings.host, settings.command_api_port, jobs)


async def relay(settings: RelaySettings) -> None:
    """Events to Kafka."""
    listener = Listeners("command-relay").at(settings.command_api_relay_database_url)
    await run_jobs([listener.run, relay_job(settings, RelayState(), listener)])


async def work(settings: WorkerSettings) -> None:
    """Look after files."""
    async with collector(settings) as files:
        await run_jobs([files.run])


async def plant(settings: CommandSettings) -> None:
    """Make the demo data."""
    async with service(settings) as parts:
        await seed(parts.commands, parts.accounts, print)


async def create_tenant(settings: CommandSettings, asked: Wanted) -> None:
    """Make a tenant and its first admin."""
    async with service(settings) as parts:
        print(await found(parts.commands, parts.accounts, asked))


async def probe(settings: CommandSettings) -> None:
    """Exit with 0 when an event that is appended now shows in the views: the whole way works."""
    async with service(settings) as parts, asyncio.TaskGroup() as tasks:
        jobs = [tasks.create_task(_endless(job)) for job in parts.jobs]
        try:
            stream, cause = Stream(NOBODY, "system", new_id()), new_command(NOBODY, NOBODY)
            event = SystemProbed(at=parts.commands.clock())
            await parts.commands.events.append(cause.command_id, [StreamAppend(stream, 0, [event])], cause.metadata)
            parts.commands.poke()
            seen = await parts.views.connected_wait([Position(stream, 1)], PROBE_BOUND_S)
        finally:
            for job in jobs:
                job.cancel()
    if not seen:
        raise SystemExit(f"the views did not show a new event within {PROBE_BOUND_S:.0f} s")


async def tell(settings: MigrateSettings, argv: list[str]) -> None:
    """Carry out one of the operators' commands."""
    print(await operate(settings, argv))


async def _endless(job: Job) -> None:
    await job()


def main(argv: list[str]) -> None:
    """Run one entry point."""
    match argv:
        case ["all"]:
            run_process(everything(configured("command-api", CommandSettings)))
        case ["serve"]:
            run_process(run(configured("command-api", CommandSettings)))
        case ["worker"]:
            run_process(work(configured("command-api", WorkerSettings)))
        case ["relay"]:
            run_process(relay(configured("command-api", RelaySettings)))
        case ["migrate"]:
            run_command("migrate", migrate(configured("command-api", CommandMigrateSettings)))
        case ["rebuild-topic"]:
            run_command("rebuild-topic", rebuild_topic(configured("command-api", CommandMigrateSettings)))
        case ["new-epoch"]:
            run_command("new-epoch", new_epoch(configured("command-api", CommandMigrateSettings)))
        case ["seed"]:
            run_command("seed", plant(load(CommandSettings)))
        case ["create-tenant" as command, *rest]:
            asked = wanted(rest)  # before the settings: a question for --help needs no database
            run_command(command, create_tenant(load(CommandSettings), asked))
        case ["probe"]:
            run_process(probe(load(CommandSettings)))
        case [command, *_] if command in COMMANDS:
            arguments().parse_args(argv)  # before the settings: a question for --help needs no database
            run_command(command, tell(load(MigrateSettings), argv))
        case _:
            raise SystemExit(USAGE)


if __name__ == "__main__":
    main(sys.argv[1:])
