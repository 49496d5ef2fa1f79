"""I6: every effect of an event exists once, by its id: deliveries and notifications."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, get_args
from uuid import UUID

from helpdesk.events.ticket import TicketEvent
from helpdesk.eventstore.rows import COLUMNS, EventRow
from helpdesk.recorded import RecordedEvent, whole_commands
from helpdesk.wire import Undecodable
from notifier.domain.notice import in_app_id
from notifier.domain.rules import retold
from notifier.domain.ticket import Ticket, evolve
from tickets.verify.folds import PURGED
from tickets.verify.report import EXAMPLES, Outcome
from tickets.verify.snapshot import Snapshot
from webhook_dispatcher.domain.catalogue import INTERNAL, PUBLIC
from webhook_dispatcher.domain.commands import commands_of
from webhook_dispatcher.domain.messages import retold as retold_to_machines
from webhook_dispatcher.store.intake import Listening
from webhook_dispatcher.subscribers import deliveries_of

_TICKET: Final = get_args(TicketEvent)
_UNDECIDED: Final = timedelta(seconds=1)
"""An endpoint that was being made at that moment may or may not have been seen."""

_EVENTS: Final = f"""
select {COLUMNS} from events.event where stream_type = 'ticket' and tenant_id = any(%s)
order by tenant_id, stream_id, version"""
_GUARDS: Final = """
select tenant_id, stream_id, version from {schema}.stream_guard where stream_type = 'ticket' and tenant_id = any(%s)
order by tenant_id, stream_id"""

_ENDPOINTS: Final = """
select tenant_id, id, events, created_at, is_active and not deleted and version = 1 from webhooks.endpoint"""
_DELIVERIES: Final = """
select tenant_id, ticket_id, id, endpoint_id, event_id, type from webhooks.delivery order by tenant_id, ticket_id"""
_TWICE_DELIVERED: Final = """
select tenant_id, endpoint_id, event_id, type, count(*) from webhooks.delivery
group by 1, 2, 3, 4 having count(*) > 1 limit %s"""

_NOTIFIED_TENANTS: Final = "select distinct tenant_id from notices.stream_guard where stream_type = 'ticket'"
_NOTIFICATIONS: Final = """
select tenant_id, (data ->> 'ticketId')::uuid, id, user_id, event_id from notices.notification order by 1, 2"""
_TWICE_NOTIFIED: Final = """
select tenant_id, user_id, event_id, count(*) from notices.notification
group by 1, 2, 3 having count(*) > 1 limit %s"""


@dataclass(slots=True)
class _Ticket:
    """One ticket's events up to the guard, and the effects that stand for it."""

    tenant_id: UUID
    id: UUID
    events: list[RecordedEvent]
    effects: list[Any]


def check(snapshot: Snapshot) -> Outcome:
    """Deliveries exactly, where it can be known who listened; notifications as far as their readers keep them."""
    outcome = Outcome("I6", "every effect of an event exists once")
    purged = {tenant for (tenant,) in snapshot.rows(PURGED)}
    _deliveries(snapshot, purged, outcome)
    _notifications(snapshot, purged, outcome)
    return outcome


def _deliveries(snapshot: Snapshot, purged: set[UUID], outcome: Outcome) -> None:
    for tenant, endpoint, event, type_, times in snapshot.rows(_TWICE_DELIVERED, (EXAMPLES,)):
        outcome.found(f"webhooks.delivery: {type_} of event {event} stands {times} times for {endpoint}@{tenant}")
    listening: dict[UUID, list[Listening]] = {}
    steady: set[UUID] = set()
    for tenant, id_, events, created_at, unchanged in snapshot.rows(_ENDPOINTS):
        listening.setdefault(tenant, []).append(Listening(tenant, id_, events, created_at))
        if unchanged:
            steady.add(id_)
    everything = [*PUBLIC, *INTERNAL]
    for ticket in _tickets(snapshot, "webhooks", list(listening), _DELIVERIES, outcome):
        outcome.looked_at["deliveries"] += len(ticket.effects)
        if ticket.tenant_id in purged:
            continue
        endpoints = listening.get(ticket.tenant_id, [])
        anyhow = [replace(one, events=everything) for one in endpoints]
        sure = [replace(one, created_at=one.created_at + _UNDECIDED) for one in endpoints if one.id in steady]
        commands = commands_of(None, ticket.events) if endpoints else []
        may = {one.id: one for command in commands for one in deliveries_of(command, anyhow, retold_to_machines)}
        must = {one.id: one for command in commands for one in deliveries_of(command, sure)}
        there = {row[2] for row in ticket.effects}
        for _, _, id_, endpoint, event, type_ in ticket.effects:
            if id_ not in may or (may[id_].endpoint_id, may[id_].event_id, may[id_].type) != (endpoint, event, type_):
                outcome.found(f"webhooks.delivery: {id_} ({type_} for {endpoint}) has no event of its own: {event}")
        for id_ in must.keys() - there:
            one = must[id_]
            outcome.found(f"webhooks.delivery: {one.type} of event {one.event_id} is missing for {one.endpoint_id}")


def _notifications(snapshot: Snapshot, purged: set[UUID], outcome: Outcome) -> None:
    for tenant, user, event, times in snapshot.rows(_TWICE_NOTIFIED, (EXAMPLES,)):
        outcome.found(f"notices.notification: event {event} tells {user}@{tenant} {times} times")
    tenants = [tenant for (tenant,) in snapshot.rows(_NOTIFIED_TENANTS)]
    gone = 0
    for ticket in _tickets(snapshot, "notices", tenants, _NOTIFICATIONS, outcome):
        outcome.looked_at["notifications"] += len(ticket.effects)
        if ticket.tenant_id in purged:
            continue
        may = dict(_told(ticket))
        for _, _, id_, user, event in ticket.effects:
            if may.pop(id_, None) != (event, user):
                outcome.found(f"notices.notification: {id_} for {user} has no event of its own: {event}")
        gone += len(may)
    if gone:
        outcome.notes.append(
            f"{gone:,} notices that events could have made do not stand: read and deleted, or never due"
        )


def _told(ticket: _Ticket) -> Iterator[tuple[UUID, tuple[UUID, UUID]]]:
    """Whom the ticket's commands may have told: the id of the notification → (event, person)."""
    state: Ticket | None = None
    for command in whole_commands(ticket.events):
        events = [one.event for one in command if isinstance(one.event, _TICKET)]
        for event in events:
            state = evolve(state, ticket.id, event)
        if state is not None:
            for notice in retold(events, state):
                first = command[0]
                yield in_app_id(first, notice.user_id), (first.event_id, notice.user_id)


def _tickets(
    snapshot: Snapshot, schema: str, tenants: Sequence[UUID], effects: str, outcome: Outcome
) -> Iterator[_Ticket]:
    sources: Mapping[str, Iterable[Any]] = {
        "events": ((row[0], row[2], row) for row in snapshot.stream(_EVENTS, (tenants,))),
        "guards": ((row[0], row[1], row) for row in snapshot.stream(_GUARDS.format(schema=schema), (tenants,))),
        "effects": ((row[0], row[1], row) for row in snapshot.stream(effects)),
    }
    together = merge(
        *(_keyed(name, rows) for name, rows in sources.items()),
        key=itemgetter(0, 1),
    )
    for (tenant, id_), group in groupby(together, key=itemgetter(0, 1)):
        found: dict[str, list[Any]] = {"events": [], "guards": [], "effects": []}
        for _, _, name, row in group:
            found[name].append(row)
        version = found["guards"][0][2] if found["guards"] else 0
        try:
            events = [EventRow(*row).recorded() for row in found["events"][:version]]
        except Undecodable as error:
            outcome.found(f"ticket {UUID(int=id_)}: {error}")
            continue
        yield _Ticket(UUID(int=tenant), UUID(int=id_), events, found["effects"])


def _keyed(name: str, rows: Iterable[tuple[UUID, UUID, Any]]) -> Iterator[tuple[int, int, str, Any]]:
    return ((tenant.int, id_.int, name, row) for tenant, id_, row in rows)
