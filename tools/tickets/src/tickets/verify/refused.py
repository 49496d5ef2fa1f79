"""I2: a refused command left nothing, as far as the store can tell: every private row has the event that made it."""

from typing import Final

from psycopg import sql

from tickets.verify.report import EXAMPLES, Outcome
from tickets.verify.snapshot import Snapshot

# (table, what it is, the event that must stand behind it)
_ROWS: Final = (
    ("events.ticket_number", "ticket_id", "stream_type = 'ticket' and e.stream_id = r.ticket_id and e.version = 1 "
     "and e.type = 'ticket.created' and (e.data ->> 'number')::integer = r.number"),
    ("events.comment_place", "comment_id", "stream_type = 'ticket' and e.stream_id = r.ticket_id "
     "and e.type = 'comment.added' and (e.data ->> 'comment_id')::uuid = r.comment_id"),
    ("events.person", "id", "stream_type = 'user' and e.stream_id = r.id and e.version = 1"),
    ("events.credential", "user_id", "stream_type = 'user' and e.stream_id = r.user_id and e.version = 1"),
    ("events.tenant", "tenant_id", "stream_type = 'tenant' and e.stream_id = r.tenant_id and e.version = 1"),
    ("webhooks.endpoint", "id", "stream_id = r.id and e.version = 1"),
)  # fmt: skip

_WITHOUT: Final = """
select count(*) over (), r.tenant_id, r.{id} from {table} r
where not exists (select from {events} e where e.tenant_id = r.tenant_id and e.{condition}) limit %s"""

_KEPT_ANSWERS: Final = """
select count(*) over (), i.tenant_id, i.command_id, i.status from {schema}.idempotency i
where i.status >= 400 and exists (
    select from {schema}.event e where e.tenant_id = i.tenant_id and e.command_id = i.command_id) limit %s"""

_NUMBERS: Final = """
select count(*) over (), e.tenant_id, e.stream_id from events.event e
where e.type = 'ticket.created' and not exists (
    select from events.ticket_number n where n.tenant_id = e.tenant_id and n.ticket_id = e.stream_id) limit %s"""


def check(snapshot: Snapshot) -> Outcome:
    """Private rows without their event, refusals that have events."""
    outcome = Outcome("I2", "no row of a command that was refused")
    for table, id_, condition in _ROWS:
        schema, name = table.split(".")
        place = sql.Identifier(schema, name)
        outcome.looked_at["rows"] += snapshot.rows(sql.SQL("select count(*) from {}").format(place))[0][0]
        query = sql.SQL(_WITHOUT).format(
            table=place,
            id=sql.Identifier(id_),
            events=sql.Identifier(schema, "event"),
            condition=sql.SQL(condition),
        )
        for n, (count, tenant, what) in enumerate(snapshot.rows(query, (EXAMPLES,))):
            outcome.found(f"{table}: {what} of tenant {tenant} has no event that made it", count if n == 0 else 0)
    for n, (count, tenant, ticket) in enumerate(snapshot.rows(_NUMBERS, (EXAMPLES,))):
        outcome.found(f"events.ticket_number: ticket {ticket} of tenant {tenant} has no number", count if n == 0 else 0)
    for schema in ("events", "webhooks"):
        if snapshot.exists(f"{schema}.idempotency"):
            query = sql.SQL(_KEPT_ANSWERS).format(schema=sql.Identifier(schema))
            for n, (count, tenant, command, status) in enumerate(snapshot.rows(query, (EXAMPLES,))):
                what = f"{schema}: command {command} of tenant {tenant} was answered {status} and has events"
                outcome.found(what, count if n == 0 else 0)
    return outcome
