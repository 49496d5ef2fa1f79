"""The limit of row 2: the command API as it is, whose every question to a database is answered by a constant.

Routing, parsing, authentication, rules, folds, shapes, headers and log lines stay; what storing costs is missing.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

from command_api.app import build_app, service
from command_api.execute import utc_now
from command_api.settings import CommandSettings
from command_api.store import Person, TenantRow
from helpdesk.auth.standing import Known
from helpdesk.consistency import Position
from helpdesk.eventstore.store import StreamAppend
from helpdesk.http.app import edge
from helpdesk.http.server import run_process, serve
from helpdesk.observability.logs import configured
from helpdesk.recorded import Metadata

BORN: Final = utc_now()


class Group:
    """Keeps nothing."""

    async def append(self, command_id: UUID, appends: Sequence[StreamAppend], metadata: Metadata, **_: Any) -> None:
        """Always well."""

    async def close(self) -> None:
        """Nothing waits."""


class Views:
    """Show everything at once."""

    async def wait(self, positions: Sequence[Position], bound_s: float = 0, **_: Any) -> bool:
        """Never waits."""
        return True


class Numbers:
    """All the same."""

    async def take(self, tenant_id: UUID) -> int:
        """One."""
        return 1


class Directory:
    """Knows everybody."""

    async def people(self, tenant_id: UUID, ids: Iterable[UUID]) -> dict[UUID, Person]:
        """All of them."""
        return {id_: Person(id_, "ada@example.com", "Ada Admin", "ADMIN", True, BORN, BORN) for id_ in ids}

    async def known(self, tenant_id: UUID, user_id: UUID) -> Known:
        """As the token says."""
        return Known(closed=False)

    async def tenant(self, tenant_id: UUID) -> TenantRow | None:
        """Any."""
        return TenantRow(tenant_id, "default", "Default", {})

    def redacted(self, tenant_id: UUID, times: int | None) -> None:
        """Nothing was."""


def put_in(commands: Any) -> None:
    """Answer by constants what the shell asks of databases."""
    commands.group, commands.numbers, commands.directory = Group(), Numbers(), Directory()
    commands._views, commands.poke = Views(), lambda: None


async def run(settings: CommandSettings) -> None:
    """Serve; nothing runs beside."""
    async with service(settings) as parts:
        put_in(parts.commands)
        await serve(edge(build_app(parts)), settings.host, settings.command_api_port)


if __name__ == "__main__":
    run_process(run(configured("command-api", CommandSettings)))
