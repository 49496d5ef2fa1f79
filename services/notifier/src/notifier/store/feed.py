"""What people read and change: their own, within their tenant."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from helpdesk.auth.tokens import Principal
from helpdesk.eventstore.idempotency import Answer, Key, complete, take
from helpdesk.paging.cursor import Place
from helpdesk.paging.order import Order
from helpdesk.paging.page import Paging
from helpdesk.paging.window import Total, window
from helpdesk.postgres.pool import Pool
from helpdesk.postgres.tenant import Statement, Within, read
from notifier.domain.notice import NoticeType
from notifier.store import SCHEMA

# One's own; an internal note only while one is staff: by the directory, or by the token where it does not know yet.
_OWN: Final = """n.tenant_id = %(tenant)s and n.user_id = %(user)s
  and (not n.is_internal or coalesce(
        (select p.role from notices.person p where p.tenant_id = %(tenant)s and p.id = %(user)s),
        %(role)s) in ('AGENT', 'ADMIN'))"""

# Spelled out, so that the partial index of the unread serves.
_READ: Final = {None: "", True: "and n.is_read", False: "and not n.is_read"}
_TYPED: Final = "and (%(type)s::text is null or n.type = %(type)s)"

_COLUMNS: Final = """n.id, n.type, n.user_id, n.title, n.message, n.data, n.is_read, n.created_at, n.actor_id,
       a.email as actor_email, a.name as actor_name"""
_ACTOR: Final = "left join notices.person a on a.tenant_id = n.tenant_id and a.id = n.actor_id"

PAGE: Final = f"""
select {_COLUMNS}
from (select * from notices.notification n where {_OWN} {{read}} {_TYPED} {{condition}} {{order_by}} {{limit}}) n
{_ACTOR}
{{order_by}}"""

COUNT: Final = f"select count(*) as total from notices.notification n where {_OWN} {{read}} {_TYPED}"

MARK_READ: Final = f"""
with n as (
    update notices.notification n set is_read = true where {_OWN} and n.id = %(id)s returning n.*)
select {_COLUMNS} from n {_ACTOR}"""

MARK_ALL_READ: Final = f"""
with n as (
    update notices.notification n set is_read = true where {_OWN} and not n.is_read returning n.id)
select count(*) as total from n"""

DELETE: Final = f"delete from notices.notification n where {_OWN} and n.id = %(id)s returning n.id"
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which notifications; None: all."""

    is_read: bool | None = None
    type: NoticeType | None = None


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
class Deleted:
    """A notification that is gone."""

    id: UUID


@dataclass(frozen=True, slots=True)
class UnderKey(Generic[R]):
    """An idempotency key, and the answer that a changed row makes."""

    key: Key
    answer: Callable[[R], Answer]


def page(reader: Principal, wanted: Filter, paging: Paging) -> Statement[NotificationRow]:
    """A page of the reader's notifications, and one more where there is one."""
    part = window(paging)
    sql = PAGE.format(read=_READ[wanted.is_read], condition=part.condition, order_by=part.order_by, limit=part.limit)
    return Statement(sql, NotificationRow, {**_of(reader), "type": wanted.type, **part.params})


def total(reader: Principal, wanted: Filter) -> Statement[Total]:
    """How many of the reader's notifications match: counted, never kept."""
    return Statement(COUNT.format(read=_READ[wanted.is_read]), Total, {**_of(reader), "type": wanted.type})


def place_of(row: NotificationRow, order: Order) -> Place:
    """Where a notification stands; there is no order but that of time."""
    return Place(order, row.created_at, row.id)


async def count(pool: Pool, within: Within, reader: Principal, wanted: Filter) -> int:
    """How many of the reader's notifications match."""
    rows = await read(pool, within, total(reader, wanted))
    return rows[0].total


async def mark_read(
    pool: Pool, reader: Principal, id_: UUID, kept: UnderKey[NotificationRow] | None = None
) -> NotificationRow | None:
    """The notification, read from now on; None when it is not the reader's. Here and below: with `kept` KeyAnswered,
    KeyReused, KeyInFlight."""
    return await _changed(pool, reader, Statement(MARK_READ, NotificationRow, _of(reader) | {"id": id_}), kept)


async def mark_all_read(pool: Pool, reader: Principal, kept: UnderKey[Total] | None = None) -> int:
    """How many became read."""
    changed = await _changed(pool, reader, Statement(MARK_ALL_READ, Total, _of(reader)), kept)
    return changed.total if changed else 0


async def delete(pool: Pool, reader: Principal, id_: UUID, kept: UnderKey[Deleted] | None = None) -> bool:
    """Whether there was one to delete."""
    return await _changed(pool, reader, Statement(DELETE, Deleted, _of(reader) | {"id": id_}), kept) is not None


async def _changed(pool: Pool, reader: Principal, change: Statement[R], kept: UnderKey[R] | None) -> R | None:
    """The row that a change returns; None when it found nothing to change, and then no answer is kept."""
    if kept is None:  # one statement with its tenant in one round trip, which is one transaction
        rows = await read(pool, reader.tenant_id, change)
        return rows[0] if rows else None
    async with pool.connection() as connection, connection.transaction():
        await take(connection, SCHEMA, reader.tenant_id, kept.key)
        cursor = connection.cursor(row_factory=class_row(change.row))
        await cursor.execute(change.sql, change.params)
        row = await cursor.fetchone()
        if row is None:
            raise psycopg.Rollback  # which ends the block, and the key is free
        await complete(connection, SCHEMA, reader.tenant_id, kept.key, kept.answer(row))
    return row


def _of(reader: Principal) -> dict[str, Any]:
    return {"tenant": reader.tenant_id, "user": reader.user_id, "role": reader.role}
