"""I4: every row is the fold of its stream, at the version of the guard written with it, and no row is alone."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any, Final
from uuid import UUID

from psycopg import sql

from helpdesk.events.tenant import TenantClosed
from helpdesk.folds import ticket as fold
from helpdesk.folds.user import Standing, evolve_standing
from helpdesk.folds.user import fold as fold_user
from helpdesk.recorded import Stream
from notifier.domain.person import evolve as evolve_person
from notifier.domain.ticket import evolve as evolve_ticket
from projector.rebuild.fold import VIEWS, Broken, Guard, History, Row, Stored, View, history
from tickets.verify.report import Outcome
from tickets.verify.snapshot import Snapshot, named

_EVENTS: Final = """
select tenant_id, stream_id, version, event_id, type, schema_version, data::text
from events.event where stream_type = %s order by tenant_id, stream_id, version"""

_GUARDS: Final = """
select tenant_id, stream_id, version, event_id from {schema}.stream_guard
where stream_type = %s order by tenant_id, stream_id"""

_ROWS: Final = "select {columns} from {table} order by tenant_id, {key}"

_COLUMNS: Final = """
select a.attname, format_type(a.atttypid, null) = 'json' from pg_attribute a
where a.attrelid = %s::regclass and a.attnum > 0 and not a.attisdropped"""

_KEYS: Final = """
select a.attname from pg_index x join pg_attribute a on a.attrelid = x.indrelid and a.attnum = any(x.indkey)
where x.indrelid = %s::regclass and x.indisprimary"""

_BEHIND: Final = """
select count(*) filter (where e.version > coalesce(g.version, 0)),
       count(*) filter (where coalesce(e.version, 0) < g.version)
from (select tenant_id, stream_type, stream_id, max(version) as version from events.event group by 1, 2, 3) e
full join {schema}.stream_guard g using (tenant_id, stream_type, stream_id)
where coalesce(tenant_id <> all(%s), true)"""

_ACCOUNTS: Final = """
select tenant_id, id, role, enabled, invited from events.person order by tenant_id, id"""

_PURGES_APPLIED: Final = "select stream_id from {schema}.stream_guard where stream_type = 'platform'"
_PARKED: Final = "select stream_type, stream_id, tenant_id, version, error from {schema}.parked order by since limit 10"
PURGED: Final = """
select stream_id from events.event
where tenant_id = '00000000-0000-0000-0000-000000000000' and stream_type = 'platform' and type = 'tenant.purged'"""


@dataclass(frozen=True, slots=True)
class Owner:
    """A schema with a guard, and its folds. `json_as_text`: its rows compare JSON by its text, else by its meaning."""

    schema: str
    views: Sequence[View]
    json_as_text: bool = False


def _snapshots(history: History) -> Iterator[Row]:
    ticket = fold.fold(None, history.happened, history.stream)
    values = {one.name: getattr(ticket, one.name) for one in fields(fold.Ticket)} | {"tags": list(ticket.tags)}
    yield (history.stream.tenant_id, history.stream.id, *values.values())


def _known_tickets(history: History) -> Iterator[Row]:
    ticket = None
    for event in history.happened:
        ticket = evolve_ticket(ticket, history.stream.id, event)
    if ticket is not None:
        yield (
            history.stream.tenant_id, ticket.id, ticket.number, ticket.title, ticket.creator_id, ticket.assignee_id
        )  # fmt: skip


def _known_people(history: History) -> Iterator[Row]:
    person = None
    for event in history.happened:
        person = evolve_person(person, event)
    if person is not None:
        yield (history.stream.tenant_id, history.stream.id, person.email, person.name, *_of(person.standing))


def _standings(history: History) -> Iterator[Row]:
    standing = None
    for event in history.happened:
        standing = evolve_standing(standing, event)
    if standing is not None:
        yield (history.stream.tenant_id, history.stream.id, *_of(standing))


def _of(standing: Standing) -> Row:
    return (standing.role, standing.enabled, standing.valid_from, standing.sessions_from)


_STANDING: Final = ("role", "enabled", "valid_from", "sessions_from")


def _closed(history: History) -> Iterator[Row]:
    if any(isinstance(event, TenantClosed) for event in history.happened):
        yield (history.stream.tenant_id,)


_CLOSED: Final = View("closed_tenant", "tenant", "tenant_id", ("tenant_id",), _closed)
OWNERS: Final = (
    Owner("views", VIEWS, json_as_text=True),
    Owner(
        "webhooks",
        [
            View("ticket", "ticket", "id", ("tenant_id", "id", *(f.name for f in fields(fold.Ticket))), _snapshots),
            View("person", "user", "id", ("tenant_id", "id", *_STANDING), _standings),
            _CLOSED,
        ],
    ),
    Owner(
        "notices",
        [
            View(
                "ticket", "ticket", "id",
                ("tenant_id", "id", "number", "title", "creator_id", "assignee_id"), _known_tickets,
            ),
            View("person", "user", "id", ("tenant_id", "id", "email", "name", *_STANDING), _known_people),
            _CLOSED,
        ],
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Purged:
    """Tenants of whom nothing is left in the store: here too, or not yet."""

    applied: set[UUID]
    pending: set[UUID]


def check(snapshot: Snapshot) -> Outcome:
    """Stream by stream, all sources side by side in the order of their keys."""
    outcome = Outcome("I4", "every row is the fold of its stream")
    purged = {tenant for (tenant,) in snapshot.rows(PURGED)}
    for owner in OWNERS:
        schema = sql.Identifier(owner.schema)
        applied = {tenant for (tenant,) in snapshot.rows(sql.SQL(_PURGES_APPLIED).format(schema=schema))}
        if pending := purged - applied:
            outcome.notes.append(f"{owner.schema} has not forgotten {len(pending)} purged tenants yet")
        for type_ in sorted({view.stream_type for view in owner.views}):
            views = [view for view in owner.views if view.stream_type == type_]
            _streams(snapshot, owner, type_, views, _Purged(applied & purged, pending), outcome)
        _progress(snapshot, owner, purged, outcome)
    _accounts(snapshot, outcome)
    return outcome


def _accounts(snapshot: Snapshot, outcome: Outcome) -> None:
    """By these rows the command API judges what somebody may do; each is written with its event, so it has all."""
    sources = {"": snapshot.stream(_EVENTS, ("user",)), "row": snapshot.stream(_ACCOUNTS)}
    for (tenant, id_), found in _side_by_side(sources):
        stream = Stream(tenant, "user", id_)
        stored = [Stored(*row[2:]) for row in found.get("", ())]
        for row in found.get("row", ()) if stored else ():  # a row without events is told by I2
            outcome.looked_at["rows"] += 1
            try:
                past = history(stream, Guard(stored[-1].version, None), stored)
            except Broken as error:
                outcome.found(str(error))
                continue
            if (user := fold_user(None, past.happened)) is None:
                continue
            wanted = {"role": user.standing.role, "enabled": user.standing.enabled, "invited": user.invited}
            actual = dict(zip(wanted, row[2:], strict=True))
            if names := ", ".join(name for name in wanted if wanted[name] != actual[name]):
                outcome.found(f"events.person: {stream}: row {id_} differs in {names}")


def _progress(snapshot: Snapshot, owner: Owner, purged: Iterable[UUID], outcome: Outcome) -> None:
    schema = sql.Identifier(owner.schema)
    ((behind, ahead),) = snapshot.rows(sql.SQL(_BEHIND).format(schema=schema), (list(purged),))
    if behind:
        outcome.notes.append(f"{owner.schema} is behind on {behind:,} streams")
    if ahead:
        outcome.found(f"{owner.schema} has applied more than the store holds, on {ahead:,} streams", ahead)
    if snapshot.exists(f"{owner.schema}.parked"):
        for type_, id_, tenant, version, error in snapshot.rows(sql.SQL(_PARKED).format(schema=schema)):
            outcome.notes.append(f"{owner.schema}: {type_}/{id_}@{tenant} is parked at version {version}: {error}")


def _streams(
    snapshot: Snapshot, owner: Owner, type_: str, views: Sequence[View], purged: "_Purged", outcome: Outcome
) -> None:
    tables = {view.name: _Table.of(snapshot, owner, view) for view in views}
    sources: dict[str, Iterator[Row]] = {
        "": snapshot.stream(_EVENTS, (type_,)),
        "guard": snapshot.stream(sql.SQL(_GUARDS).format(schema=sql.Identifier(owner.schema)), (type_,)),
        **{f"view {name}": table.rows(snapshot) for name, table in tables.items()},
    }
    for (tenant, id_), found in _side_by_side(sources):
        stream = Stream(tenant, type_, id_)
        past = _history(stream, found, purged, outcome)
        if past is None:
            continue
        outcome.looked_at["streams"] += 1
        for view in views:
            table, actual = tables[view.name], found.get(f"view {view.name}", [])
            try:
                expected = list(view.rows(past)) if past.events is not None else []
            except (ValueError, KeyError) as error:
                outcome.found(f"{owner.schema}: {stream} cannot be folded: {error}")
                continue
            outcome.looked_at["rows"] += len(actual)
            table.compare(stream, expected, actual, outcome)


def _history(stream: Stream, found: Mapping[str, list[Row]], purged: "_Purged", outcome: Outcome) -> History | None:
    """To the guard's version; without events when nothing may stand of it; None when there is nothing to compare."""
    guards = found.get("guard")
    if stream.tenant_id in purged.pending:
        return None
    if not guards or stream.tenant_id in purged.applied:
        return History(stream, Guard(0, None), None)
    guard = Guard(*guards[0][2:])
    try:
        return history(stream, guard, (Stored(*row[2:]) for row in found.get("", ())))
    except Broken as error:
        outcome.found(str(error))
        return None


def _side_by_side(sources: Mapping[str, Iterator[Row]]) -> Iterator[tuple[tuple[UUID, UUID], dict[str, list[Row]]]]:
    """(tenant, stream id) → the rows of each source, from sources in the order of these."""

    def keyed(name: str, rows: Iterator[Row]) -> Iterator[tuple[int, int, str, Row]]:
        return ((row[0].int, row[1].int, name, row) for row in rows)

    together = merge(*(keyed(name, rows) for name, rows in sources.items()), key=itemgetter(0, 1))
    for _, group in groupby(together, key=itemgetter(0, 1)):
        found: dict[str, list[Row]] = {}
        for _, _, name, row in group:
            found.setdefault(name, []).append(row)
        first = next(iter(found.values()))[0]
        yield (first[0], first[1]), found


@dataclass(frozen=True, slots=True)
class _Table:
    """A view's table: rows come as (tenant, stream id, *the view's columns)."""

    name: str
    view: View
    query: sql.Composed
    key_of: Callable[[Row], Any]

    @classmethod
    def of(cls, snapshot: Snapshot, owner: Owner, view: View) -> "_Table":
        name = f"{owner.schema}.{view.name}"
        as_text = {column for column, is_json in snapshot.rows(_COLUMNS, (name,)) if is_json and owner.json_as_text}
        columns = [
            sql.SQL("{}::text" if column in as_text else "{}").format(sql.Identifier(column)) for column in view.columns
        ]
        keys = [view.columns.index(column) for (column,) in snapshot.rows(_KEYS, (name,))]
        return cls(
            name,
            view,
            sql.SQL(_ROWS).format(
                columns=sql.SQL(", ").join([sql.Identifier("tenant_id"), sql.Identifier(view.key), *columns]),
                table=named(owner.schema, view.name),
                key=sql.Identifier(view.key),
            ),
            itemgetter(*keys) if len(keys) > 1 else itemgetter(keys[0]),
        )

    def rows(self, snapshot: Snapshot) -> Iterator[Row]:
        return snapshot.stream(self.query)

    def compare(self, stream: Stream, expected: Iterable[Row], found: Sequence[Row], outcome: Outcome) -> None:
        wanted = {self.key_of(row): row for row in expected}
        actual = {self.key_of(row[2:]): row[2:] for row in found}
        if wanted == actual:
            return
        for key in wanted.keys() | actual.keys():
            if key not in actual:
                outcome.found(f"{self.name}: {stream} has no row {_plain(key)}")
            elif key not in wanted:
                outcome.found(f"{self.name}: no event of {stream} makes row {_plain(key)}")
            elif wanted[key] != actual[key]:
                pairs = zip(self.view.columns, wanted[key], actual[key], strict=True)
                names = ", ".join(column for column, one, other in pairs if one != other)
                outcome.found(f"{self.name}: {stream}: row {_plain(key)} differs in {names}")


def _plain(key: Any) -> str:
    return "/".join(map(str, key)) if isinstance(key, tuple) else str(key)
