"""Entry points: `python -m webhook_dispatcher` with one of the words of its usage."""

import sys
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from helpdesk.commands import run_command
from helpdesk.consumer.unpark import unparking
from helpdesk.eventstore.relay import RelayState
from helpdesk.http.app import edge
from helpdesk.http.server import run_jobs, run_process
from helpdesk.http.server import serve as run_server
from helpdesk.observability.logs import configured
from helpdesk.settings import LogSettings
from webhook_dispatcher import app
from webhook_dispatcher.settings import IntakeSettings, SendSettings, WebhookMigrateSettings, WebhookSettings

S = TypeVar("S", bound=LogSettings)


async def serve(settings: WebhookSettings) -> None:
    """The API alone."""
    async with app.serving_pool(settings) as pool:
        api = app.build_app(settings, pool)
        await run_server(edge(api), settings.host, settings.webhook_dispatcher_port, app.beside(api, pool))


async def intake(settings: IntakeSettings) -> None:
    """Events to due deliveries."""
    async with app.intake_pool(settings) as pool, app.events_pool(settings) as events:
        await run_jobs([app.intake(settings, pool, events).run])


async def send(settings: SendSettings) -> None:
    """Due deliveries to their endpoints."""
    async with app.worker_pool(settings) as pool:
        listeners = app.listening()
        await run_jobs([app.sender(settings, pool, listeners).run, listeners.run])


async def relay(settings: IntakeSettings) -> None:
    """This owner's events to Kafka."""
    await run_jobs([app.relaying(settings)])


async def everything(settings: WebhookSettings) -> None:
    """All of it in one process."""
    async with (
        app.serving_pool(settings) as pool,
        app.worker_pool(settings) as workers,
        app.intake_pool(settings) as intakes,
        app.events_pool(settings) as events,
    ):
        listeners, state = app.listening(), RelayState()
        consumer, sender = app.intake(settings, intakes, events), app.sender(settings, workers, listeners)
        api = app.build_app(settings, pool, app.worker_checks(consumer, sender, state))
        jobs = [*app.beside(api, pool), listeners.run, consumer.run, sender.run, app.relaying(settings, state)]
        await run_server(edge(api), settings.host, settings.webhook_dispatcher_port, jobs)


async def unpark(settings: IntakeSettings, words: list[str]) -> None:
    """Let parked streams go on."""
    async with app.intake_pool(settings) as pool, app.events_pool(settings) as events:
        await unparking(app.intake(settings, pool, events).applier, words)


def main(argv: list[str]) -> None:
    """Run one entry point."""
    match argv:
        case ["serve"]:
            _run(WebhookSettings, serve)
        case ["intake"]:
            _run(IntakeSettings, intake)
        case ["send"]:
            _run(SendSettings, send)
        case ["relay"]:
            _run(IntakeSettings, relay)
        case ["all"]:
            _run(WebhookSettings, everything)
        case ["migrate"]:
            _command("migrate", WebhookMigrateSettings, app.migrate)
        case ["rebuild-topic"]:
            _command("rebuild-topic", WebhookMigrateSettings, app.rebuild_topic)
        case ["new-epoch"]:
            _command("new-epoch", WebhookMigrateSettings, app.new_epoch)
        case ["unpark", *words]:
            _command("unpark", IntakeSettings, partial(unpark, words=words))
        case _:
            raise SystemExit(
                "usage: python -m webhook_dispatcher serve | intake | send | relay | all | migrate | rebuild-topic"
                " | new-epoch | unpark"
            )


def _run(settings: type[S], part: Callable[[S], Coroutine[Any, Any, None]]) -> None:
    run_process(part(configured("webhook-dispatcher", settings)))


def _command(name: str, settings: type[S], part: Callable[[S], Coroutine[Any, Any, None]]) -> None:
    run_command(name, part(configured("webhook-dispatcher", settings)))


if __name__ == "__main__":
    main(sys.argv[1:])
