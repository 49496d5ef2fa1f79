"""The shell of tenants: their events and their private row are one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeAlias, get_args
from uuid import UUID

from psycopg.errors import UniqueViolation

from command_api import store
from command_api.domain.rejected import Rejected
from command_api.domain.tenant import ChangeTenant, CloseTenant, CreateTenant, Tenant, decide, fold
from command_api.domain.user import RegisterUser
from command_api.domain.user import decide as decide_user
from command_api.execute import TRIES, Cause, Commands, Contended, StaleVersion
from helpdesk.consistency import Position
from helpdesk.events.tenant import TenantEvent
from helpdesk.eventstore.idempotency import Answer, Keyed
from helpdesk.eventstore.store import StreamAppend, WrongVersion
from helpdesk.policy import ADMIN
from helpdesk.postgres.pool import Connection
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


Shape: TypeAlias = Callable[[Written], Answer]
"""How a door answers a command on a tenant; asked before the append when the answer is to be kept with the events."""


@dataclass(frozen=True, slots=True)
class FirstAdmin:
    """Who can sign in to a new tenant at once."""

    id: UUID
    email: str
    name: str
    password_hash: str


class Tenants:
    """What the routes of tenants and the seeding do. Here and below: `shape` makes the answer that is kept when the
    cause has a key; then KeyAnswered, KeyReused, KeyInFlight, too."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    async def create(
        self,
        cause: Cause,
        id_: UUID,
        command: CreateTenant,
        admin: FirstAdmin | None = None,
        *,
        shape: Shape | None = None,
    ) -> Written:
        """A new tenant, with its first admin or without, in one transaction. Raises Rejected(slug_taken)."""
        return await self._append(cause, id_, [], decide([], command), shape, admin)

    async def change(
        self,
        cause: Cause,
        id_: UUID,
        command: CommandAt,
        expected_version: int | None = None,
        *,
        shape: Shape | None = None,
    ) -> Written:
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
                return await self._append(cause, id_, past, events, shape)
            except WrongVersion:
                if expected_version is not None:
                    raise StaleVersion(len(await self._past(id_))) from None
        raise Contended

    async def _append(
        self,
        cause: Cause,
        id_: UUID,
        past: Sequence[TenantEvent],
        events: Sequence[TenantEvent],
        shape: Shape | None,
        admin: FirstAdmin | None = None,
    ) -> Written:
        tenant, version = fold([*past, *events]), len(past) + len(events)
        if tenant is None:
            raise RuntimeError(f"tenant {id_}: a command was decided on nothing")
        written = Written(id_, tenant, version, None)
        keyed = Keyed(cause.key, shape(written)) if cause.key and shape else None
        if events:
            await self._store(cause, written, events, keyed, admin)
        elif keyed:
            await self._commands.group.append(
                cause.command_id, [], cause.metadata, keyed=keyed, tenant_id=cause.tenant_id
            )
        positions = [*written.positions, *([Position(_user(id_, admin), 1)] if admin else [])]
        seen_by = self._commands.known_at_all_doors if tenant.closed else self._commands.visible
        return replace(written, visible=await seen_by(positions) if cause.waits else None)

    async def _store(
        self,
        cause: Cause,
        written: Written,
        events: Sequence[TenantEvent],
        keyed: Keyed | None,
        admin: FirstAdmin | None,
    ) -> None:
        """Events, private rows and the answer in one transaction. The key is the caller's, also in another tenant."""
        tenant, before = written.tenant, written.version - len(events)
        row = store.TenantRow(written.tenant_id, tenant.slug, tenant.name, tenant.settings)
        appends: list[StreamAppend] = [StreamAppend(_stream(row.tenant_id), before, events)]
        if admin:
            registered = decide_user([], _registration(admin, cause.actor, tenant.created_at))
            appends.append(StreamAppend(_user(row.tenant_id, admin), 0, registered))
        try:
            async with self._commands.pool.connection() as connection, connection.transaction():
                await self._commands.events.append_in(
                    connection, cause.command_id, appends, cause.metadata, keyed, whose=cause.tenant_id
                )
                if before == 0:
                    await store.insert_tenant(connection, row)
                elif not tenant.closed:  # what closing does to the row the append itself has done
                    await store.update_tenant(connection, row)
                if admin:
                    await _insert(connection, row.tenant_id, admin, tenant.created_at)
        except UniqueViolation as error:
            if error.diag.constraint_name not in ("tenant_slug_key", "tenant_pkey"):
                raise
            raise Rejected("slug_taken", "This slug is taken.") from error
        self._commands.directory.forget(row.tenant_id)  # other processes hear of it from the database
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


def _user(tenant_id: UUID, admin: FirstAdmin) -> Stream:
    return Stream(tenant_id, "user", admin.id)


def _registration(admin: FirstAdmin, by: UUID, at: datetime) -> RegisterUser:
    return RegisterUser(email=admin.email, name=admin.name, role=ADMIN, is_open=True, by=by, at=at)


async def _insert(connection: Connection, tenant_id: UUID, admin: FirstAdmin, at: datetime) -> None:
    await store.insert_account(
        connection,
        tenant_id=tenant_id,
        id_=admin.id,
        email=admin.email,
        name=admin.name,
        role=ADMIN,
        password_hash=admin.password_hash,
        at=at,
    )
