"""A FastStream batch subscriber that cannot lose, repeat or reorder what it applies.

FastStream brings records and group membership; everything that must hold is here: offsets come from our own progress
rows and never from Kafka's, a partition is ignored until it has been placed, a batch is one transaction over handler,
guard and progress, and only then is Kafka told (a hint). docs/adr/0004-consumer.md has the options that were rejected.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from uuid import UUID

import psycopg
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.message import FAKE_CONSUMER
from tenacity import AsyncRetrying, before_sleep_log, retry_if_exception_type, wait_exponential_jitter

from helpdesk.bus import envelope
from helpdesk.bus.topic_id import topic_id
from helpdesk.consumer.batch import Gap, Received, Sorted, StreamBatch, sort, streams_of
from helpdesk.consumer.store import ConsumerStore, Progress, Superseded
from helpdesk.consumer.turns import Turns
from helpdesk.postgres.pool import UNAVAILABLE, Connection, Pool
from helpdesk.recorded import Cursor
from helpdesk.tasks import pause
from helpdesk.wire import Undecodable

log = logging.getLogger(__name__)
POISON: Final = (envelope.Malformed, Undecodable)
RETRIED: Final = (*UNAVAILABLE, psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected, Superseded)


_OnPartitions = Callable[[Iterable[TopicPartition]], Awaitable[None]]


class Handler(Protocol):
    """What a consumer does with a batch: everything on `connection`, inside the transaction that moves the guard."""

    async def __call__(self, connection: Connection, batches: Sequence[StreamBatch]) -> None: ...


@dataclass(frozen=True, slots=True)
class ConsumerSettings:
    """`schema` is the owner's; its tables hold guard and progress. `group` is the Kafka consumer group."""

    schema: str
    bootstrap: str
    topic: str
    group: str
    max_records: int = 500
    session_timeout_ms: int = 6_000
    max_poll_interval_ms: int = 60_000


@dataclass(slots=True)
class ConsumerState:
    """What health and metrics show of a consumer. `halted` is the reason for which it stopped for good."""

    placed: set[int] = field(default_factory=set)
    applied: int = 0
    dropped: int = 0
    unknown: int = 0
    error: str | None = None
    halted: str | None = None

    @property
    def reason(self) -> str | None:
        """Why it is not ready; None when it holds partitions and nothing keeps it from going on."""
        if self.halted:
            return f"halted: {self.halted}"
        if self.error:
            return self.error
        return None if self.placed else "no partitions are assigned yet"


class Subscriber:
    """One consumer of one topic. `run` it; it ends by cancellation. A halt is loud: it stops applying and says why."""

    def __init__(self, settings: ConsumerSettings, pool: Pool, handler: Handler) -> None:
        self.state = ConsumerState()
        self._settings, self._pool, self._handler = settings, pool, handler
        self._store = ConsumerStore(settings.schema)
        self._topic_id: UUID | None = None
        self._tail: list[Received] = []
        self._turns = Turns()
        self._assignment = 0
        self._broker = KafkaBroker(
            settings.bootstrap,
            client_id=settings.group,
            consumer_only=True,
            allow_auto_create_topics=False,
            apply_types=False,
            graceful_timeout=10.0,
            logger=None,
        )
        self._subscriber = self._broker.subscriber(
            settings.topic,
            group_id=settings.group,
            batch=True,
            batch_timeout_ms=5,
            max_records=settings.max_records,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="earliest",
            no_reply=True,
            listener=_Listener(self._revoked, self._assigned),
            parser=_raw,
            decoder=_undecoded,
            session_timeout_ms=settings.session_timeout_ms,
            heartbeat_interval_ms=settings.session_timeout_ms // 6,
            rebalance_timeout_ms=10_000,
            max_poll_interval_ms=settings.max_poll_interval_ms,
        )
        # A broker-level policy is not inherited, and the default commits before the handler runs.
        if self._subscriber.ack_policy is not AckPolicy.MANUAL:
            raise RuntimeError("FastStream changed the acknowledgement policy of a subscriber")
        self._subscriber(self._handle)

    async def run(self) -> None:
        """Consume until cancelled; while Kafka is away, try again."""
        try:
            await self._connect()
            await asyncio.Event().wait()
        finally:
            with suppress(TimeoutError, KafkaError):
                await asyncio.wait_for(self._broker.stop(), 12)

    async def _connect(self) -> None:
        delay = 0.2
        while True:
            try:
                await self._broker.start()
            except (KafkaError, OSError, TimeoutError) as error:
                self.state.error = f"Kafka cannot be reached: {type(error).__name__}"
                log.warning("consumer waits for Kafka", extra={"topic": self._settings.topic, "delay_s": delay})
                with suppress(KafkaError, OSError, TimeoutError):
                    await self._broker.stop()
                await pause(delay)
                delay = min(delay * 2, 2.0)
            else:
                self.state.error = None
                return

    # --- assignment -------------------------------------------------------------------------------------------------

    async def _revoked(self, _: Iterable[TopicPartition]) -> None:
        """Eager rebalance: everything is given up, so what is held in memory is forgotten; it will come again."""
        self._assignment += 1
        self.state.placed.clear()
        self._tail.clear()
        self._turns.forget()

    async def _assigned(self, partitions: Iterable[TopicPartition]) -> None:
        """Seek each partition to where our own progress says; until then `_handle` ignores its records.

        An error that left here would be ignored by aiokafka, and nothing would ever be applied or reported. So this
        tries until PostgreSQL and Kafka have answered or the assignment is over, and any other error halts.
        """
        try:
            await self._place_until_done([p.partition for p in partitions])
        except Exception as error:
            log.exception("consumer cannot place its partitions", extra={"topic": self._settings.topic})
            # The reason shows in health; a database error's text may quote a row, so it stays in the log.
            self._halt(f"{type(error).__name__} in the handler (see the log)")

    async def _place_until_done(self, numbers: Sequence[int]) -> None:
        assignment = self._assignment
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type((*UNAVAILABLE, KafkaError, TimeoutError)),
            wait=wait_exponential_jitter(multiplier=0.1, max=2.0, jitter=0.1),
            before_sleep=before_sleep_log(log, logging.WARNING),
        ):
            with attempt:
                if assignment != self._assignment:
                    return
                await self._place(numbers)

    async def _place(self, partitions: Sequence[int]) -> None:
        consumer, topic = self._consumer, self._settings.topic
        self._topic_id = current = await topic_id(consumer._client, topic)
        async with self._pool.connection() as connection:
            kept = await self._store.progress(connection, topic, partitions)
        places = [TopicPartition(topic, number) for number in partitions]
        begin, end = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
        for place in places:
            progress = kept.get(place.partition)
            if progress is None:
                if begin[place] > 0:
                    return self._halt(f"{topic}/{place.partition}: the topic's beginning has expired already")
                self._seek(place, 0)
            elif progress.topic_id != current:
                return self._halt(f"{topic} is another topic than the one that was consumed before")
            elif not begin[place] <= progress.next_offset <= end[place]:
                return self._halt(
                    f"{topic}/{place.partition}: offset {progress.next_offset} is outside what Kafka holds "
                    f"({begin[place]} … {end[place]})"
                )
            else:
                self._seek(place, progress.next_offset)
        self.state.placed.update(partitions)
        log.info("partitions placed", extra={"topic": topic, "group": self._settings.group, "partitions": partitions})
        return None

    def _seek(self, place: TopicPartition, offset: int) -> None:
        self._consumer.seek(place, offset)
        self._turns.place(place.partition, offset)

    @property
    def _consumer(self) -> AIOKafkaConsumer:
        consumer = self._subscriber.consumer
        if consumer is None:
            raise KafkaError("the consumer is not started")
        return consumer

    # --- batches ----------------------------------------------------------------------------------------------------

    async def _handle(self, records: Sequence[ConsumerRecord]) -> None:
        """Apply one batch. FastStream would swallow an exception and go on, so none leaves here."""
        assignment = self._assignment
        try:
            received = self._decoded(records)
            if received:
                await self._apply_until_done(received, assignment)
        except (*POISON, Gap) as error:
            self._halt(str(error))
        except Exception as error:
            log.exception("consumer cannot apply a batch", extra={"topic": self._settings.topic})
            # The reason shows in health; a database error's text may quote a row, so it stays in the log.
            self._halt(f"{type(error).__name__} in the handler (see the log)")

    def _decoded(self, records: Sequence[ConsumerRecord]) -> list[Received]:
        if self.state.halted:
            return []
        placed = self.state.placed
        in_turn, again = self._turns.take([record for record in records if record.partition in placed])
        for partition, offset in again.items():
            self._seek(TopicPartition(self._settings.topic, partition), offset)
        received = list(self._tail)
        for record in in_turn:
            try:
                recorded, store_epoch = envelope.decode(record.value)
            except POISON as error:
                raise envelope.Malformed(
                    f"{record.topic}/{record.partition} offset {record.offset}: {error}"
                ) from error
            self.state.unknown += recorded.event is None
            received.append(Received(record.partition, record.offset, recorded, store_epoch))
        return received

    async def _apply_until_done(self, received: Sequence[Received], assignment: int) -> None:
        """Infrastructure errors are tried again for as long as the partitions are ours."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(RETRIED),
            wait=wait_exponential_jitter(multiplier=0.05, max=2.0, jitter=0.1),
            before_sleep=before_sleep_log(log, logging.WARNING),
        ):
            with attempt:
                if assignment != self._assignment:
                    return
                done, progress = await self._apply(received)
        if assignment != self._assignment:
            return
        self._tail = list(done.tail)
        applied = sum(len(batch.events) for batch in done.batches)
        self.state.applied += applied
        self.state.dropped += len(received) - applied - len(done.tail)
        await self._hint(progress)

    async def _apply(self, received: Sequence[Received]) -> tuple[Sorted, list[Progress]]:
        async with self._pool.connection() as connection, connection.transaction():
            versions = await self._store.versions(connection, streams_of(received))
            done = sort(received, versions)
            progress = self._progress(received, done.tail)
            if done.batches:
                # The guard first: its rows make a second consumer of the same events (a zombie after a rebalance) wait
                # and then find itself superseded, where the handler's own writes would collide.
                await self._store.advance(connection, done.batches)
                await self._handler(connection, done.batches)
                await connection.execute(f"notify {self._settings.schema}_applied")
            if progress:
                await self._store.move(connection, self._settings.topic, progress)
        return done, progress

    def _progress(self, received: Sequence[Received], tail: Sequence[Received]) -> list[Progress]:
        """A partition's progress ends before the first record of its tail."""
        if self._topic_id is None:
            raise RuntimeError("a batch arrived before its partitions were placed")
        ends: dict[int, int] = {}
        for one in tail:
            ends[one.partition] = min(one.offset, ends.get(one.partition, one.offset))
        last: dict[int, Received] = {}
        cursors: dict[int, Cursor] = {}
        for one in received:
            if one.offset < ends.get(one.partition, one.offset + 1):
                last[one.partition] = one
                cursors[one.partition] = max(one.recorded.cursor, cursors.get(one.partition, one.recorded.cursor))
        return [
            Progress(
                partition=partition,
                topic_id=self._topic_id,
                next_offset=one.offset + 1,
                store_epoch=one.store_epoch,
                cursor=cursors[partition],
                event_id=one.recorded.event_id,
            )
            for partition, one in last.items()
        ]

    async def _hint(self, progress: Sequence[Progress]) -> None:
        """Tell Kafka, for lag tools and operators; nothing of ours ever reads it."""
        offsets = {TopicPartition(self._settings.topic, p.partition): p.next_offset for p in progress}
        if not offsets:  # the batch was nothing but a tail; aiokafka refuses to commit nothing
            return
        with suppress(KafkaError):
            await self._consumer.commit(offsets)

    def _halt(self, reason: str) -> None:
        self.state.halted = reason
        self.state.placed.clear()
        log.error(
            "consumer halted", extra={"topic": self._settings.topic, "group": self._settings.group, "reason": reason}
        )


class _Listener(ConsumerRebalanceListener):
    """aiokafka's listener as two functions."""

    def __init__(self, revoked: _OnPartitions, assigned: _OnPartitions) -> None:
        self._revoked, self._assigned = revoked, assigned

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        await self._revoked(revoked)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        await self._assigned(assigned)


async def _raw(records: tuple[ConsumerRecord, ...]) -> KafkaMessage:
    """The records as they are: no header is touched, so that none can be undecodable."""
    return KafkaMessage(body=b"", raw_message=records, consumer=FAKE_CONSUMER, batch_headers=[])


async def _undecoded(message: KafkaMessage) -> Any:
    return message.raw_message
