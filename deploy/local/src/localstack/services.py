"""The services as data: what the supervisor starts, in one process each or part by part."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Service:
    """One owner: its module, and its parts by the names of its entry points. The first part holds the port."""

    module: str
    parts: tuple[str, ...]

    @property
    def name(self) -> str:
        """As people say it: `command-api`."""
        return self.module.replace("_", "-")


SERVICES = (
    Service("command_api", ("serve", "relay", "worker")),
    Service("projector", ("run",)),
    Service("query_api", ("serve",)),
    Service("webhook_dispatcher", ("serve", "intake", "send", "relay")),
    Service("notifier", ("serve", "intake")),
)
"""In the order of their migrations: who is read comes before who reads."""


def processes(split: bool) -> Iterable[tuple[str, Service, str]]:
    """Name, service and entry point of each process to start."""
    for service in SERVICES:
        if not split:
            yield service.name, service, "all"
            continue
        for number, part in enumerate(service.parts):
            yield (f"{service.name}-{part}" if number else service.name), service, part
