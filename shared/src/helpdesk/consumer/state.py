"""What health and metrics show of a consumer."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID
from weakref import WeakSet

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from helpdesk.clock import utc_now
from helpdesk.consumer.batch import Received, StreamBatch
from helpdesk.consumer.errors import Halt

TENANTS_SHOWN: Final = 50
FORGOTTEN_AFTER_S: Final = 60.0
_METER: Final = metrics.get_meter("helpdesk.consumer")
_APPLIED: Final = _METER.create_counter("helpdesk.consumer.applied", "1", "Events applied.")
_DROPPED: Final = _METER.create_counter("helpdesk.consumer.dropped", "1", "Events that had been applied before.")
_UNKNOWN: Final = _METER.create_counter("helpdesk.consumer.unknown", "1", "Events of types that this version ignores.")
_HEALED: Final = _METER.create_counter("helpdesk.consumer.healed", "1", "Gaps closed from the store.")
_REPLAYED: Final = _METER.create_counter("helpdesk.consumer.replayed", "1", "Events read from the store's feed.")
_FOREIGN: Final = _METER.create_counter("helpdesk.consumer.foreign", "1", "Records of another store, ignored.")
_BATCH: Final = _METER.create_histogram(
    "helpdesk.consumer.batch_seconds", "s", "From the fetch of a batch to its commit."
)


class TenantLags:
    """How long the events of each tenant waited, from append to commit here, lately: the worst of the last minute.

    Tenants are as many as there are customers, so only the worst are named and the rest is one more.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, shown: int = TENANTS_SHOWN) -> None:
        self._clock, self._shown = clock, shown
        self._worst: dict[UUID, tuple[float, float]] = {}
        self._waiting: dict[UUID, datetime] = {}

    def begin(self, received: Iterable[Received]) -> None:
        """These are to be applied next."""
        self._waiting = _oldest((one.recorded.stream.tenant_id, one.recorded.recorded_at) for one in received)

    def applied(self, batches: Iterable[StreamBatch], now: datetime) -> None:
        """These are committed."""
        self._waiting = {}
        at = self._clock()
        for tenant, oldest in _oldest((b.stream.tenant_id, b.events[0].recorded_at) for b in batches).items():
            lag = max(0.0, (now - oldest).total_seconds())
            worst, since = self._worst.get(tenant, (0.0, 0.0))
            if lag >= worst or at - since > FORGOTTEN_AFTER_S:
                self._worst[tenant] = (lag, at)
        if len(self._worst) > 20 * self._shown:
            self._forget()

    def worst(self, now: datetime) -> dict[str, float]:
        """Tenant → seconds, the worst first, and the worst of all others as `other`."""
        self._forget()
        lags = {tenant: lag for tenant, (lag, _) in self._worst.items()}
        for tenant, oldest in self._waiting.items():
            lags[tenant] = max(lags.get(tenant, 0.0), (now - oldest).total_seconds())
        ordered = sorted(lags.items(), key=lambda item: -item[1])
        named = {str(tenant): lag for tenant, lag in ordered[: self._shown]}
        return named | ({"other": ordered[self._shown][1]} if len(ordered) > self._shown else {})

    def _forget(self) -> None:
        limit = self._clock() - FORGOTTEN_AFTER_S
        self._worst = {tenant: entry for tenant, entry in self._worst.items() if entry[1] >= limit}


def _oldest(pairs: Iterable[tuple[UUID, datetime]]) -> dict[UUID, datetime]:
    found: dict[UUID, datetime] = {}
    for tenant, at in pairs:
        if (known := found.get(tenant)) is None or at < known:
            found[tenant] = at
    return found


@dataclass(slots=True, eq=False, weakref_slot=True)
class ConsumerState:
    """`halted` is the reason for which it stopped for good, `why` its kind; `error` why it cannot go on just now.

    `lag` is the number of records by partition that Kafka holds beyond what is applied; `parked` counts streams and
    records that wait for an operator. `moved_at` is when (monotonic) something was last known to go on.
    """

    group: str = ""
    placed: set[int] = field(default_factory=set)
    applied: int = 0
    dropped: int = 0
    unknown: int = 0
    healed: int = 0
    replayed: int = 0
    foreign: int = 0
    parked: int = 0
    lag: dict[int, int] = field(default_factory=dict)
    seconds: dict[int, datetime] = field(default_factory=dict)
    tenants: TenantLags = field(default_factory=TenantLags)
    moved_at: float = field(default_factory=time.monotonic)
    error: str | None = None
    halted: str | None = None
    why: Halt | None = None

    def __post_init__(self) -> None:
        _STATES.add(self)

    @property
    def reason(self) -> str | None:
        """Why it is not ready; None when it holds partitions and nothing keeps it from going on."""
        if self.halted:
            return f"halted: {self.halted}"
        if self.error:
            return self.error
        return None if self.placed else "no partitions are assigned yet"

    def halt(self, why: Halt, sentence: str) -> None:
        """It applies nothing more."""
        self.why, self.halted = why, f"{why}: {sentence}"
        self.placed.clear()

    def committed(self, applied: int, dropped: int, unknown: int, began: float) -> None:
        """A batch is done."""
        self.applied += applied
        self.dropped += dropped
        self.unknown += unknown
        self.moved_at = time.monotonic()
        of = {"group": self.group}
        for counter, count in ((_APPLIED, applied), (_DROPPED, dropped), (_UNKNOWN, unknown)):
            if count:
                counter.add(count, of)
        _BATCH.record(self.moved_at - began, of)

    def heal(self) -> None:
        """One gap is closed."""
        self.healed += 1
        self.moved_at = time.monotonic()
        _HEALED.add(1, {"group": self.group})

    def replay(self, events: int) -> None:
        """That many events came from the feed."""
        self.replayed += events
        self.moved_at = time.monotonic()
        _REPLAYED.add(events, {"group": self.group})

    def ignore_foreign(self) -> None:
        """A record of another store."""
        self.foreign += 1
        _FOREIGN.add(1, {"group": self.group})

    def seconds_behind(self, partition: int, now: datetime) -> float:
        """The age of the last applied event while more wait behind it, else 0."""
        last = self.seconds.get(partition)
        return max(0.0, (now - last).total_seconds()) if last and self.lag.get(partition, 0) > 0 else 0.0


_STATES: Final["WeakSet[ConsumerState]"] = WeakSet()


def _lag(_: CallbackOptions) -> Iterator[Observation]:
    for state in _STATES:
        for partition, records in state.lag.items():
            yield Observation(records, {"group": state.group, "partition": partition})


def _seconds(_: CallbackOptions) -> Iterator[Observation]:
    now = utc_now()
    for state in _STATES:
        for partition in state.lag:
            yield Observation(state.seconds_behind(partition, now), {"group": state.group, "partition": partition})


def _tenants(_: CallbackOptions) -> Iterator[Observation]:
    now = utc_now()
    for state in _STATES:
        for tenant, seconds in state.tenants.worst(now).items():
            yield Observation(seconds, {"group": state.group, "tenant": tenant})


def _halted(_: CallbackOptions) -> Iterator[Observation]:
    for state in _STATES:
        for why in Halt:
            yield Observation(int(state.why is why), {"group": state.group, "reason": why.value})


def _parked(_: CallbackOptions) -> Iterator[Observation]:
    for state in _STATES:
        yield Observation(state.parked, {"group": state.group})


_METER.create_observable_gauge("helpdesk.consumer.lag", [_lag], "1", "Records in Kafka that are not applied yet.")
_METER.create_observable_gauge("helpdesk.consumer.lag_seconds", [_seconds], "s", "How far the applied events are back.")
_METER.create_observable_gauge(
    "helpdesk.consumer.tenant_lag_seconds", [_tenants], "s", "The longest wait of a tenant's events in the last minute."
)
_METER.create_observable_gauge("helpdesk.consumer.halted", [_halted], "1", "Whether it applies nothing more, and why.")
_METER.create_observable_gauge(
    "helpdesk.consumer.parked", [_parked], "1", "Streams and records that wait for somebody."
)
