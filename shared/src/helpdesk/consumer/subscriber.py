"""A consumer of one topic that cannot lose, repeat or reorder what it applies.

aiokafka brings records and group membership; everything that must hold is here and in `apply`: offsets come from our
own progress rows and never from Kafka's, a partition is ignored until it has been placed, what Kafka does not have
comes from the store, a batch is one transaction over handler, guard and progress. docs/adr/0016-own-consumer-loop.md
has what was rejected.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import Any, Final
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, retry_if_exception_type, wait_exponential_jitter

from helpdesk.bus.clients import connected
from helpdesk.bus.topic_id import topic_id
from helpdesk.consumer.apply import Applier, Handler, Refold
from helpdesk.consumer.batch import Garbage, Received, Taken
from helpdesk.consumer.errors import FOR_GOOD, Displaced, halt_of, retried
from helpdesk.consumer.history import History
from helpdesk.consumer.kafka import Fetched, Listener, bus_now, fetch, positions
from helpdesk.consumer.places import Bus, ends_of, moves, replay_from
from helpdesk.consumer.replay import Replay
from helpdesk.consumer.settings import ConsumerSettings
from helpdesk.consumer.state import ConsumerState
from helpdesk.consumer.store import Progress
from helpdesk.consumer.turns import Turns
from helpdesk.consumer.watchdog import watched
from helpdesk.postgres.pool import UNAVAILABLE, Pool
from helpdesk.recorded import Cursor
from helpdesk.tasks import pause, still_wanted, to_the_end

log = logging.getLogger(__name__)
AWAY: Final = (KafkaError, OSError, TimeoutError)
KAFKA_AWAY: Final = "Kafka cannot be reached"
LOOK_TIMEOUT_S: Final = 5.0
PARTING_S: Final = 12.0


class Subscriber:
    """`run` it; it ends by cancellation. A halt is loud: it stops applying, leaves the group and says why."""

    def __init__(
        self, settings: ConsumerSettings, pool: Pool, handler: Handler, history: History, refold: Refold
    ) -> None:
        self.state = ConsumerState(settings.group)
        self.applier = Applier(settings, pool, handler, history, refold, self.state)
        self._settings, self._pool, self._history = settings, pool, history
        self._bus: Bus | None = None
        self._tail: list[Received] = []
        self._turns = Turns()
        self._assignment = 0
        self._unplaced: set[int] = set()
        self._lost: dict[int, int] = {}
        self._standing: dict[int, Progress] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._replaced = False
        self._ahead: asyncio.Task[list[Fetched]] | None = None

    async def run(self) -> None:
        """Consume until cancelled; while PostgreSQL or Kafka are away, try again."""
        name, limits = self._settings.group, self._settings.limits
        with watched(name, limits.watchdog_s, lambda: self.state.moved_at):
            beating = asyncio.create_task(self._beat())
            try:
                await self._halting()
            finally:
                beating.cancel()

    async def _halting(self) -> None:
        try:
            await self._try_parked_again()
            await self._consume()
        except FOR_GOOD as error:
            self._halt(error)
        except Exception as error:
            log.exception("consumer cannot go on", extra={"topic": self._settings.topic, "group": self._settings.group})
            self._halt(error)
        await asyncio.Event().wait()

    async def _try_parked_again(self) -> None:
        """At the start, for the code may be newer: whatever waits."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception(retried),
            wait=wait_exponential_jitter(multiplier=0.1, max=5.0, jitter=0.1),
            before_sleep=self._told,
        ):
            with attempt:
                for one in await self.applier.parked():
                    await self.applier.unpark(one.stream)
                await self.applier.count_parked()
        self.state.error = None

    async def _consume(self) -> None:
        delay = 0.2
        while True:
            try:
                async with self._joining():
                    while True:
                        await self._turn()
                        delay = 0.2
            except (*AWAY, asyncio.CancelledError) as error:
                # A task of aiokafka's that stops another one of its tasks can end by that cancellation (a consumer that
                # leaves its group just when the group is rebalanced); it never runs again, and every call says so.
                still_wanted()
                self.state.error = f"{KAFKA_AWAY}: {type(error).__name__}"
                log.warning("consumer begins again", extra={"topic": self._settings.topic, "error": repr(error)})
                await pause(delay)
                delay = min(delay * 2, 5.0)

    @asynccontextmanager
    async def _joining(self) -> AsyncIterator[None]:
        settings, limits = self._settings, self._settings.limits
        consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.bootstrap,
            client_id=settings.group,
            group_id=settings.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # never relied upon: `Turns` notices
            session_timeout_ms=limits.session_timeout_ms,
            heartbeat_interval_ms=limits.session_timeout_ms // 6,
            rebalance_timeout_ms=limits.rebalance_timeout_ms,
            max_poll_interval_ms=limits.max_poll_interval_ms,
        )
        async with connected(consumer, parting_s=PARTING_S):
            # Subscribing to a topic that is not there could create it, with one partition; this only asks for it.
            await topic_id(consumer._client, settings.topic)
            consumer.subscribe([settings.topic], listener=Listener(self))
            self._consumer, self.state.error = consumer, None
            looking = asyncio.create_task(self._look(consumer))
            try:
                yield
            finally:
                asking: list[asyncio.Task[Any]] = [looking, *([self._ahead] if self._ahead else [])]
                for task in asking:
                    task.cancel()
                self._consumer, self._bus, self._replaced, self._ahead = None, None, False, None
                self.revoked()
                # What goes on asking a client that has ended would open its sockets again.
                await to_the_end(_ended(asking))

    # --- assignment -------------------------------------------------------------------------------------------------

    def revoked(self) -> None:
        """Eager rebalance: everything is given up, so what is held in memory is forgotten; it will come again."""
        self._assignment += 1
        self.state.placed.clear()
        self.state.lag.clear()
        self._unplaced.clear()
        self._lost.clear()
        self._standing = {}  # a batch under way keeps the former ones
        self._tail.clear()
        self._turns.forget()

    def assigned(self, partitions: Iterable[int]) -> None:
        """Records of these partitions are ignored until they are placed, which the loop does next."""
        self._unplaced = set(partitions)

    async def _place(self) -> None:
        assignment = self._assignment
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type((*UNAVAILABLE, *AWAY, Displaced)),
            wait=wait_exponential_jitter(multiplier=0.1, max=2.0, jitter=0.1),
            before_sleep=self._told,
        ):
            with attempt:
                if assignment != self._assignment:
                    return
                await self._place_now(assignment, sorted(self._unplaced))
        if assignment == self._assignment:
            self.state.error = None

    async def _place_now(self, assignment: int, numbers: Sequence[int]) -> None:
        consumer, topic = self._joined, self._settings.topic
        places = [TopicPartition(topic, number) for number in numbers]
        consumer.pause(*places)
        self._tail = [one for one in self._tail if one.partition not in self._unplaced]
        self._bus = bus = await bus_now(consumer, topic, places, await self._history.epoch())
        async with self._pool.connection() as connection:
            kept = await self.applier.store.progress(connection, topic, numbers)
        if assignment != self._assignment:
            return
        here, replays = self._standing, dict[int, Cursor]()
        for number in numbers:
            here[number] = standing = kept.get(number) or bus.beginning(number)
            if found := replay_from(kept.get(number), number, bus):
                replays[number], why = found
                log.info("a partition is replayed from the store", extra=self._about(number, why))
            elif number in self._lost:
                replays[number] = standing.cursor
                log.info("a partition is replayed from the store", extra=self._about(number, "Kafka lost records"))
        if replays:
            # From here on it is known where each of them stands, so that every step can be demanded to begin there.
            for number, after in replays.items():
                here[number] = replace(bus.beginning(number), cursor=after)
            async with self._pool.connection() as connection:
                await self.applier.store.set(connection, topic, [here[number] for number in replays])
        replay = Replay(self.applier, self._history, bus, here, lambda: assignment == self._assignment, self._breathe)
        if not await replay.run(replays):
            return
        begin = await consumer.beginning_offsets(places)
        for place in places:
            number = place.partition
            if number in replays:
                lost = self._lost.get(number, -1)
                offset = lost if begin[place] <= lost <= bus.end[number] else begin[place]
                here[number] = replace(here[number], next_offset=offset)
        if replays:
            async with self._pool.connection() as connection:
                await self.applier.store.set(connection, topic, [here[number] for number in replays])
        if assignment != self._assignment:
            return
        for place in places:
            number = place.partition
            consumer.seek(place, here[number].next_offset)
            self._turns.place(number, here[number].next_offset)
            self._lost.pop(number, None)
            self._unplaced.discard(number)
            self.state.placed.add(number)
        consumer.resume(*places)
        log.info("partitions placed", extra={"topic": topic, "group": self._settings.group, "partitions": numbers})

    async def _breathe(self) -> None:
        """Kafka wants to hear that somebody still asks; the partitions are paused, so nothing comes."""
        await self._joined.getmany(*(TopicPartition(self._settings.topic, n) for n in self._unplaced), timeout_ms=0)

    @property
    def _joined(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise KafkaError("the consumer is not started")
        return self._consumer

    # --- batches ----------------------------------------------------------------------------------------------------

    async def _turn(self) -> None:
        if self._replaced:
            # The client believes what it knows of the former topic for minutes; a new one knows nothing.
            raise UnknownTopicOrPartitionError("the topic was replaced by another of the same name")
        if self._unplaced:
            await self._place()
        limits = self._settings.limits
        ahead, self._ahead = self._ahead, None
        found = await (ahead or self._fetch(limits.poll_ms))
        if not found:
            await self._skipped()
        if not found or not self.state.placed or self._bus is None:
            return
        assignment, bus = self._assignment, self._bus
        taken = self._in_turn(found)
        if await self._store_changed(taken, bus):
            self._again(set(self.state.placed))
            return
        if not taken.ends:
            return
        if len(found) == self._settings.max_records:
            # There is more: it is fetched and read while the database works. What is not in turn then is refused.
            self._ahead = asyncio.create_task(self._fetch(0))
        taken.received[:0] = self._tail
        standing = self._standing
        progress = partial(moves, taken, standing=standing)
        try:
            applied = await self.applier.apply(taken, bus.topic_id, progress, lambda: assignment == self._assignment)
        except Displaced:
            log.warning(
                "progress is read anew: it is not where this consumer left it", extra={"group": self._settings.group}
            )
            self._again(set(self.state.placed))
            return
        if applied is None or assignment != self._assignment:
            return
        done, moved = applied
        self._tail = list(done.tail)
        standing.update({one.after.partition: one.after for one in moved})
        self.state.seconds.update({one.partition: one.recorded.recorded_at for one in taken.received})
        ends = ends_of(taken, done, standing)
        for partition in {one.partition for one in taken.garbage}:
            # What should have stood there is in the store.
            self._lost[partition] = ends[partition]
            self._again({partition})
        if limits.linger_ms and len(taken.received) < self._settings.max_records:
            await asyncio.sleep(limits.linger_ms / 1000)

    async def _fetch(self, timeout_ms: int) -> list[Fetched]:
        return await fetch(self._joined, timeout_ms, self._settings.max_records)

    def _in_turn(self, found: Sequence[Fetched]) -> Taken:
        turn = self._turns.take([one for one in found if one.partition in self.state.placed])
        for partition, offset in turn.seek.items():
            self._joined.seek(TopicPartition(self._settings.topic, partition), offset)
        self._lost.update(turn.lost)
        self._again(set(turn.lost))
        taken = Taken()
        for one in turn.records:
            taken.ends[one.partition] = one.offset + 1
            if isinstance(one, Garbage):
                taken.garbage.append(one)
            else:
                taken.received.append(one)
        return taken

    async def _skipped(self) -> None:
        """Where nothing comes and the client stands further on than we, nothing will come: the end of somebody's
        transaction takes an offset and is no record, or records have expired unread. The store has what is missing."""
        assignment = self._assignment
        async with asyncio.timeout(LOOK_TIMEOUT_S):
            stands = await positions(self._joined, self._settings.topic, sorted(self.state.placed))
        lost = self._turns.skipped(stands) if assignment == self._assignment else {}
        self._lost.update(lost)
        self._again(set(lost))

    async def _store_changed(self, taken: Taken, bus: Bus) -> bool:
        """Whether records come from another store than this consumer was placed by, because the store is another now.

        If it is not, they were left by a former one: that history does not hold any more, and they are ignored.
        """
        ours = bus.store_epoch.int  # compared for every record, and a number is quicker than an id
        foreign = [one for one in taken.received if one.store_epoch.int != ours]
        if not foreign:
            return False
        if await self._epoch() != bus.store_epoch:
            return True
        taken.received = [one for one in taken.received if one.store_epoch.int == ours]
        for _ in foreign:
            self.state.ignore_foreign()
        log.warning(
            "records of another store are ignored", extra={"count": len(foreign), "group": self._settings.group}
        )
        return False

    async def _epoch(self) -> UUID:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(UNAVAILABLE),
            wait=wait_exponential_jitter(multiplier=0.1, max=2.0, jitter=0.1),
            before_sleep=self._told,
        ):
            with attempt:
                epoch = await self._history.epoch()
        return epoch

    def _again(self, partitions: set[int]) -> None:
        """Place these anew, before anything else is read from them."""
        self._unplaced |= partitions
        self.state.placed -= partitions
        self._tail = [one for one in self._tail if one.partition not in partitions]

    # --- beside the loop --------------------------------------------------------------------------------------------

    async def _beat(self) -> None:
        """Standing still is a fault only of a consumer for which something waits."""
        while True:
            await asyncio.sleep(self._settings.limits.look_s)
            waits = any(self.state.lag.values())
            if not waits or self.state.error or self.state.halted or not self.state.placed:
                self.state.moved_at = monotonic()

    async def _look(self, consumer: AIOKafkaConsumer) -> None:
        """Every now and then: lag, what is parked, is the topic still the same; and a hint for Kafka's tools."""
        while True:
            await asyncio.sleep(self._settings.limits.look_s)
            try:
                async with asyncio.timeout(LOOK_TIMEOUT_S):
                    await self._look_once(consumer)
            except AWAY:
                self.state.error = self.state.error or KAFKA_AWAY
            except UNAVAILABLE:
                log.debug("the database is away; the loop says so")

    async def _look_once(self, consumer: AIOKafkaConsumer) -> None:
        bus = self._bus
        if bus is None:
            return
        assignment, topic = self._assignment, self._settings.topic
        if await topic_id(consumer._client, topic) != bus.topic_id:
            self._replaced = True
            return
        places = {number: TopicPartition(topic, number) for number in sorted(self.state.placed)}
        if not places:
            return
        ends = await consumer.end_offsets(list(places.values()))
        if assignment != self._assignment:
            return
        self.state.lag = {
            number: max(0, ends[place] - self._standing[number].next_offset)
            for number, place in places.items()
            if self._standing[number].next_offset >= 0
        }
        if self.state.error == KAFKA_AWAY:
            self.state.error = None
        offsets = {places[number]: self._standing[number].next_offset for number in self.state.lag}
        if offsets:
            await consumer.commit(offsets)  # for lag tools and operators; nothing of ours ever reads it
        await self.applier.count_parked()
        await self._compare(assignment)

    async def _compare(self, assignment: int) -> None:
        """Whether the database still has what was committed: a crash or a fail-over may have taken the last back.

        A batch would notice for its own partitions; the others may have nothing to come.
        """
        believed = {number: self._standing[number].next_offset for number in self.state.placed}
        async with self._pool.connection() as connection:
            kept = await self.applier.store.progress(connection, self._settings.topic, sorted(believed))
        lost = {
            number for number, offset in believed.items() if number not in kept or kept[number].next_offset < offset
        }
        if lost and assignment == self._assignment:
            log.warning("progress is behind what was committed: it is read anew", extra={"partitions": sorted(lost)})
            self._again(lost)

    def _told(self, retry: RetryCallState) -> None:
        error = retry.outcome.exception() if retry.outcome else None
        self.state.error = f"tries again after {type(error).__name__}"
        log.warning(
            "the consumer tries again",
            extra={"group": self._settings.group, "error": repr(error)},
        )

    def _about(self, partition: int, why: str) -> dict[str, object]:
        return {
            "topic": self._settings.topic,
            "group": self._settings.group,
            "partition": partition,
            "why": why,
            "cursor": str(self._standing[partition].cursor),
        }

    def _halt(self, error: Exception) -> None:
        self.state.halt(*halt_of(error))
        told = {"topic": self._settings.topic, "group": self._settings.group, "reason": self.state.halted}
        log.error("consumer halted", extra=told)


async def _ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
