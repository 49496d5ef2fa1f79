"""The shell of tenants: their events and their private row are one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias, get_args
from uuid import UUID

from psycopg.errors import UniqueViolation

from command_api import store
from command_api.domain.rejected import Rejected
from command_api.domain.tenant import ChangeTenant, CloseTenant, CreateTenant, Tenant, decide, fold
from command_api.execute import TRIES, Cause, Commands, Contended, StaleVersion
from helpdesk.consistency import Position
from helpdesk.events.tenant import TenantEvent
from helpdesk.eventstore.store import StreamAppend, WrongVersion
from helpdesk.recorded import Stream

_TENANT: Final = get_args(TenantEvent)
CommandAt: TypeAlias = Callable[[datetime], ChangeTenant | CloseTenant]


@dataclass(frozen=True, slots=True)
class Written:
    """The tenant after the command. `visible`: whether the views show it already; None when nobody asked them."""

    tenant_id: UUID
    tenant: Tenant
    version: int
    visible: bool | None

    @property
    def positions(self) -> list[Position]:
        """Where its stream stands."""
        return [Position(_stream(self.tenant_id), self.version)]


class Tenants:
    """What the routes of tenants and the seeding do."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    async def create(self, cause: Cause, id_: UUID, command: CreateTenant) -> Written:
        """A new tenant. Raises Rejected(slug_taken)."""
        return await self._append(cause, id_, [], decide([], command))

    async def change(self, cause: Cause, id_: UUID, command: CommandAt, expected_version: int | None = None) -> Written:
        """Carry out one command on one tenant that is not closed.

        Raises Rejected (tenant_not_found, slug_taken, default_tenant), StaleVersion, Contended.
        """
        for _ in range(TRIES if expected_version is None else 1):
            past = await self._past(id_)
            before = fold(past)
            if before is None or before.closed:
                raise Rejected("tenant_not_found", "There is no such tenant.")
            if expected_version not in (None, len(past)):
                raise StaleVersion(len(past))
            events = decide(past, command(self._commands.clock()))
            try:
                return await self._append(cause, id_, past, events)
            except WrongVersion:
                if expected_version is not None:
                    raise StaleVersion(len(await self._past(id_))) from None
        raise Contended

    async def _append(
        self, cause: Cause, id_: UUID, past: Sequence[TenantEvent], events: Sequence[TenantEvent]
    ) -> Written:
        tenant, version = fold([*past, *events]), len(past) + len(events)
        if tenant is None:
            raise RuntimeError(f"tenant {id_}: a command was decided on nothing")
        if events:
            await self._store(cause, id_, len(past), events, tenant)
        positions = [Position(_stream(id_), version)]
        seen_by = self._commands.known_at_all_doors if tenant.closed else self._commands.visible
        visible = await seen_by(positions) if cause.waits else None
        return Written(id_, tenant, version, visible)

    async def _store(
        self, cause: Cause, id_: UUID, version: int, events: Sequence[TenantEvent], tenant: Tenant
    ) -> None:
        row = store.TenantRow(id_, tenant.slug, tenant.name, tenant.settings)
        append = StreamAppend(_stream(id_), version, events)
        try:
            async with self._commands.pool.connection() as connection, connection.transaction():
                await self._commands.events.append_in(connection, cause.command_id, [append], cause.metadata)
                if version == 0:
                    await store.insert_tenant(connection, row)
                elif not tenant.closed:  # what closing does to the row the append itself has done
                    await store.update_tenant(connection, row)
        except UniqueViolation as error:
            if error.diag.constraint_name not in ("tenant_slug_key", "tenant_pkey"):
                raise
            raise Rejected("slug_taken", "This slug is taken.") from error
        self._commands.directory.forget(id_)  # other processes hear of it from the database
        self._commands.poke()

    async def _past(self, id_: UUID) -> list[TenantEvent]:
        """The tenant's history. What this version does not know of it must not be decided upon."""
        past = await self._commands.events.read_stream(_stream(id_))
        events = [one.event for one in past if isinstance(one.event, _TENANT)]
        if len(events) < len(past):
            raise RuntimeError(f"{_stream(id_)} holds what this version does not know")
        return events


def _stream(tenant_id: UUID) -> Stream:
    return Stream(tenant_id, "tenant", tenant_id)
