"""Idempotency keys: a command that comes again under its key is answered as the first time (behaviours §2)."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Final
from uuid import UUID

from helpdesk.postgres.pool import UNAVAILABLE, Connection, Pool
from helpdesk.postgres.tenant import SET_TENANT, Statement, read
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


REFUSED: Final[Mapping[str, type[Exception]]] = {
    "in_flight": KeyInFlight,
    "answered": KeyAnswered,
    "reused": KeyReused,
}
"""What SQL says of a key that it does not give."""


@dataclass(frozen=True, slots=True)
class Key:
    """A client's key and where it counts. `fingerprint` is the digest of what was sent under it.

    `redactions`: how often something of the tenant had been redacted when the key was looked up, None: never. Where it
    was more often by the time of the append, the answer may show what is gone, and is kept without its body.
    """

    principal: str
    method: str
    path: str
    key: str
    fingerprint: bytes
    redactions: int | None = field(default=None, compare=False)


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
class Looked:
    """What stands under a key, None when nothing does (any more), and the tenant's redactions until then."""

    answer: Answer | None
    redactions: int | None


@dataclass(frozen=True, slots=True)
class _Row:
    redactions: int | None
    fingerprint: bytes | None
    status: int | None
    body: bytes | None
    etag: str | None
    token: str | None
    location: str | None


class Answers:
    """The answers that one owner keeps. `counts` its redactions: not where keys are taken before anything is read."""

    def __init__(self, pool: Pool, schema: str, *, counts: bool = True) -> None:
        self._pool = pool
        redactions = (
            f"(select times from {schema}.redacted where tenant_id = %(tenant_id)s)" if counts else "null::bigint"
        )
        self._look = f"""
            select {redactions} as redactions, i.fingerprint, i.status, i.body, i.etag, i.token, i.location
            from (select) as one left join {schema}.idempotency i
              on i.tenant_id = %(tenant_id)s and i.principal = %(principal)s and i.method = %(method)s
                 and i.path = %(path)s and i.key = %(key)s and i.expires_at > clock_timestamp()"""
        self._forget: str = f"select {schema}.forget_answers(%s)"

    async def find(self, tenant_id: UUID, key: Key) -> Answer | None:
        """The answer that stands under `key`, None when there is none (any more). Raises KeyReused."""
        return (await self.look(tenant_id, key)).answer

    async def look(self, tenant_id: UUID, key: Key) -> Looked:
        """What stands under `key`: to be asked before anything is read for an answer. Raises KeyReused."""
        params = {
            "tenant_id": tenant_id,
            "principal": key.principal,
            "method": key.method,
            "path": key.path,
            "key": key.key,
        }
        (row,) = await read(self._pool, tenant_id, Statement(self._look, _Row, params))
        if row.status is None:
            return Looked(None, row.redactions)
        if row.fingerprint != key.fingerprint:
            raise KeyReused
        return Looked(Answer(row.status, row.body, row.etag, row.token, row.location), row.redactions)

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


async def take(connection: Connection, schema: str, tenant_id: UUID, key: Key, kept_s: float = KEPT_S) -> None:
    """Take a key for the caller's transaction, which appends nothing, and enter the tenant; then change its rows, and
    `complete`. A transaction that fails gives the key back. Raises KeyInFlight, KeyReused, KeyAnswered."""
    await connection.execute(SET_TENANT, (str(tenant_id),))
    statement = f"""
        select {schema}.take_key(%(tenant_id)s, %(principal)s, %(method)s, %(path)s, %(key)s, %(fingerprint)s,
                                 %(kept_s)s)"""
    cursor = await connection.execute(statement, asdict(key) | {"tenant_id": tenant_id, "kept_s": kept_s})
    row = await cursor.fetchone()
    if row and row[0]:
        raise REFUSED[row[0]]


async def complete(connection: Connection, schema: str, tenant_id: UUID, key: Key, answer: Answer) -> None:
    """Say what is kept, in the transaction whose append was keyed: for answers that show what only this one makes."""
    statement = f"""
        update {schema}.idempotency set
            status = %(status)s, body = %(body)s, etag = %(etag)s, token = %(token)s, location = %(location)s
        where tenant_id = %(tenant_id)s and principal = %(principal)s and method = %(method)s and path = %(path)s
          and key = %(key)s"""
    await connection.execute(statement, asdict(answer) | asdict(key) | {"tenant_id": tenant_id})
