"""The shell of every ticket command, the same for each: read, decide, append, wait until the caller would see it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, cast
from uuid import UUID

from psycopg.errors import DeadlockDetected, SerializationFailure, UniqueViolation

from command_api import store
from command_api.directory import LEASE_S, Directory
from command_api.domain.rejected import Rejected
from command_api.domain.ticket.commands import TicketCommand
from command_api.domain.ticket.decide import decide
from command_api.domain.ticket.history import History
from command_api.domain.ticket.state import Ticket, fold
from command_api.histories import Histories
from command_api.numbers import Numbers
from helpdesk import clock
from helpdesk.consistency import Applied, Position
from helpdesk.events import Event
from helpdesk.events.ticket import TicketAssigned, TicketEvent
from helpdesk.eventstore.grouping import Group, Lane
from helpdesk.eventstore.history import Past
from helpdesk.eventstore.idempotency import Answer, Key, Keyed
from helpdesk.eventstore.relay import Poke
from helpdesk.eventstore.store import DuplicateCommand, EventStore, StreamAppend, WrongVersion
from helpdesk.folds import activities
from helpdesk.folds.activities import ActivityRow as Activity
from helpdesk.ids import new_id
from helpdesk.postgres.pool import Pool
from helpdesk.recorded import Metadata, Stream

TRIES: Final = 8
WITHIN_S: Final = 1.0
MISSED: Final = 50
"""Of so many events somebody with an old version is told."""
BEFORE_THE_VERSION: Final = frozenset(
    {"ticket_not_found", "comment_not_found", "attachment_not_found", "not_allowed", "internal_not_allowed"}
)
"""Refusals that hold whatever `If-Match` says; the others may come of what the caller has not seen yet."""
_TIMERS_S: Final = 0.005
"""A timer may fire a little early."""
Clock = Callable[[], datetime]
CommandAt = Callable[[datetime], TicketCommand]


class StaleVersion(Exception):
    """`If-Match` names a version at which the stream is no more. `current` is where it is; `missed` tells of the latest
    of what happened in between, oldest first."""

    def __init__(self, current: int, missed: Sequence[Activity] = ()) -> None:
        super().__init__(f"the stream is at version {current}")
        self.current, self.missed = current, missed


class Contended(Exception):
    """Others changed the stream at every try."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Who commands, and within which request. `waits`: the answer is to come when the views show the change.

    `cause_id` names what the command is a part of, if it is one of many. `key`: the answer is to be kept under it.
    `trace`: the caller's own, in the words of W3C Trace Context.
    """

    tenant_id: UUID
    actor: UUID
    command_id: UUID
    request_id: UUID | None = None
    waits: bool = True
    cause_id: UUID | None = None
    key: Key | None = None
    trace: str | None = None

    def part(self) -> "Cause":
        """The cause of one of many commands: an id of its own, and the request as what it comes from."""
        return replace(self, command_id=new_id(), cause_id=self.request_id or self.command_id, key=None)

    @property
    def metadata(self) -> Metadata:
        """What stands beside each event of the command."""
        return Metadata(self.actor, self.cause_id or self.command_id, self.request_id, self.trace)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The ticket after the command. `visible`: whether the views show it already; None when nobody asked them.

    `changed`: whether the command made an event. `answer`: what was kept under the command's key.
    """

    ticket_id: UUID
    ticket: Ticket
    version: int
    visible: bool | None = None
    changed: bool = True
    answer: Answer | None = None


Shape = Callable[[Outcome], Awaitable[Answer]]
"""How a door answers a command; asked before the append when the answer is to be kept with the events."""


def utc_now() -> datetime:
    """Now, in whole milliseconds: what clients see and send back."""
    now = clock.utc_now()
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


class Commands:
    """Executes commands. What it needs is given once, in `app.py`."""

    def __init__(
        self,
        pool: Pool,
        group: Group,
        directory: Directory,
        views: Applied,
        notices: Applied,
        webhooks: Applied,
        poke: Poke,
        clock: Clock = utc_now,
    ) -> None:
        self.pool, self.group, self.directory, self.clock, self.poke = pool, group, directory, clock, poke
        self.events = EventStore(pool, "events")
        self.histories, self._past = Histories(self.events.read_stream), Past(pool, "events")
        self.numbers = Numbers(pool)
        self._views, self._notices, self._webhooks = views, notices, webhooks
        self._queues = Queues()

    async def ticket(
        self,
        cause: Cause,
        ticket_id: UUID,
        command: CommandAt,
        expected_version: int | None = None,
        *,
        is_new: bool = False,
        shape: Shape | None = None,
    ) -> Outcome:
        """Carry out one command on one ticket. `is_new`: its id was made just now, so nobody asks for its history.
        `shape` makes the answer that is kept when the cause has a key.

        Raises Rejected, StaleVersion (with `expected_version`), Contended, EventTooLarge, Overloaded; with a key
        KeyAnswered, KeyReused, KeyInFlight.
        """
        stream = Stream(cause.tenant_id, "ticket", ticket_id)
        try:
            async with self._queues.turn(stream):
                events, outcome = await self._decided(cause, stream, command, expected_version, shape, is_new=is_new)
        except StaleVersion as stale:
            after = max(expected_version or 0, stale.current - MISSED)
            raise StaleVersion(stale.current, await self._missed(stream, after)) from stale
        if not cause.waits:
            return outcome
        return replace(outcome, visible=await self._visible(stream, outcome.version, events))

    async def _decided(
        self,
        cause: Cause,
        stream: Stream,
        command: CommandAt,
        expected_version: int | None,
        shape: Shape | None,
        *,
        is_new: bool,
    ) -> tuple[list[TicketEvent], Outcome]:
        """(new events, what they come to). Without an expectation another's change is no conflict: decide again."""
        deadline = time.monotonic() + WITHIN_S
        for attempt in range(TRIES if expected_version is None else 1):
            past = History() if is_new and attempt == 0 else await self.histories.read(stream)
            events = _decide(past, command(self.clock()), expected_version)
            outcome, keyed = _outcome(stream, past, events), None
            if cause.key and shape:
                outcome = replace(outcome, answer=await shape(outcome))
                keyed = Keyed(cause.key, outcome.answer) if outcome.answer else None
            if not events and not keyed:
                return [], outcome
            appends = [StreamAppend(stream, past.version, events)] if events else []
            try:
                await self.group.append(
                    cause.command_id, appends, cause.metadata, keyed=keyed, tenant_id=stream.tenant_id
                )
            except WrongVersion:
                if expected_version is not None:
                    raise StaleVersion((await self.histories.read(stream)).version) from None
            except DuplicateCommand:
                return [], _outcome(stream, await self.histories.read(stream), [])
            except UniqueViolation as error:
                if error.diag.constraint_name != "ticket_number_pkey":
                    raise
                await store.mend_numbers(self.pool, stream.tenant_id)
                raise NumberTaken from error
            except (SerializationFailure, DeadlockDetected):
                pass
            else:
                self.poke()
                return events, outcome
            if time.monotonic() > deadline:
                break
        raise Contended

    async def _missed(self, stream: Stream, after: int) -> list[Activity]:
        recorded = await self.events.read_stream(stream, after)
        known = [(cast("TicketEvent", one.event), one) for one in recorded[-MISSED:] if one.event is not None]
        return [activities.of(event, one.version, one.event_id) for event, one in known]

    async def has_history(self, tenant_id: UUID, ticket_id: UUID) -> bool:
        """Whether the ticket's stream exists."""
        return bool(await self._past.read_stream(Stream(tenant_id, "ticket", ticket_id), as_of=1))

    async def record(self, cause: Cause, ticket_id: UUID, command: TicketCommand) -> None:
        """Carry out a command that brings its own time, and wait for nobody (imports, demo data)."""
        stream = Stream(cause.tenant_id, "ticket", ticket_id)
        past = await self.histories.read(stream)
        events = decide(past.ticket, command)
        if events:
            appends = [StreamAppend(stream, past.version, events)]
            await self.group.append(cause.command_id, appends, cause.metadata, lane=Lane.BULK)
            self.poke()

    async def _visible(self, stream: Stream, version: int, events: Sequence[Event]) -> bool:
        position = Position(stream, version)
        # Effects are not waited for, but for one: who assigns to oneself finds the notification at once (contract §2).
        if any(isinstance(event, TicketAssigned) and event.assignee_id == event.by for event in events):
            views, notices = await asyncio.gather(self._views.wait([position]), self._notices.wait([position]))
            return views and notices
        return await self._views.wait([position])

    async def visible(self, positions: Sequence[Position]) -> bool:
        """Whether the views show these positions, waiting for at most a second."""
        return await self._views.wait(positions)

    async def known_at_all_doors(self, positions: Sequence[Position]) -> bool:
        """Whether every service that judges callers has come to these positions, waiting for at most a second: what
        changes who may act is answered when nobody acts by what was before (ADR 28), in no process of ours either."""
        elsewhere = (one.wait(positions) for one in (self._views, self._notices, self._webhooks))
        *known, _ = await asyncio.gather(*elsewhere, asyncio.sleep(LEASE_S + _TIMERS_S))
        return all(known)


def _outcome(stream: Stream, past: History, events: list[TicketEvent]) -> Outcome:
    ticket = fold(events, past.ticket)
    if ticket is None:
        raise RuntimeError(f"{stream}: a command was decided on nothing")
    return Outcome(stream.id, ticket, past.version + len(events), changed=bool(events))


def _decide(past: History, command: TicketCommand, expected_version: int | None) -> list[TicketEvent]:
    """What happens. To whom the rules show nothing of the ticket, its version is not told either (RFC 9110 §13.2.1)."""
    stale = expected_version is not None and past.version > 0 and expected_version != past.version
    try:
        events = decide(past.ticket, command)
    except Rejected as refusal:
        if stale and refusal.code not in BEFORE_THE_VERSION:
            raise StaleVersion(past.version) from refusal
        raise
    if stale:
        raise StaleVersion(past.version)
    return events


class NumberTaken(Exception):
    """The human number was given away before (the counter stepped back in a crash): take another."""


class Queues:
    """Commands on one stream take turns within a process, so that they do not race each other in vain."""

    def __init__(self) -> None:
        self._locks: dict[Stream, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def turn(self, stream: Stream) -> AsyncIterator[None]:
        """Hold the stream's turn; forgotten when nobody waits for it."""
        lock, users = self._locks.get(stream, (asyncio.Lock(), 0))
        self._locks[stream] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[stream]
            if users == 1:
                del self._locks[stream]
            else:
                self._locks[stream] = lock, users - 1


def new_command(
    tenant_id: UUID, actor: UUID, request_id: str | None = None, *, waits: bool = True, key: Key | None = None
) -> Cause:
    """The cause of a command that comes without an id of its own."""
    return Cause(tenant_id, actor, new_id(), UUID(request_id) if request_id else None, waits, key=key)
