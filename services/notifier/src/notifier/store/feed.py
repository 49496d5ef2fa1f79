"""What people read and change: their own, within their tenant."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from helpdesk.auth.tokens import Principal
from helpdesk.postgres.pool import Pool
from helpdesk.postgres.tenant import Statement, read, read_all
from notifier.domain.notice import NoticeType

# One's own; an internal note only while one is staff: by the directory, or by the token where it does not know yet.
_OWN: Final = """n.tenant_id = %(tenant)s and n.user_id = %(user)s
  and (not n.is_internal or coalesce(
        (select p.role from notices.person p where p.tenant_id = %(tenant)s and p.id = %(user)s),
        %(role)s) in ('AGENT', 'ADMIN'))"""

_READ: Final = {None: "", True: "and n.is_read", False: "and not n.is_read"}
_TYPED: Final = "and (%(type)s::text is null or n.type = %(type)s)"

_COLUMNS: Final = """n.id, n.type, n.user_id, n.title, n.message, n.data, n.is_read, n.created_at, n.actor_id,
       a.email as actor_email, a.name as actor_name"""
_ACTOR: Final = "left join notices.person a on a.tenant_id = n.tenant_id and a.id = n.actor_id"

NEWEST_FIRST: Final = f"""
select {_COLUMNS} from notices.notification n {_ACTOR}
where {_OWN} {{read}} {_TYPED}
  and (n.created_at, n.id) < (%(at)s::timestamptz, %(id)s::uuid)
order by n.created_at desc, n.id desc limit %(limit)s offset %(offset)s"""

OLDEST_FIRST: Final = f"""
select {_COLUMNS} from notices.notification n {_ACTOR}
where {_OWN} {{read}} {_TYPED}
  and (n.created_at, n.id) > (%(at)s::timestamptz, %(id)s::uuid)
order by n.created_at, n.id limit %(limit)s offset %(offset)s"""

COUNT: Final = f"select count(*) from notices.notification n where {_OWN} {{read}} {_TYPED}"

MARK_READ: Final = f"""
with n as (
    update notices.notification n set is_read = true where {_OWN} and n.id = %(id)s returning n.*)
select {_COLUMNS} from n {_ACTOR}"""

MARK_ALL_READ: Final = f"""
with n as (
    update notices.notification n set is_read = true where {_OWN} and not n.is_read returning n.id)
select count(*) from n"""

DELETE: Final = f"""
with n as (delete from notices.notification n where {_OWN} and n.id = %(id)s returning n.id)
select count(*) from n"""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which notifications; None: all."""

    is_read: bool | None = None
    type: NoticeType | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a notification stands in the order. `at` is a time as PostgreSQL reads it."""

    at: str
    id: UUID


FUTURE: Final = Place("infinity", UUID(int=2**128 - 1))
PAST: Final = Place("-infinity", UUID(int=0))


@dataclass(frozen=True, slots=True)
class NotificationRow:
    """A notification with its actor's name; the actor is None while their account has not arrived."""

    id: UUID
    type: str
    user_id: UUID
    title: str
    message: str
    data: dict[str, str | int]
    is_read: bool
    created_at: datetime
    actor_id: UUID
    actor_email: str | None
    actor_name: str | None


@dataclass(frozen=True, slots=True)
class _Count:
    count: int


async def newest(
    pool: Pool, reader: Principal, wanted: Filter, limit: int, before: Place = FUTURE
) -> list[NotificationRow]:
    """At most `limit` of the reader's notifications before a place, newest first."""
    return await read(pool, reader.tenant_id, _listing(NEWEST_FIRST, reader, wanted, before, limit))


async def oldest(
    pool: Pool, reader: Principal, wanted: Filter, limit: int, after: Place = PAST
) -> list[NotificationRow]:
    """At most `limit` of the reader's notifications after a place, oldest first."""
    return await read(pool, reader.tenant_id, _listing(OLDEST_FIRST, reader, wanted, after, limit))


async def page(
    pool: Pool, reader: Principal, wanted: Filter, *, newest_first: bool, limit: int, offset: int
) -> tuple[list[NotificationRow], int]:
    """One page, and how many there are in all."""
    sql, place = (NEWEST_FIRST, FUTURE) if newest_first else (OLDEST_FIRST, PAST)
    rows, counts = await read_all(
        pool, reader.tenant_id, _listing(sql, reader, wanted, place, limit, offset), _counting(reader, wanted)
    )
    return rows, int(counts[0].count)


async def count(pool: Pool, reader: Principal, wanted: Filter) -> int:
    """How many of the reader's notifications match: counted, never kept."""
    rows = await read(pool, reader.tenant_id, _counting(reader, wanted))
    return rows[0].count


# `read` sends one statement with its tenant in one transaction: one that changes rows is committed by it.


async def mark_read(pool: Pool, reader: Principal, id_: UUID) -> NotificationRow | None:
    """The notification, read from now on; None when it is not the reader's."""
    rows = await read(pool, reader.tenant_id, Statement(MARK_READ, NotificationRow, _of(reader) | {"id": id_}))
    return rows[0] if rows else None


async def mark_all_read(pool: Pool, reader: Principal) -> int:
    """How many became read."""
    rows = await read(pool, reader.tenant_id, Statement(MARK_ALL_READ, _Count, _of(reader)))
    return rows[0].count


async def delete(pool: Pool, reader: Principal, id_: UUID) -> bool:
    """Whether there was one to delete."""
    rows = await read(pool, reader.tenant_id, Statement(DELETE, _Count, _of(reader) | {"id": id_}))
    return rows[0].count > 0


def _listing(
    sql: str, reader: Principal, wanted: Filter, place: Place, limit: int, offset: int = 0
) -> Statement[NotificationRow]:
    params = {"type": wanted.type, "at": place.at, "id": place.id, "limit": limit, "offset": offset}
    return Statement(sql.format(read=_READ[wanted.is_read]), NotificationRow, _of(reader) | params)


def _counting(reader: Principal, wanted: Filter) -> Statement[_Count]:
    return Statement(COUNT.format(read=_READ[wanted.is_read]), _Count, _of(reader) | {"type": wanted.type})


def _of(reader: Principal) -> dict[str, Any]:
    return {"tenant": reader.tenant_id, "user": reader.user_id, "role": reader.role}
