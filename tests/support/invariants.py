"""What must hold of a running system after any fault, read from its database by the superuser."""

from dataclasses import dataclass, fields
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row, dict_row

from helpdesk.eventstore.rows import COLUMNS, EventRow
from helpdesk.folds import ticket as fold
from helpdesk.recorded import RecordedEvent
from projector.domain import tickets
from support.waiting import until

HOLES = """
select stream_type, stream_id, count(*), max(version) from events.event
group by tenant_id, stream_type, stream_id having count(*) <> max(version)"""

# The streams of the command API that a consumer has not applied to their end, or beyond it. Of a purged tenant only the
# guards are left.
BEHIND = """
with head as (select tenant_id, stream_type, stream_id, max(version) as version from events.event group by 1, 2, 3)
select count(*) from head full join {schema}.stream_guard g using (tenant_id, stream_type, stream_id)
where head.version is distinct from g.version and tenant_id not in (select tenant_id from {schema}.purged_tenant)"""


@dataclass(frozen=True, slots=True)
class Database:
    """The services' database, by its superuser."""

    dsn: str

    def rows(self, query: str, *params: Any) -> list[dict[str, Any]]:
        """The rows of one query."""
        with psycopg.connect(self.dsn, autocommit=True, row_factory=dict_row) as connection:
            return connection.execute(query, params).fetchall()

    def all_applied(self, schema: str) -> bool:
        """Whether the consumer of this schema has applied every stream to its end, and nothing beyond."""
        return bool(self.rows(BEHIND.format(schema=schema))[0]["count"] == 0)

    def histories(self) -> dict[UUID, list[RecordedEvent]]:
        """Every ticket's history."""
        with psycopg.connect(self.dsn, autocommit=True, row_factory=class_row(EventRow)) as connection:
            query = f"select {COLUMNS} from events.event where stream_type = 'ticket' order by stream_id, version"
            found: dict[UUID, list[RecordedEvent]] = {}
            for row in connection.execute(query):
                found.setdefault(row.stream_id, []).append(row.recorded())
            return found


def assert_all_hold(dsn: str, consumers: tuple[str, ...] = ("views", "webhooks", "notices")) -> None:
    """Wait until the consumers have caught up; then: no holes, and each ticket's row is the fold of its stream."""
    database = Database(dsn)
    assert database.rows(HOLES) == []
    for schema in consumers:
        until(partial(database.all_applied, schema), timeout=60)
    rows = {row["id"]: row for row in database.rows("select *, created_by_id as created_by from views.tickets")}
    histories = database.histories()
    assert rows.keys() == histories.keys()
    for id_, history in histories.items():
        events: list[Any] = [one.event for one in history]
        expected = tickets.after(None, events, len(history), history[0].stream)
        row = rows[id_]
        for one in fields(fold.Ticket):
            value = tuple(row[one.name]) if one.name == "tags" else row[one.name]
            assert value == getattr(expected, one.name), (id_, one.name)
        assert row["version"] == len(history)
