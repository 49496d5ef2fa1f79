"""Idempotency keys: a command that comes again under its key is answered as the first time (behaviours §2)."""

from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Final
from uuid import UUID

from helpdesk.postgres.pool import UNAVAILABLE, Connection, Pool
from helpdesk.postgres.tenant import Statement, read
from helpdesk.tasks import pause

KEPT_S: Final = 86_400.0
"""How long an answer is kept."""
FORGOTTEN_AT_ONCE: Final = 1000
FORGET_EVERY_S: Final = 600.0


class KeyInFlight(Exception):
    """A command of the same key is being carried out at this moment: ask again."""


class KeyReused(Exception):
    """The key was used before, for another request."""


class KeyAnswered(Exception):
    """The key was answered before, to the same request: `Answers.find` has the answer."""


@dataclass(frozen=True, slots=True)
class Key:
    """A client's key and where it counts. `fingerprint` is the digest of what was sent under it."""

    principal: str
    method: str
    path: str
    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered. `body` is given back as it was given, so a secret in it must come encrypted."""

    status: int
    body: bytes | None = None
    etag: str | None = None
    token: str | None = None
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Keyed:
    """An answer that is to be kept under a key, in the transaction of the command's events."""

    key: Key
    answer: Answer
    kept_s: float = KEPT_S


@dataclass(frozen=True, slots=True)
class _Row:
    fingerprint: bytes
    status: int
    body: bytes | None
    etag: str | None
    token: str | None
    location: str | None


class Answers:
    """The answers that one owner keeps."""

    def __init__(self, pool: Pool, schema: str) -> None:
        self._pool = pool
        self._find = f"""
            select fingerprint, status, body, etag, token, location from {schema}.idempotency
            where tenant_id = %(tenant_id)s and principal = %(principal)s and method = %(method)s
              and path = %(path)s and key = %(key)s and expires_at > clock_timestamp()"""
        self._forget: str = f"select {schema}.forget_answers(%s)"

    async def find(self, tenant_id: UUID, key: Key) -> Answer | None:
        """The answer that stands under `key`, None when there is none (any more). Raises KeyReused."""
        params = {
            "tenant_id": tenant_id,
            "principal": key.principal,
            "method": key.method,
            "path": key.path,
            "key": key.key,
        }
        found = await read(self._pool, tenant_id, Statement(self._find, _Row, params))
        if not found:
            return None
        (row,) = found
        if row.fingerprint != key.fingerprint:
            raise KeyReused
        return Answer(row.status, row.body, row.etag, row.token, row.location)

    async def forgetting(self) -> None:
        """Delete what has expired, for ever."""
        while True:
            with suppress(*UNAVAILABLE):
                await self.forget()
            await pause(FORGET_EVERY_S)

    async def forget(self) -> int:
        """Delete what has expired, of every tenant; how many."""
        gone = 0
        while True:
            async with self._pool.connection() as connection:
                cursor = await connection.execute(self._forget, (FORGOTTEN_AT_ONCE,))
                row = await cursor.fetchone()
            count = int(row[0]) if row else 0
            gone += count
            if count < FORGOTTEN_AT_ONCE:
                return gone


async def complete(connection: Connection, schema: str, tenant_id: UUID, key: Key, answer: Answer) -> None:
    """Say what is kept, in the transaction whose append was keyed: for answers that show what only this one makes."""
    statement = f"""
        update {schema}.idempotency set
            status = %(status)s, body = %(body)s, etag = %(etag)s, token = %(token)s, location = %(location)s
        where tenant_id = %(tenant_id)s and principal = %(principal)s and method = %(method)s and path = %(path)s
          and key = %(key)s"""
    await connection.execute(statement, asdict(answer) | asdict(key) | {"tenant_id": tenant_id})
