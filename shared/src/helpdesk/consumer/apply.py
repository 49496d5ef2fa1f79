"""One batch, one transaction; whatever stands in its way is repaired first and the batch is tried again.

A batch can fail for a reason that lies in one stream: a gap, an event that this version cannot read or apply, an event
that redacts. Then only that stream is treated, in a transaction of its own: healed from the store, parked, made anew.
Afterwards the batch is judged again from the start, and its guards know what was done.
"""

import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol
from uuid import UUID

import psycopg
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_exponential_jitter

from helpdesk import told
from helpdesk.bus.envelope import Unreadable
from helpdesk.clock import utc_now
from helpdesk.consumer.batch import (
    NEW,
    NOWHERE,
    Diverged,
    Gap,
    Park,
    Received,
    Sorted,
    StreamBatch,
    Taken,
    expected,
    sort,
    streams_of,
    unsurprising,
)
from helpdesk.consumer.errors import (
    Displaced,
    NotHealed,
    Superseded,
    TenantGone,
    TooManyParked,
    UnreadableHistory,
    displaced,
    named,
    poisonous,
    retried,
)
from helpdesk.consumer.history import History
from helpdesk.consumer.purged import Forgetting, purges
from helpdesk.consumer.settings import ConsumerSettings
from helpdesk.consumer.state import ConsumerState
from helpdesk.consumer.store import SUPERSEDED, ConsumerStore, Move, Parked
from helpdesk.events.operations import PLATFORM
from helpdesk.postgres.gathered import piped
from helpdesk.postgres.pool import Connection, Pool
from helpdesk.recorded import RecordedEvent, Stream

log = logging.getLogger(__name__)
_NO_EPOCH: Final = UUID(int=0)
FEW: Final = 100
"""Streams of a batch whose statements go to the server together; of a larger one each goes as soon as it is made, so
that the server works while the next is put together."""


class Handler(Protocol):
    """What a consumer does with a batch: everything on `connection`, inside the transaction that moves the guard.

    The connection is in pipeline mode: an error can show only at a later fetch, or at the end.
    """

    async def __call__(self, connection: Connection, batches: Sequence[StreamBatch]) -> None: ...


class Refold(Protocol):
    """Replaces all that was made from one stream by what its history (from version 0 to its guard) gives now, in the
    batch's transaction. Events beyond the guard are the handler's; an effect that was had is not had again."""

    async def __call__(self, connection: Connection, history: StreamBatch, /) -> None: ...


class _NeedsRepair(Exception):
    def __init__(self, gaps: Sequence[Gap], redacting: Sequence[StreamBatch]) -> None:
        super().__init__()
        self.gaps, self.redacting = gaps, redacting


class Applier:
    """Applies batches under the guard. `still_ours` is asked before each new try."""

    def __init__(
        self,
        settings: ConsumerSettings,
        pool: Pool,
        handler: Handler,
        history: History,
        refold: Refold,
        state: ConsumerState,
    ) -> None:
        self.store = ConsumerStore(settings.schema)
        self._settings, self._pool, self._handler = settings, pool, handler
        self._history, self._refold, self.state = history, refold, state
        self._handler_at_once = handler.handler if isinstance(handler, Forgetting) else handler
        self._expecting = True

    async def apply(
        self,
        taken: Taken,
        topic_id: UUID,
        progress: Callable[[Sorted], Sequence[Move]],
        still_ours: Callable[[], bool],
    ) -> tuple[Sorted, Sequence[Move]] | None:
        """Apply `taken` and move progress to what `progress` makes of the outcome; None when it is not ours any more.

        Infrastructure errors and gaps that the store cannot close yet are tried again for as long as it is ours; the
        state says why. Raises Displaced, Diverged, TooManyParked, and what is wrong with the wrapper itself.
        """
        began = time.monotonic()
        self.state.tenants.begin(taken.received)

        async def tried() -> tuple[Sorted, Sequence[Move]] | None:
            return await self._repaired(taken, topic_id, progress) if still_ours() else None

        try:
            outcome = await tried()
        except Exception as error:
            if not retried(error):
                raise
            outcome = await AsyncRetrying(
                retry=retry_if_exception(retried),
                wait=wait_exponential_jitter(multiplier=0.05, max=2.0, jitter=0.1),
                before_sleep=self._told,
            )(tried)
        if outcome is None:
            return None
        done, _ = outcome
        self.state.error = None
        applied = sum(len(batch.events) for batch in done.batches)
        unknown = sum(one.event is None for batch in done.batches for one in batch.events)
        self.state.committed(applied, len(taken.received) - applied - len(done.tail), unknown, began)
        self.state.tenants.applied(done.batches, utc_now())
        return outcome

    async def _repaired(
        self, taken: Taken, topic_id: UUID, progress: Callable[[Sorted], Sequence[Move]]
    ) -> tuple[Sorted, Sequence[Move]]:
        isolated = False
        while True:
            try:
                return await self._together(taken, topic_id, progress)
            except _NeedsRepair as needed:
                for gap in needed.gaps:
                    await self._heal(gap)
                for batch in needed.redacting:
                    await self._renew_or_park(batch.stream, batch.to_version)
            except Exception as error:
                if displaced(error):
                    raise Displaced from error
                if isolated or not poisonous(error):
                    raise  # every stream alone went well or waits: the fault is not in one of them
                isolated = True
                log.warning("a batch failed; its streams are tried one by one", extra={"error": named(error)})
                await self._isolate(taken.received, streams_of(taken.received))

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        async with self._pool.connection() as connection, connection.transaction():
            if self._settings.switch:
                await self.store.share(connection, self._settings.switch)
            yield connection

    @asynccontextmanager
    async def _pipeline(self) -> AsyncIterator[Connection]:
        """A transaction whose statements are sent without waiting: a batch costs three round trips."""
        async with self._pool.connection() as connection, piped(connection):
            if self._settings.switch:
                await self.store.share(connection, self._settings.switch)
            yield connection

    async def _together(
        self, taken: Taken, topic_id: UUID, progress: Callable[[Sorted], Sequence[Move]]
    ) -> tuple[Sorted, Sequence[Move]]:
        if self._expecting and (done := unsurprising(taken)) and not purges(done.batches):
            self._expecting = False  # until it has gone well
            try:
                await self._at_once(done, moves := progress(done))
            except psycopg.Error as error:
                if error.sqlstate != SUPERSEDED:
                    raise
            else:
                self._expecting = True
                return done, moves
        return await self._with_care(taken, topic_id, progress)

    async def _at_once(self, done: Sorted, moves: Sequence[Move]) -> None:
        """In one round trip, and as many as the handler must read: nobody waits to hear that all is as expected."""
        together = len(done.batches) <= FEW
        async with self._pool.connection() as connection, piped(connection, together=together):
            await self.store.take_turn(connection, self._settings.switch, done.batches)
            await self._handler_at_once(connection, done.batches)
            await self._move(connection, done, moves)

    async def _with_care(
        self, taken: Taken, topic_id: UUID, progress: Callable[[Sorted], Sequence[Move]]
    ) -> tuple[Sorted, Sequence[Move]]:
        parked_now = 0
        async with self._pipeline() as connection:
            guards, parked = await self.store.standing(connection, streams_of(taken.received))
            done = sort(taken.received, guards, parked)
            redacting = [batch for batch in done.batches if batch.redacts]
            if done.gaps or redacting:
                raise _NeedsRepair(done.gaps, redacting)
            if done.batches:
                # The guard first: its rows make a second consumer of the same events (a zombie after a rebalance) wait
                # and then find itself superseded, where the handler's own writes would collide.
                await self.store.advance(connection, done.batches)
                await self._handler(connection, done.batches)
            if done.parks or taken.garbage:
                await self.store.park(connection, done.parks)
                await self.store.keep(connection, topic_id, taken.garbage)
                parked_now = await self._within_limits(connection)
            await self._move(connection, done, moves := progress(done))
        if parked_now:
            self.state.parked = parked_now
            for park in done.parks:
                self._told_of(park)
        foreseen = expected(taken.received)
        self._expecting = all(guards.get(stream, NEW).version == one.version for stream, one in foreseen.items())
        return done, moves

    async def _move(self, connection: Connection, done: Sorted, moves: Sequence[Move]) -> None:
        is_awaited, awaited = self._settings.awaited, done.batches
        if is_awaited is not None:
            awaited = [batch for batch in awaited if is_awaited(batch)]
        if moves:
            note = told.note((batch.stream, batch.to_version) for batch in awaited) if awaited else None
            await self.store.move(connection, self._settings.topic, moves, note=note)
        elif awaited:
            await self.store.tell(connection)

    # --- repairs ----------------------------------------------------------------------------------------------------

    async def _heal(self, gap: Gap) -> None:
        found = await self._history.stream(gap.stream, gap.version)
        if not found or found[0].version != gap.version + 1:
            if await self._purged(gap.stream):
                await self._park(gap.stream, TenantGone.__name__)
                return
            raise NotHealed(f"{gap}, and the store does not have what is missing")
        await self.catch_up(gap.stream, found)
        self.state.heal()
        log.warning("a gap was healed from the store", extra={"gap": str(gap), "group": self._settings.group})

    async def catch_up(self, stream: Stream, found: Sequence[RecordedEvent | Unreadable]) -> None:
        """Apply what the store has of a stream, through the same guarded handler."""
        received = [Received(NOWHERE, n, one, _NO_EPOCH) for n, one in enumerate(found)]
        await self._repaired(Taken(received), _NO_EPOCH, lambda _: ())

    async def _renew_or_park(self, stream: Stream, at_least: int) -> None:
        try:
            await self._renew_alone(stream, at_least)
        except Exception as error:
            if not poisonous(error):
                raise
            await self._park(stream, named(error))

    async def _renew_alone(self, stream: Stream, at_least: int) -> None:
        """Make everything anew that was made from `stream`, and move its guard to where the store is."""
        events = _readable(await self._history.stream(stream))
        if len(events) < at_least:
            if await self._purged(stream):
                raise TenantGone
            raise NotHealed(f"{stream} is at {at_least}, and the store does not have that")
        async with self._transaction() as connection:
            await self._renew(connection, stream, events)
            await self.store.tell(connection)

    async def _purged(self, stream: Stream) -> bool:
        return bool(await self._history.stream(Stream(PLATFORM, "platform", stream.tenant_id)))

    async def _renew(self, connection: Connection, stream: Stream, events: Sequence[RecordedEvent]) -> None:
        guards, _ = await self.store.standing(connection, [stream])
        version = guards.get(stream, NEW).version
        if version > len(events):
            raise Diverged(f"{stream} is at {version}, and the store only at {len(events)}")
        if version > 0:
            await self._refold(connection, StreamBatch(stream, 0, events[:version]))
        if version < len(events):
            batch = StreamBatch(stream, version, events[version:])
            await self.store.advance(connection, [batch])
            await self._handler(connection, [batch])

    # --- parking ----------------------------------------------------------------------------------------------------

    async def _isolate(self, received: Sequence[Received], streams: Sequence[Stream]) -> None:
        """Apply what can be applied, half by half, and let the guilty streams wait."""
        try:
            await self._alone(received, set(streams))
        except Exception as error:
            if not poisonous(error):
                raise
            if len(streams) == 1:
                await self._park_at_its_command(received, streams[0], error)
            else:
                half = len(streams) // 2
                await self._isolate(received, streams[:half])
                await self._isolate(received, streams[half:])

    async def _park_at_its_command(self, received: Sequence[Received], stream: Stream, error: Exception) -> None:
        events = [one for one in received if one.recorded.stream == stream]
        for last in [n for n, one in enumerate(events, 1) if one.recorded.remaining == 0]:
            try:
                await self._alone(events[:last], {stream})
            except Exception as found:
                if not poisonous(found):
                    raise
                error = found
                break
        await self._park(stream, named(error))

    async def _alone(self, received: Sequence[Received], streams: Collection[Stream]) -> None:
        """Without a pipeline: an error is seen where it is made, and the guard is known to be ours before that."""
        async with self._transaction() as connection:
            guards, parked = await self.store.standing(connection, sorted(streams))
            done = sort([one for one in received if one.recorded.stream in streams], guards, parked)
            if done.gaps or any(batch.redacts for batch in done.batches):
                raise Superseded  # what was judged before has changed
            if done.batches:
                await self.store.advance(connection, done.batches)
                await self._handler(connection, done.batches)
                await self.store.tell(connection)

    async def _park(self, stream: Stream, error: str) -> None:
        async with self._transaction() as connection:
            guards, _ = await self.store.standing(connection, [stream])
            park = Park(stream, guards.get(stream, NEW).version + 1, error)
            await self.store.park(connection, [park])
            parked = await self._within_limits(connection)
        self.state.parked = parked
        self._told_of(park)

    async def _within_limits(self, connection: Connection) -> int:
        limits = self._settings.limits
        parked, recent = await self.store.waiting(connection, limits.parked_window_s)
        if parked > limits.parked_at_all or recent > limits.parked_at_once:
            raise TooManyParked(
                f"{recent} streams or records were parked within {limits.parked_window_s:.0f} s, {parked} in all: "
                "this looks like a fault of the code or the database and not like single poisonous events"
            )
        return parked

    async def count_parked(self) -> None:
        """Bring what health shows up to date."""
        async with self._pool.connection() as connection:
            self.state.parked, _ = await self.store.waiting(connection, self._settings.limits.parked_window_s)

    async def parked(self) -> list[Parked]:
        """What waits, the oldest first."""
        async with self._pool.connection() as connection:
            return await self.store.parked(connection)

    async def unpark(self, stream: Stream, *, refold: bool = False) -> str | None:
        """Apply what the store has beyond the guard, or make everything anew, and let the stream go on.

        None when it goes on, else the reason for which it still waits. Raises what is not poisonous.
        """
        try:
            async with self._transaction() as connection:
                # From here on no batch passes over the stream's events; so whatever passed is in the store by now.
                if not await self.store.hold(connection, stream):
                    return None
                guards, _ = await self.store.standing(connection, [stream])
                version = guards.get(stream, NEW).version
                events = _readable(await self._history.stream(stream, 0 if refold else version))
                if not refold and any(one.redacts for one in events):
                    refold, events = True, _readable(await self._history.stream(stream))
                if refold:
                    await self._renew(connection, stream, events)
                elif events:
                    batch = StreamBatch(stream, version, events)
                    await self.store.advance(connection, [batch])
                    await self._handler(connection, [batch])
                await self.store.release(connection, stream)
                await self.store.tell(connection)
        except Exception as error:
            if not poisonous(error):
                raise
            await self._park(stream, named(error))
            return named(error)
        await self.count_parked()
        log.info("a parked stream goes on", extra={"stream": str(stream), "group": self._settings.group})
        return None

    async def forget_records(self) -> int:
        """Remove what is kept of records that were no envelopes."""
        async with self._pool.connection() as connection:
            count = await self.store.forget_records(connection)
        await self.count_parked()
        return count

    # --- what is told -----------------------------------------------------------------------------------------------

    def _told_of(self, park: Park) -> None:
        log.error(
            "a stream is parked",
            extra={
                "stream": str(park.stream),
                "version": park.version,
                "error": park.error,
                "group": self._settings.group,
            },
        )

    def _told(self, retry: RetryCallState) -> None:
        error = retry.outcome.exception() if retry.outcome else None
        # A database error's text may quote a row; it stays in the log.
        self.state.error = str(error) if isinstance(error, NotHealed) else f"tries again after {type(error).__name__}"
        log.warning(
            "a batch is tried again",
            extra={"group": self._settings.group, "error": str(error), "attempt": retry.attempt_number},
        )


def _readable(found: Sequence[RecordedEvent | Unreadable]) -> list[RecordedEvent]:
    for one in found:
        if isinstance(one, Unreadable):
            raise UnreadableHistory(one.reason)
    return [one for one in found if isinstance(one, RecordedEvent)]
