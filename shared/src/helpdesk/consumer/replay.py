"""Reads what Kafka does not have from the store's feed, through the same guarded handler."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
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
    """`standing` is moved as pages are applied; `breathe` is called between them, for the group."""

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
        for number, after in starts.items():
            self.standing[number] = replace(self.bus.beginning(number), cursor=after)
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
            done = await self.applier.apply(taken, self.bus.topic_id, progress, self.ours)
            if done is None or not self.ours():
                return False
            self.standing.update({one.partition: one for one in progress(done)})
            tail, after = list(done.tail), page[-1].cursor
            self.applier.state.replay(len(page))
            await self.breathe()
        return self.ours()
