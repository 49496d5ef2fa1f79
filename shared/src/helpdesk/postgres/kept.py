"""Rows that are kept in memory for a few seconds, and until the database tells that they have changed."""

import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final, Generic, NamedTuple, TypeVar
from uuid import UUID

KEPT_S: Final = 5.0
MOST: Final = 10_000
V = TypeVar("V")


class Mark(NamedTuple):
    """A moment before something is read: how often was forgotten until then, and when it was."""

    forgotten: int
    at_s: float


class Kept(Generic[V]):
    """Rows by tenant and id, the longest kept going first. What is being read while something is forgotten may be old
    and is not kept."""

    def __init__(self) -> None:
        self._rows: OrderedDict[tuple[UUID, UUID], tuple[float, V]] = OrderedDict()
        self._ids: dict[UUID, set[UUID]] = {}  # by tenant, so that a change costs no look at everybody's rows
        self._forgotten = 0

    @property
    def mark(self) -> Mark:
        """Now; to be taken before rows are read that are to be kept."""
        return Mark(self._forgotten, time.monotonic())

    def get(self, tenant_id: UUID, id_: UUID, younger_than_s: float = KEPT_S) -> V | None:
        """The row, if it is kept and not too old."""
        kept = self._rows.get((tenant_id, id_))
        return kept[1] if kept and time.monotonic() - kept[0] < younger_than_s else None

    def keep(self, tenant_id: UUID, rows: Mapping[UUID, V], mark: Mark) -> None:
        """Rows that were read since `mark` was taken."""
        if mark.forgotten != self._forgotten:
            return
        for id_, row in rows.items():
            self._rows[tenant_id, id_] = (mark.at_s, row)
            self._rows.move_to_end((tenant_id, id_))
            self._ids.setdefault(tenant_id, set()).add(id_)
        while len(self._rows) > MOST:
            (whose, oldest), _ = self._rows.popitem(last=False)
            self._ids[whose].discard(oldest)
            if not self._ids[whose]:
                del self._ids[whose]

    def forget(self, tenant_id: UUID | None) -> None:
        """Nothing that was kept of a tenant (None: of anybody) counts any more."""
        self._forgotten += 1
        if tenant_id is None:
            self._rows.clear()
            self._ids.clear()
        else:
            for id_ in self._ids.pop(tenant_id, ()):
                del self._rows[tenant_id, id_]
