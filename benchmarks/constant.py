"""The limit of row 2: the command API as it is, whose every question to a database is answered by a constant.

Routing, parsing, authentication, rules, folds, shapes, headers and log lines stay; what storing costs is missing.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from command_api import store
from command_api.app import build_app, service
from command_api.execute import utc_now
from command_api.settings import CommandSettings
from command_api.store import Person, TenantRow
from helpdesk.consistency import Position
from helpdesk.eventstore.store import StreamAppend
from helpdesk.http.app import edge
from helpdesk.http.server import run_process, serve
from helpdesk.observability.logs import configured
from helpdesk.postgres.pool import Pool
from helpdesk.recorded import Metadata, RecordedEvent, Stream

BORN: Final = utc_now()


class ConstantEvents:
    """An event store that holds nothing and keeps nothing."""

    async def read_stream(self, _: Stream, after: int = 0) -> list[RecordedEvent]:
        """There is never any history."""
        return []

    async def append(self, command_id: UUID, appends: Sequence[StreamAppend], metadata: Metadata) -> None:
        """Always well."""


class ConstantViews:
    """Views that show everything at once."""

    async def wait(self, positions: Sequence[Position], bound_s: float = 0, **_: Any) -> bool:
        """Never waits."""
        return True


async def _people(_: Pool, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Person]:
    return {id_: Person(id_, "ada@example.com", "Ada Admin", "ADMIN", True, BORN, BORN) for id_ in ids}


async def _tenant(_: Pool, *, slug: str | None = None, id_: UUID | None = None) -> TenantRow | None:
    return TenantRow(id_ or UUID(int=0), "default", "Default", {})


async def _number(_: Pool, tenant_id: UUID) -> int:
    return 1


async def run(settings: CommandSettings) -> None:
    """Serve; nothing runs beside."""
    async with service(settings) as parts:
        for name, constant in (("people", _people), ("tenant", _tenant), ("take_number", _number)):
            setattr(store, name, constant)
        commands: Any = parts.commands
        commands.events, commands._views, commands.poke = ConstantEvents(), ConstantViews(), lambda: None
        await serve(edge(build_app(parts)), settings.host, settings.command_api_port)


if __name__ == "__main__":
    run_process(run(configured("command-api", CommandSettings)))
