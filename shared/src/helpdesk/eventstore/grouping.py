"""Group append: the commands that wait while a commit is under way are sent as one transaction.

There is no timer: a batch leaves as soon as the one before has returned, so one client alone makes batches of one.
Every caller is told its own outcome by the store's own errors, as if it had appended alone.
"""

import asyncio
import copy
import time
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final
from uuid import UUID
from weakref import WeakSet

import psycopg
from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation
from psycopg import errors
from psycopg_pool import PoolClosed, PoolTimeout

from helpdesk.eventstore.idempotency import Keyed, KeyInFlight
from helpdesk.eventstore.lanes import Caps, Line, Overloaded
from helpdesk.eventstore.prepared import Prepared, StreamAppend, prepare
from helpdesk.eventstore.store import REFUSALS, DuplicateCommand, EventStore
from helpdesk.postgres.pipeline import Pipeline
from helpdesk.postgres.pool import UNAVAILABLE, Pool
from helpdesk.recorded import Metadata
from helpdesk.tasks import pause

__all__ = ["Group", "Lane", "Overloaded"]


class Lane(Enum):
    """Imports, bulk jobs and demo data go beside the people, in small batches, never before them."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


CAPS: Final[Mapping[Lane, Caps]] = {
    Lane.INTERACTIVE: Caps(batch=64, of_tenant=32, at_once=2, waiting=4096, waiting_of_tenant=1024),
    Lane.BULK: Caps(batch=16, of_tenant=8, at_once=1, waiting=1024, waiting_of_tenant=256),
}
WORTH_ITS_OWN: Final = 8
"""So many must wait to leave behind a batch that is under way; fewer wait for its end: a transaction has its price."""
LOCK_TIMEOUT: Final = "200ms"
"""A batch waits no longer for another appender's open transaction; its commands are then sent one by one."""
ALONE_AT_ONCE: Final = 4
RESOLVED_WITHIN_S: Final = 5.0
"""So long a batch whose answer was lost is sent again; after that its outcome is unknown."""
AGAIN_AFTER_S: Final = 0.05
TENANTS_TOLD: Final = 20
_ALONE: Final = (errors.SerializationFailure, errors.DeadlockDetected, errors.LockNotAvailable)
"""What the database calls operational although it concerns only one of the batch."""
_NEVER_SENT: Final = (PoolTimeout, PoolClosed)
_AWAY: Final = (psycopg.OperationalError, psycopg.InterfaceError)
_AGAIN: Final = (*_ALONE, *_AWAY, KeyInFlight)
"""What may pass when a command is sent again whose answer was lost (its own former transaction may be in flight)."""
_LOST: Final = (None, "57P01", "57P02", "57P03")
"""No word, or ended by an operator: the commit may have been done or not. So may all of class 08."""

_METER: Final = metrics.get_meter("helpdesk.append")
_SIZE: Final = _METER.create_histogram(
    "helpdesk.append.batch_size",
    "1",
    "Commands in one transaction.",
    explicit_bucket_boundaries_advisory=[1, 2, 4, 8, 16, 32, 64],
)
_SECONDS: Final = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0]
_DURATION: Final = _METER.create_histogram(
    "helpdesk.append.duration",
    "s",
    "From sending a batch to its commit.",
    explicit_bucket_boundaries_advisory=_SECONDS,
)
_QUEUED: Final = _METER.create_histogram(
    "helpdesk.append.queued",
    "s",
    "How long the longest of a batch had waited.",
    explicit_bucket_boundaries_advisory=_SECONDS,
)


@dataclass(eq=False, slots=True)
class _Waiting:
    """A command and the caller who waits for it."""

    command: Prepared
    done: asyncio.Future[None]
    since: float = field(default_factory=time.monotonic)

    @property
    def tenant_id(self) -> UUID:
        return self.command.tenant_id

    @property
    def claims(self) -> frozenset[object]:
        return self.command.claims

    @property
    def gone(self) -> bool:
        return self.done.cancelled()


class Group:
    """The appends of one process to one owner's events. `close` writes what still waits."""

    def __init__(self, pool: Pool, schema: str, caps: Mapping[Lane, Caps] = CAPS) -> None:
        self._lanes = {lane: _Lane(lane, caps[lane], EventStore(pool, schema)) for lane in Lane}

    async def append(
        self,
        command_id: UUID,
        appends: Sequence[StreamAppend],
        metadata: Metadata,
        keyed: Keyed | None = None,
        *,
        tenant_id: UUID | None = None,
        lane: Lane = Lane.INTERACTIVE,
    ) -> None:
        """Append one command's events, all of one tenant, all or none. A caller may stop waiting at any time.

        `tenant_id` is only needed by a keyed command that makes no events. Raises WrongVersion, DuplicateCommand,
        EventTooLarge, Overloaded; with `keyed` KeyInFlight, KeyReused, KeyAnswered; `postgres.pool.UNAVAILABLE` when
        the database cannot be asked: then the outcome is unknown only if the connection broke and none came back.
        """
        tenant_id = tenant_id or appends[0].stream.tenant_id
        await self._lanes[lane].append(prepare(command_id, tenant_id, appends, metadata, keyed))

    async def run(self) -> None:
        """Stay until cancelled, and write what still waits then: for who has no better place to call `close`."""
        try:
            await asyncio.Event().wait()
        finally:
            await self.close()

    async def close(self) -> None:
        """Return when nothing waits any more."""
        await asyncio.gather(*(lane.drained() for lane in self._lanes.values()))


class _Lane:
    def __init__(self, name: Lane, caps: Caps, store: EventStore) -> None:
        self.name, self._store = name, store
        self.line: Line[_Waiting] = Line(caps)
        self._at_once, self._under_way = caps.at_once, 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._flushers = 0
        self._room = asyncio.Semaphore(ALONE_AT_ONCE)
        _LANES.add(self)

    async def append(self, command: Prepared) -> None:
        waiting = _Waiting(command, asyncio.get_running_loop().create_future())
        self.line.push(waiting)
        self._wake()
        await waiting.done

    async def drained(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _wake(self) -> None:
        waiting = len(self.line)
        if waiting and (not self._flushers or (self._flushers < self._at_once and waiting >= WORTH_ITS_OWN)):
            self._flushers += 1
            self._begin(self._flush())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _flush(self) -> None:
        """Batch after batch, until nothing waits or the batches under way will do for what does."""
        try:
            while batch := self._next():
                try:
                    async with self._store.pipelines.using() as pipeline:
                        while batch:
                            await self._write(batch, pipeline)
                            self._under_way -= 1
                            await asyncio.sleep(0)  # who was told now may have more
                            batch = self._next() if not pipeline.broken else []
                except Exception as error:  # whatever it is, they must be told
                    self._under_way -= bool(batch)
                    self._fail(batch, error)
        finally:
            self._flushers -= 1

    def _next(self) -> list[_Waiting]:
        """What waits, shared with the flushers that are free now: while one batch commits, the next is being made."""
        waiting = len(self.line)
        if self._under_way and waiting < WORTH_ITS_OWN:
            return []
        batch = self.line.take(max(WORTH_ITS_OWN, -(-waiting // (self._at_once - self._under_way))))
        self._under_way += bool(batch)
        return batch

    async def _write(self, batch: Sequence[_Waiting], pipeline: Pipeline | None) -> None:
        """One transaction, sent again when its answer was lost. Whatever happens, each of the batch gets an outcome."""
        begun = time.monotonic()
        attributes = {"lane": self.name.value}
        _SIZE.record(len(batch), attributes)
        _QUEUED.record(begun - min(one.since for one in batch), attributes)
        commands, uncertain = [one.command for one in batch], False
        while True:
            try:
                refused = await self._store.append_batch(commands, LOCK_TIMEOUT, pipeline)
                break
            except Exception as error:
                uncertain, pipeline = uncertain or _is_lost(error), None
                if uncertain and isinstance(error, _AWAY) and time.monotonic() < begun + RESOLVED_WITHIN_S:
                    await pause(AGAIN_AFTER_S)
                elif isinstance(error, UNAVAILABLE) and not isinstance(error, _ALONE):
                    self._fail(batch, error)
                    return
                else:
                    self._send_alone(batch, uncertain=uncertain)
                    return
        _DURATION.record(time.monotonic() - begun, attributes)
        for one in batch:
            reason = refused.get(one.command.id)
            if reason is not None and uncertain:
                self._send_alone([one], uncertain=True)
            else:
                self._end(one, None if reason is None else REFUSALS[reason]())

    def _send_alone(self, batch: Iterable[_Waiting], *, uncertain: bool) -> None:
        """Each in a transaction of its own, beside the next batches: one that must wait holds nobody else back."""
        for one in batch:
            self._begin(self._write_alone(one, uncertain=uncertain))

    async def _write_alone(self, one: _Waiting, *, uncertain: bool) -> None:
        deadline, outcome = time.monotonic() + RESOLVED_WITHIN_S, None
        async with self._room:
            while True:
                try:
                    await self._sent(one.command, uncertain=uncertain)
                    break
                except Exception as error:
                    uncertain = uncertain or _is_lost(error)
                    if time.monotonic() > deadline or not isinstance(error, _AGAIN if uncertain else _ALONE):
                        outcome = error
                        break
                    await pause(AGAIN_AFTER_S)
        self._end(one, outcome)
        self._wake()  # somebody may wait for what it claimed

    async def _sent(self, command: Prepared, *, uncertain: bool) -> None:
        """Append it. Of what was sent before and is found in its place, that was the append."""
        try:
            await self._store.append_one(command)
        except DuplicateCommand:
            if not (uncertain and await self._stands(command)):
                raise

    async def _stands(self, command: Prepared) -> bool:
        if not command.appends:
            return True
        first = command.appends[0]
        found = await self._store.read_stream(first.stream, first.expected_version)
        return bool(found) and found[0].command_id == command.id

    def _fail(self, batch: Iterable[_Waiting], error: Exception) -> None:
        """Nothing can be written now: when there is no connection, those who wait behind are told at once, too."""
        for one in batch:
            self._end(one, _copy(error))
        if isinstance(error, _NEVER_SENT) or _is_lost(error):
            for one in self.line.take_all():
                _tell(one, _copy(error))

    def _end(self, one: _Waiting, error: Exception | None) -> None:
        self.line.release(one)
        _tell(one, error)


def _tell(one: _Waiting, error: Exception | None) -> None:
    if one.done.done():  # nobody waits any more
        return
    if error is None:
        one.done.set_result(None)
    else:
        one.done.set_exception(error)


def _copy(error: Exception) -> Exception:
    """One for each caller: a raised exception keeps the trace of who raised it."""
    copied = copy.copy(error)
    copied.__cause__ = error
    return copied


def _is_lost(error: Exception) -> bool:
    """Whether a commit may have been done although this was said."""
    if isinstance(error, _NEVER_SENT) or not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    return error.sqlstate in _LOST or (error.sqlstate or "").startswith("08")


_LANES: Final[WeakSet[_Lane]] = WeakSet()


def _depth(_: CallbackOptions) -> Iterator[Observation]:
    return (Observation(len(lane.line), {"lane": lane.name.value}) for lane in _LANES)


def _lag(_: CallbackOptions) -> Iterator[Observation]:
    now = time.monotonic()
    for lane in _LANES:
        longest = sorted((one.since, tenant_id) for tenant_id, one in lane.line.heads())[:TENANTS_TOLD]
        for since, tenant_id in longest:
            yield Observation(now - since, {"lane": lane.name.value, "tenant": str(tenant_id)})


_METER.create_observable_gauge("helpdesk.append.waiting", [_depth], "1", "Commands that wait for a transaction.")
_METER.create_observable_gauge(
    "helpdesk.append.lag",
    [_lag],
    "s",
    "How long the first of a tenant's commands has waited, of those that wait longest.",
)
