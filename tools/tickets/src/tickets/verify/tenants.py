"""I5: nothing of tenant A under tenant B: whatever names a stream stands under that stream's tenant."""

from typing import Final

from psycopg import sql

from tickets.verify.report import EXAMPLES, Outcome
from tickets.verify.snapshot import Snapshot

_NAMES: Final = (
    ("views", "tickets", "id", "ticket"),
    ("views", "tickets", "created_by_id", "user"),
    ("views", "tickets", "assignee_id", "user"),
    ("views", "comments", "ticket_id", "ticket"),
    ("views", "attachments", "ticket_id", "ticket"),
    ("views", "attachments", "added_by_id", "user"),
    ("views", "activities", "ticket_id", "ticket"),
    ("views", "people", "id", "user"),
    ("views", "tenants", "tenant_id", "tenant"),
    ("views", "stream_guard", "stream_id", None),
    ("events", "ticket_number", "ticket_id", "ticket"),
    ("events", "comment_place", "ticket_id", "ticket"),
    ("events", "person", "id", "user"),
    ("events", "credential", "user_id", "user"),
    ("events", "refresh_token", "user_id", "user"),
    ("events", "api_key", "user_id", "user"),
    ("webhooks", "ticket", "id", "ticket"),
    ("webhooks", "person", "id", "user"),
    ("webhooks", "delivery", "ticket_id", "ticket"),
    ("webhooks", "stream_guard", "stream_id", None),
    ("notices", "ticket", "id", "ticket"),
    ("notices", "person", "id", "user"),
    ("notices", "notification", "user_id", "user"),
    ("notices", "stream_guard", "stream_id", None),
)
"""(schema, table, column, type of the stream that it names; None: the row's own)."""

# Ids are unique over all tenants, so a stream of that id elsewhere, and none here, is another tenant's.
_FOREIGN: Final = """
with head as (select tenant_id, stream_type, stream_id from events.event where version = 1)
select count(*) over (), r.tenant_id, r.{column}, h.tenant_id
from {table} r join head h on h.stream_id = r.{column} and h.stream_type = {type} and h.tenant_id <> r.tenant_id
where not exists (
    select from events.event e
    where e.tenant_id = r.tenant_id and e.stream_type = h.stream_type and e.stream_id = r.{column} and e.version = 1)
limit %s"""

_TWO_TENANTS: Final = """
select stream_type, stream_id, count(*) from events.event
where version = 1 and stream_type not in ('tenant', 'platform', 'system')
group by stream_type, stream_id having count(*) > 1 limit %s"""


def check(snapshot: Snapshot) -> Outcome:
    """Each column that names a stream, in every schema."""
    outcome = Outcome("I5", "nothing of one tenant under another")
    for schema, table, column, type_ in _NAMES:
        place = sql.Identifier(schema, table)
        outcome.looked_at["rows"] += snapshot.rows(sql.SQL("select count(*) from {}").format(place))[0][0]
        query = sql.SQL(_FOREIGN).format(
            table=place,
            column=sql.Identifier(column),
            type=sql.SQL("r.stream_type") if type_ is None else sql.Literal(type_),
        )
        for n, (count, tenant, id_, whose) in enumerate(snapshot.rows(query, (EXAMPLES,))):
            outcome.found(
                f"{schema}.{table}: {column} {id_} stands under tenant {tenant} and is of {whose}",
                count if n == 0 else 0,
            )
    for type_, id_, tenants in snapshot.rows(_TWO_TENANTS, (EXAMPLES,)):
        outcome.found(f"events: {type_}/{id_} is a stream of {tenants} tenants")
    return outcome
