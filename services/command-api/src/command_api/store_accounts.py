"""The private rows of accounts: who may act now, credentials, refresh tokens."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg.rows import class_row

from command_api.store import enter_tenant
from helpdesk.folds.user import User
from helpdesk.postgres.pool import Connection, Pool
from helpdesk.postgres.tenant import Statement, read

ACTIVE_ADMINS: Final = """
select count(*) as total from events.person
where tenant_id = %(tenant_id)s and role = 'ADMIN' and enabled and not invited and id <> %(id)s"""
# Who takes an admin away waits here for whoever does the same: each then counts what the other has left.
TAKE_TURN: Final = "select from events.tenant where tenant_id = %(tenant_id)s for update"
UPDATE_PERSON: Final = """
update events.person set
    name = %(name)s, role = %(role)s, enabled = %(enabled)s, invited = %(invited)s, updated_at = %(updated_at)s,
    valid_from = coalesce(%(valid_from)s, created_at), sessions_from = %(sessions_from)s, version = %(version)s
where tenant_id = %(tenant_id)s and id = %(id)s"""
CREDENTIAL: Final = """
select password_hash from events.credential where tenant_id = %(tenant_id)s and user_id = %(id)s"""
REPLACE_CREDENTIAL: Final = """
update events.credential set password_hash = %(password_hash)s
where tenant_id = %(tenant_id)s and user_id = %(id)s and (%(former)s::text is null or password_hash = %(former)s)"""
REFRESH: Final = """
select tenant_id, user_id, created_at, expires_at, family, used_at from events.refresh_token_by_hash(%s)"""
INSERT_REFRESH: Final = """
insert into events.refresh_token (token_hash, tenant_id, user_id, created_at, expires_at, family)
values (%(token_hash)s, %(tenant_id)s, %(user_id)s, %(created_at)s, %(expires_at)s, %(family)s)"""
USE_REFRESH: Final = """
update events.refresh_token set used_at = %(at)s
where tenant_id = %(tenant_id)s and token_hash = %(token_hash)s and used_at is null"""
END_FAMILY: Final = "delete from events.refresh_token where tenant_id = %(tenant_id)s and family = %(family)s"
END_SESSIONS: Final = "delete from events.refresh_token where tenant_id = %(tenant_id)s and user_id = %(id)s"


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A token by its row; `used_at` is set when it was a one-shot token and has had its shot."""

    tenant_id: UUID
    user_id: UUID
    created_at: datetime
    expires_at: datetime
    family: UUID
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Total:
    total: int


@dataclass(frozen=True, slots=True)
class _Credential:
    password_hash: str


async def other_admins(pool: Pool, tenant_id: UUID, user_id: UUID) -> int:
    """How many active admins the tenant has besides this one."""
    found = await read(pool, tenant_id, Statement(ACTIVE_ADMINS, _Total, {"tenant_id": tenant_id, "id": user_id}))
    return found[0].total


async def other_admins_in_turn(connection: Connection, tenant_id: UUID, user_id: UUID) -> int:
    """The same within the transaction that takes one away, and nobody else does so at this moment."""
    params = {"tenant_id": tenant_id, "id": user_id}
    await connection.execute(TAKE_TURN, params)
    cursor = connection.cursor(row_factory=class_row(_Total))
    await cursor.execute(ACTIVE_ADMINS, params)
    return (await cursor.fetchall())[0].total


async def update_person(connection: Connection, tenant_id: UUID, user_id: UUID, user: User, version: int) -> None:
    """The row as the stream says at `version`."""
    standing = user.standing
    params = {
        "tenant_id": tenant_id,
        "id": user_id,
        "name": user.name,
        "role": standing.role,
        "enabled": standing.enabled,
        "invited": user.invited,
        "updated_at": user.updated_at,
        "valid_from": standing.valid_from,
        "sessions_from": standing.sessions_from,
        "version": version,
    }
    await connection.execute(UPDATE_PERSON, params)


async def password_hash(pool: Pool, tenant_id: UUID, user_id: UUID) -> str | None:
    """The hash of an account's password."""
    found = await read(pool, tenant_id, Statement(CREDENTIAL, _Credential, {"tenant_id": tenant_id, "id": user_id}))
    return found[0].password_hash if found else None


async def replace_credential(
    connection: Connection, tenant_id: UUID, user_id: UUID, new_hash: str, former: str | None = None
) -> None:
    """Another hash; with `former` only where that one still stands."""
    params = {"tenant_id": tenant_id, "id": user_id, "password_hash": new_hash, "former": former}
    await connection.execute(REPLACE_CREDENTIAL, params)


async def rehash(pool: Pool, tenant_id: UUID, user_id: UUID, former: str, new_hash: str) -> None:
    """The same password under a newer hash."""
    async with pool.connection() as connection, connection.transaction():
        await enter_tenant(connection, tenant_id)
        await replace_credential(connection, tenant_id, user_id, new_hash, former)


async def refresh_token(pool: Pool, token_hash: bytes) -> RefreshToken | None:
    """A refresh token by its hash."""
    async with pool.connection() as connection:
        cursor = connection.cursor(row_factory=class_row(RefreshToken))
        await cursor.execute(REFRESH, (token_hash,))
        return await cursor.fetchone()


async def keep_refresh_token(pool: Pool, token_hash: bytes, token: RefreshToken) -> None:
    """A refresh token, by its hash alone."""
    async with pool.connection() as connection, connection.transaction():
        await enter_tenant(connection, token.tenant_id)
        await _insert(connection, token_hash, token)


async def rotate(pool: Pool, former_hash: bytes, token_hash: bytes, token: RefreshToken) -> bool:
    """`token` in place of the former one. False when that one was used before: its whole family has ended then."""
    async with pool.connection() as connection, connection.transaction():
        await enter_tenant(connection, token.tenant_id)
        params = {"tenant_id": token.tenant_id, "token_hash": former_hash, "at": token.created_at}
        if (await connection.execute(USE_REFRESH, params)).rowcount:
            await _insert(connection, token_hash, token)
            return True
        await connection.execute(END_FAMILY, {"tenant_id": token.tenant_id, "family": token.family})
        return False


async def end_sessions(connection: Connection, tenant_id: UUID, user_id: UUID) -> None:
    """No refresh token of this account counts any more."""
    await connection.execute(END_SESSIONS, {"tenant_id": tenant_id, "id": user_id})


async def _insert(connection: Connection, token_hash: bytes, token: RefreshToken) -> None:
    params = {
        "token_hash": token_hash,
        "tenant_id": token.tenant_id,
        "user_id": token.user_id,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "family": token.family,
    }
    await connection.execute(INSERT_REFRESH, params)
