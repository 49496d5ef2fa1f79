"""Rows that are kept in memory for a few seconds, and until the database tells that they have changed."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final, Generic, NoReturn, TypeVar
from uuid import UUID

import psycopg

from helpdesk.postgres.pool import connect
from helpdesk.tasks import pause

log = logging.getLogger(__name__)
KEPT_S: Final = 5.0
MOST: Final = 10_000
V = TypeVar("V")


class Kept(Generic[V]):
    """Rows by tenant and id, the longest kept going first. `mark` changes with every `forget`: what was being read
    meanwhile may be old and is not kept."""

    def __init__(self) -> None:
        self._rows: OrderedDict[tuple[UUID, UUID], tuple[float, V]] = OrderedDict()
        self.mark = 0

    def get(self, tenant_id: UUID, id_: UUID) -> V | None:
        """The row, if it is kept and not too old."""
        kept = self._rows.get((tenant_id, id_))
        return kept[1] if kept and kept[0] > time.monotonic() else None

    def keep(self, tenant_id: UUID, rows: Mapping[UUID, V], mark: int) -> None:
        """Rows that were read since `mark` was taken."""
        if mark != self.mark:
            return
        until = time.monotonic() + KEPT_S
        for id_, row in rows.items():
            self._rows[tenant_id, id_] = (until, row)
            self._rows.move_to_end((tenant_id, id_))
        while len(self._rows) > MOST:
            self._rows.popitem(last=False)

    def forget(self, tenant_id: UUID | None) -> None:
        """Nothing that was kept of a tenant (None: of anybody) counts any more."""
        self.mark += 1
        for key in [key for key in self._rows if tenant_id is None or key[0] == tenant_id]:
            del self._rows[key]


async def hear_changes(dsn: str, channel: str, forget: Callable[[UUID | None], None]) -> NoReturn:
    """Tell `forget` of every tenant that is told on `channel`, for ever. While nobody can be heard, rows are `KEPT_S`
    old at most all the same."""
    while True:
        try:
            async with await connect(dsn, name=channel.replace("_", "-")) as connection:
                await connection.execute(f"listen {channel}")
                forget(None)  # what changed while nobody listened
                async for change in connection.notifies():
                    forget(UUID(change.payload))
        except (psycopg.Error, OSError, ValueError) as error:
            log.warning("cannot hear of changed rows", extra={"channel": channel, "error": str(error)})
        await pause(1.0)
