"""The private rows of the command API: people, credentials, refresh tokens, tenants, numbers, places of comments."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Json

from command_api.domain.tenant_settings import admits_strangers
from helpdesk.auth.standing import Known
from helpdesk.postgres.pool import Connection, Pool
from helpdesk.postgres.tenant import Statement, read

LOGINS: Final = "select tenant_id, slug, user_id, password_hash from events.logins_by_address(%s)"
TENANT: Final = "select tenant_id, slug, name, settings from events.tenant_by_slug_or_id(%s, %s)"
CLOSED_TENANTS: Final = (
    "select tenant_id from events.tenant where closed_at <= clock_timestamp() - %s order by closed_at"
)
PEOPLE: Final = """
select id, email, name, role, enabled, created_at, updated_at, invited, valid_from, sessions_from
from events.person where tenant_id = %(tenant_id)s and id = any(%(ids)s)"""
KNOWN: Final = """
select not exists (select from events.tenant where tenant_id = %(tenant_id)s and closed_at is null) as closed,
       p.role, p.enabled, p.valid_from, p.sessions_from
from (select 1) one left join events.person p on p.tenant_id = %(tenant_id)s and p.id = %(id)s"""
COMMENT_PLACE: Final = """
select ticket_id from events.comment_place where tenant_id = %(tenant_id)s and comment_id = %(comment_id)s"""
TAKE_NUMBERS: Final = "select events.take_ticket_numbers(%s, %s)"
MEND_NUMBERS: Final = "select events.mend_ticket_numbers(%s)"
INSERT_TENANT: Final = "insert into events.tenant (tenant_id, slug, name, settings) values (%s, %s, %s, %s)"
UPDATE_TENANT: Final = "update events.tenant set slug = %s, name = %s, settings = %s where tenant_id = %s"
INSERT_PERSON: Final = """
insert into events.person
    (tenant_id, id, email, name, role, enabled, valid_from, created_at, updated_at, version, invited)
values (%(tenant_id)s, %(id)s, %(email)s, %(name)s, %(role)s, true, %(at)s, %(at)s, %(at)s, 1, %(invited)s)"""
INSERT_CREDENTIAL: Final = """
insert into events.credential (tenant_id, user_id, address, password_hash)
values (%(tenant_id)s, %(id)s, lower(%(email)s), %(password_hash)s)"""
SET_TENANT: Final = "select set_config('app.tenant', %s, true)"


@dataclass(frozen=True, slots=True)
class Login:
    """One account of an address."""

    tenant_id: UUID
    slug: str
    user_id: UUID
    password_hash: str


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant as its private row tells."""

    tenant_id: UUID
    slug: str
    name: str
    settings: Mapping[str, Any]

    @property
    def is_open(self) -> bool:
        """Whether strangers may register."""
        return admits_strangers(self.settings)


@dataclass(frozen=True, slots=True)
class Person:
    """A user as the command API knows them now."""

    id: UUID
    email: str
    name: str
    role: str
    enabled: bool
    created_at: datetime
    updated_at: datetime
    invited: bool = False
    valid_from: datetime | None = None
    sessions_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    ticket_id: UUID


async def logins(pool: Pool, address: str) -> list[Login]:
    """Every account of an address, over all tenants."""
    async with pool.connection() as connection:
        cursor = connection.cursor(row_factory=class_row(Login))
        await cursor.execute(LOGINS, (address,))
        return await cursor.fetchall()


async def tenant(pool: Pool, *, slug: str | None = None, id_: UUID | None = None) -> TenantRow | None:
    """A tenant by its slug or its id; a closed one is not found."""
    async with pool.connection() as connection:
        cursor = connection.cursor(row_factory=class_row(TenantRow))
        await cursor.execute(TENANT, (slug, id_))
        return await cursor.fetchone()


async def closed_tenants(pool: Pool, grace: timedelta) -> list[UUID]:
    """The tenants that were closed at least so long ago and stand still, for the operator's login alone."""
    async with pool.connection() as connection:
        cursor = await connection.execute(CLOSED_TENANTS, (grace,))
        return [id_ for (id_,) in await cursor.fetchall()]


async def people(pool: Pool, tenant_id: UUID, ids: Iterable[UUID]) -> dict[UUID, Person]:
    """Those of `ids` that exist in the tenant."""
    wanted = list(set(ids))
    found = await read(pool, tenant_id, Statement(PEOPLE, Person, {"tenant_id": tenant_id, "ids": wanted}))
    return {person.id: person for person in found}


async def known(pool: Pool, tenant_id: UUID, user_id: UUID) -> Known:
    """What is known of a tenant and a person, for the judgement of their token."""
    (found,) = await read(pool, tenant_id, Statement(KNOWN, Known, {"tenant_id": tenant_id, "id": user_id}))
    return found


async def ticket_of_comment(pool: Pool, tenant_id: UUID, comment_id: UUID) -> UUID | None:
    """The ticket in whose stream a comment lives."""
    params = {"tenant_id": tenant_id, "comment_id": comment_id}
    found = await read(pool, tenant_id, Statement(COMMENT_PLACE, _Place, params))
    return found[0].ticket_id if found else None


async def take_numbers(pool: Pool, tenant_id: UUID, count: int) -> int:
    """The first of `count` new human numbers, in a short transaction of its own: creates never wait for each other."""
    async with pool.connection() as connection:
        cursor = await connection.execute(TAKE_NUMBERS, (tenant_id, count))
        row = await cursor.fetchone()
        if row is None:
            raise RuntimeError("take_ticket_numbers returned nothing")
        return int(row[0])


async def mend_numbers(pool: Pool, tenant_id: UUID) -> None:
    """Put the counter behind the highest number that exists (after a crash it may have stepped back)."""
    async with pool.connection() as connection:
        await connection.execute(MEND_NUMBERS, (tenant_id,))


async def insert_tenant(connection: Connection, row: TenantRow) -> None:
    """A new tenant's row. Violates `tenant_slug_key` when the slug is taken."""
    await connection.execute(INSERT_TENANT, (row.tenant_id, row.slug, row.name, Json(dict(row.settings))))


async def update_tenant(connection: Connection, row: TenantRow) -> None:
    """A tenant's row as it stands now. Violates `tenant_slug_key` when the slug is taken."""
    await connection.execute(UPDATE_TENANT, (row.slug, row.name, Json(dict(row.settings)), row.tenant_id))


async def insert_account(
    connection: Connection,
    *,
    tenant_id: UUID,
    id_: UUID,
    email: str,
    name: str,
    role: str,
    password_hash: str,
    at: datetime,
    invited: bool = False,
) -> None:
    """A new user's private rows. Violates `credential_address_key` when the address is taken."""
    params = {
        "tenant_id": tenant_id,
        "id": id_,
        "email": email,
        "name": name,
        "role": role,
        "password_hash": password_hash,
        "at": at,
        "invited": invited,
    }
    await connection.execute(INSERT_CREDENTIAL, params)
    await connection.execute(INSERT_PERSON, params)


async def enter_tenant(connection: Connection, tenant_id: UUID) -> None:
    """Bind the running transaction to a tenant."""
    await connection.execute(SET_TENANT, (str(tenant_id),))
