"""Row 3: from an append to its view, at half of what the pipeline can bear, beside bare Kafka at the same rate.

"Visible" is the moment at which `views.applied` says so, asked once for all that wait whenever the projector notifies:
the very mechanism by which the command API waits, so that what measuring costs is what the product costs. In the same
rounds the bare way is measured too: what is left of the distance to Kafka when nothing of it is ours.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

import uvloop
from aiokafka import AIOKafkaConsumer

from benchmarks.bare_way import BareWay, bare_way
from benchmarks.kafka import Echo, echo
from benchmarks.knobs import Knobs
from benchmarks.openloop import at_rate
from benchmarks.report import Goal, Row
from benchmarks.stats import Spread, median, middle
from benchmarks.system import System
from command_api.execute import utc_now
from helpdesk.bus import envelope
from helpdesk.consistency import Applied, Position
from helpdesk.events.ticket import TicketCreated
from helpdesk.eventstore.grouping import Group
from helpdesk.eventstore.relay import Poke
from helpdesk.eventstore.store import StreamAppend
from helpdesk.ids import new_id
from helpdesk.postgres.listening import Listener
from helpdesk.postgres.pool import open_pool
from helpdesk.recorded import Metadata, Stream

IN_FLIGHT: Final = 64
BOUND_S: Final = 20.0
LOW_RATE: Final = 20.0
RATES: Final = (LOW_RATE, 300.0)
ENOUGH: Final = 100
"""Events of one window, at least."""
EFFECTS: Final = ("webhook-dispatcher-intake", "notifier-intake")
"""The consumers whose effects nobody waits for."""
WORTH_TELLING: Final = 10
"""Microseconds of CPU for an event."""


@dataclass(frozen=True, slots=True)
class Way:
    """The stations of one event, in milliseconds. `bus` and `apply` are known only where somebody listens there."""

    append: float
    shown: float
    relay: float = 0.0
    bus: float = 0.0
    apply: float = 0.0

    @property
    def whole(self) -> float:
        """From before the append until the view shows it."""
        return self.append + self.shown


class Writer:
    """Appends tickets, and sees when the views show them."""

    def __init__(self, group: Group, poke: Poke, views: Applied) -> None:
        self._group, self._poke, self._views = group, poke, views
        self._tenant, self._number = uuid4(), 0
        self.arrivals: dict[UUID, tuple[float, float]] = {}
        """stream → (produced by the relay, received by a bare consumer), on this process's clock."""

    async def once(self) -> Way:
        """One ticket. Raises RuntimeError when no view shows it in time."""
        stream, command = Stream(self._tenant, "ticket", new_id()), uuid4()
        event = self._ticket()
        begun = time.perf_counter()
        await self._group.append(command, [StreamAppend(stream, 0, [event])], Metadata(event.by, command, None))
        appended = time.perf_counter()
        self._poke()
        if not await self._views.wait([Position(stream, 1)], BOUND_S):
            raise RuntimeError(f"the views did not show an event within {BOUND_S:.0f} s")
        shown = time.perf_counter()
        produced, received = self.arrivals.pop(stream.id, (appended, appended))
        return Way(
            append=(appended - begun) * 1000,
            shown=(shown - appended) * 1000,
            relay=(produced - appended) * 1000,
            bus=(received - produced) * 1000,
            apply=(shown - received) * 1000,
        )

    def _ticket(self) -> TicketCreated:
        self._number += 1
        return TicketCreated(
            number=self._number,
            title="The export of last month stops after ten thousand rows",
            description="It began on Monday; a colleague sees the same. The file ends in the middle of a line.",
            priority="high",
            metadata={"channel": "web"},
            tags=("export", "billing"),
            by=self._tenant,
            at=utc_now(),
        )


def measure(system: System, knobs: Knobs) -> list[Row]:
    """With all consumers running; then with none but the projector, whose lag it is, beside the servers."""
    rows = uvloop.run(_measure(system, knobs, ""))
    rows += uvloop.run(_at_rates(system, knobs))
    for name in EFFECTS:
        system.stack.stop(name)
    try:
        return rows + uvloop.run(_measure(system, knobs, ", webhooks and notices stopped", goals=False))
    finally:
        for name in EFFECTS:
            system.stack.start(name)


async def _measure(system: System, knobs: Knobs, beside: str, *, goals: bool = True) -> list[Row]:
    async with _all_three(system) as all_three:
        await at_rate(all_three.writer.once, LOW_RATE, 1.0)
        most = median([await sustained(all_three.writer, knobs.window_s / 2) for _ in range(3)])
        found = await _windows(system, knobs, all_three, most / 2)
    found.notes.update({"events/s in this row": most / 2, "events/s at most": most})
    return _rows(f"at half load{beside}", found, goals=goals) + ([] if beside else _bare_rows("at half load", found))


async def _at_rates(system: System, knobs: Knobs) -> list[Row]:
    async with _all_three(system) as all_three:
        found = {rate: await _windows(system, knobs, all_three, rate) for rate in RATES}
    named = {f"at {rate:g} events/s": one for rate, one in found.items()}
    return [row for when, one in named.items() for row in _rows(when, one, goals=False) + _bare_rows(when, one)]


@dataclass(frozen=True, slots=True)
class _AllThree:
    """The product, the same way with nothing of the product, and Kafka alone."""

    writer: Writer
    bare_way: BareWay
    kafka: Echo


@asynccontextmanager
async def _all_three(system: System) -> AsyncIterator[_AllThree]:
    bootstrap = system.stack.kafka_bootstrap
    async with (
        writing(system) as writer,
        bare_way(system.stack.servers.new_database(), bootstrap) as bare,
        echo(bootstrap) as kafka,
    ):
        yield _AllThree(writer, bare, kafka)


@dataclass(frozen=True, slots=True)
class Windows:
    """What the windows at one rate have given: from the append, after it, of the bare way, and of Kafka alone."""

    whole: Spread
    lag: Spread
    way: Spread
    kafka: Spread
    notes: dict[str, float]


async def _windows(system: System, knobs: Knobs, all_three: _AllThree, rate: float) -> Windows:
    seconds = max(knobs.window_s, ENOUGH / rate)
    await all_three.kafka.at(rate, 1.0)
    await at_rate(all_three.bare_way.once, rate, 1.0)
    whole, lag, way, kafka = [], [], [], []
    spent: Counter[str] = Counter()
    for _ in range(knobs.rounds):
        kafka.append(Spread.of(await all_three.kafka.at(rate, seconds)))
        way.append(Spread.of([one.whole for one in await at_rate(all_three.bare_way.once, rate, seconds)]))
        before = system.cpu_s()
        ways = await at_rate(all_three.writer.once, rate, seconds)
        after = system.cpu_s()
        each = len(ways) * knobs.rounds
        spent.update({name: (after[name] - was) / each * 1e6 for name, was in before.items() if name in after})
        whole.append(Spread.of([one.whole for one in ways]))
        lag.append(Spread.of([one.shown for one in ways]))
    notes: dict[str, float] = {"of it after the append, ms": middle(lag).p50}
    notes |= {f"CPU per event of {name}, µs": round(cpu) for name, cpu in spent.most_common() if cpu >= WORTH_TELLING}
    return Windows(middle(whole), middle(lag), middle(way), middle(kafka), notes)


def _rows(when: str, found: Windows, *, goals: bool) -> list[Row]:
    name, tail = f"append → visible {when}", {"of it after the append, ms": found.lag.p99}
    return [
        _row(name, "p50", found.whole.p50, found.kafka.p50, 3.0 if goals else None, found.notes),
        _row(name, "p99", found.whole.p99, found.kafka.p99, 5.0 if goals else None, tail),
    ]


def _bare_rows(when: str, found: Windows) -> list[Row]:
    name = f"the same way with nothing but bare statements {when}"
    return [
        _row(name, "p50", found.way.p50, found.kafka.p50, None, {}),
        _row(name, "p99", found.way.p99, found.kafka.p99, None, {}),
    ]


def _row(what: str, which: str, measured: float, limit: float, bound: float | None, notes: dict[str, float]) -> Row:
    goal = None if bound is None else Goal("≤", bound)
    return Row("3", f"{what}, {which} | bare Kafka produce → consume", "ms", measured, limit, goal, notes)


async def sustained(writer: Writer, seconds: float) -> float:
    """Events a second when the next is appended as soon as one is visible, with many under way."""
    begun, done = time.perf_counter(), 0

    async def on() -> None:
        nonlocal done
        while time.perf_counter() < begun + seconds:
            await writer.once()
            done += 1

    await asyncio.gather(*(on() for _ in range(IN_FLIGHT)))
    return done / (time.perf_counter() - begun)


async def stages(system: System, rate: float, seconds: float) -> dict[str, dict[str, float]]:
    """Where the time of an event goes: a bare consumer sees it pass by. Milliseconds, p50 and p99 of each station."""
    async with writing(system) as writer, AsyncExitStack() as stack:
        await stack.enter_async_context(_observed(system, writer))
        await at_rate(writer.once, rate, 1.0)
        ways = await at_rate(writer.once, rate, seconds)
    stations: dict[str, Sequence[float]] = {
        "append (commit included)": [way.append for way in ways],
        "poke → feed → produced": [way.relay for way in ways],
        "produced → consumed": [way.bus for way in ways],
        "consumed → applied → told": [way.apply for way in ways],
        "append → visible": [way.whole for way in ways],
    }
    told = {name: Spread.of(times) for name, times in stations.items()}
    return {name: {"p50": round(one.p50, 2), "p99": round(one.p99, 2)} for name, one in told.items()}


@asynccontextmanager
async def writing(system: System) -> AsyncIterator[Writer]:
    """A writer with what runs beside it."""
    dsn = system.stack.dsn("command_api")
    listener, progress = Listener(dsn, "bench-listen"), system.stack.dsn("views_progress")
    poke, views = Poke(dsn, "events"), Applied(listener, progress, "views")
    async with open_pool(dsn, name="bench", max_size=16) as pool:
        beside = [asyncio.create_task(job()) for job in (listener.run, poke.run, views.run)]
        try:
            await views.connected_wait([], 10.0)
            yield Writer(Group(pool, "events"), poke, views)
        finally:
            for task in beside:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*beside)


@asynccontextmanager
async def _observed(system: System, writer: Writer) -> AsyncIterator[None]:
    consumer = AIOKafkaConsumer(
        system.topic, bootstrap_servers=system.stack.kafka_bootstrap, auto_offset_reset="latest"
    )
    async with consumer:
        await consumer.seek_to_end()

        async def watch() -> None:
            while True:
                for records in (await consumer.getmany(timeout_ms=1000)).values():
                    now, wall = time.perf_counter(), time.time()
                    for record in records:
                        event, _ = envelope.decode(record.value)
                        # Kafka keeps whole milliseconds: half of one is what it has lost on average.
                        produced = now - (wall - (record.timestamp + 0.5) / 1000)
                        writer.arrivals[event.stream.id] = produced, now

        watching = asyncio.create_task(watch())
        try:
            yield
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
