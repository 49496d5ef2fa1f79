"""Who comes next: commands that wait for a transaction, taken in turns by tenant."""

from collections import OrderedDict, deque
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar
from uuid import UUID

LOOK_BEHIND: Final = 64
"""So many of a tenant's commands are looked at for one that shares no claim with those under way."""


class Overloaded(Exception):
    """More commands wait than may: come again later."""


@dataclass(frozen=True, slots=True)
class Caps:
    """How many commands one transaction takes, of all and of one tenant; how many transactions are under way at once;
    and how many commands may wait."""

    batch: int
    of_tenant: int
    at_once: int
    waiting: int
    waiting_of_tenant: int


class Claimant(Protocol):
    """What can wait: a tenant's, with claims that it shares with nobody under way; `gone` when nobody wants it more."""

    @property
    def tenant_id(self) -> UUID: ...
    @property
    def claims(self) -> Iterable[Hashable]: ...
    @property
    def gone(self) -> bool: ...


C = TypeVar("C", bound=Claimant)


class Line(Generic[C]):
    """First come, first served within a tenant; between tenants in turns."""

    def __init__(self, caps: Caps) -> None:
        self._caps = caps
        self._waiting: OrderedDict[UUID, deque[C]] = OrderedDict()
        self._claimed: set[Hashable] = set()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def heads(self) -> Iterator[tuple[UUID, C]]:
        """The first of each tenant that waits."""
        return ((tenant_id, waiting[0]) for tenant_id, waiting in self._waiting.items())

    def push(self, one: C) -> None:
        """Let it wait. Raises Overloaded."""
        own = self._waiting.get(one.tenant_id)
        if self._count >= self._caps.waiting or (own and len(own) >= self._caps.waiting_of_tenant):
            raise Overloaded
        if own is None:
            own = self._waiting[one.tenant_id] = deque()
        own.append(one)
        self._count += 1

    def take(self, most: int | None = None) -> list[C]:
        """The next batch. Its claims are taken until they are given back by `release`."""
        batch: list[C] = []
        most = min(most or self._caps.batch, self._caps.batch)
        turn = list(self._waiting)
        for _ in range(self._caps.of_tenant):
            if not turn or len(batch) >= most:
                break
            turn = [one for one in turn if len(batch) < most and self._take_one(one, batch)]
        return batch

    def take_all(self) -> list[C]:
        """Everything that waits: for when nothing can be done for any of it."""
        everything = [one for waiting in self._waiting.values() for one in waiting]
        self._waiting.clear()
        self._count = 0
        return everything

    def release(self, one: C) -> None:
        """What it claimed is free again."""
        self._claimed.difference_update(one.claims)

    def _take_one(self, tenant_id: UUID, batch: list[C]) -> bool:
        """Whether one of the tenant's was added; who was served goes behind those who were not."""
        waiting = self._waiting[tenant_id]
        taken, place = False, 0
        while not taken and place < min(len(waiting), LOOK_BEHIND):
            one = waiting[place]
            if one.gone or self._claimed.isdisjoint(one.claims):
                del waiting[place]
                self._count -= 1
                if not one.gone:
                    self._claimed.update(one.claims)
                    batch.append(one)
                    taken = True
            else:
                place += 1
        if waiting:
            self._waiting.move_to_end(tenant_id)
        else:
            del self._waiting[tenant_id]
            return False
        return taken
