"""Reads what Kafka does not have from the store's feed, through the same guarded handler."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from helpdesk.consumer.apply import Applier
from helpdesk.consumer.batch import Received, Taken
from helpdesk.consumer.history import History
from helpdesk.consumer.places import Bus, replayed
from helpdesk.consumer.store import Progress
from helpdesk.recorded import Cursor

PAGE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Replay:
    """`standing` is what the database has, and moves with the pages; `breathe` is called between them, for Kafka."""

    applier: Applier
    history: History
    bus: Bus
    standing: dict[int, Progress]
    ours: Callable[[], bool]
    breathe: Callable[[], Awaitable[None]]

    async def run(self, starts: Mapping[int, Cursor]) -> bool:
        """Partition → where it begins, each to the end of what the store has. False: they are not ours any more.

        All of them in one pass when they are the whole topic: a pass reads past the other partitions' events.
        """
        if len(starts) == self.bus.partitions and len(set(starts.values())) == 1:
            return await self._pass(min(starts.values()), 1, 0)
        for number, after in starts.items():
            if not await self._pass(after, self.bus.partitions, number):
                return False
        return self.ours()

    async def _pass(self, after: Cursor, divisor: int, remainder: int) -> bool:
        tail: list[Received] = []
        count = 0
        while page := await self.history.page(after, PAGE, divisor, remainder):
            taken = Taken(tail)
            for event in page:
                number = event.stream.shard % self.bus.partitions
                taken.received.append(Received(number, count, event, self.bus.store_epoch))
                count += 1
                taken.ends[number] = count
            progress = partial(replayed, taken, standing=self.standing)
            applied = await self.applier.apply(taken, self.bus.topic_id, progress, self.ours)
            if applied is None or not self.ours():
                return False
            done, moved = applied
            self.standing.update({one.after.partition: one.after for one in moved})
            tail, after = list(done.tail), page[-1].cursor
            self.applier.state.replay(len(page))
            await self.breathe()
        return self.ours()
