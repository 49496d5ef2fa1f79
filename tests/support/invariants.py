"""What must hold of a running system after any fault, read from its database by the superuser."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg
from psycopg.rows import dict_row

from support.waiting import until
from tickets.verify.run import verify

# The streams of the command API that a consumer has not applied to their end, or beyond it. Of a purged tenant the
# guards are all that is left.
BEHIND = """
with head as (select tenant_id, stream_type, stream_id, max(version) as version from events.event group by 1, 2, 3)
select count(*) from head full join {schema}.stream_guard g using (tenant_id, stream_type, stream_id)
where head.version is distinct from g.version and tenant_id not in (
    select stream_id from events.event where stream_type = 'platform' and type = 'tenant.purged')"""
IN_THE_DATABASE = ("I1", "I2", "I4", "I5", "I6")


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


def assert_all_hold(dsn: str, consumers: tuple[str, ...] = ("views", "webhooks", "notices")) -> None:
    """Wait until the consumers have caught up; then everything that `tickets verify` reads in the database holds."""
    database = Database(dsn)
    for schema in consumers:
        until(partial(database.all_applied, schema), timeout=60)
    outcomes = list(verify(dsn, None, IN_THE_DATABASE, wait_s=0))
    assert not any(one.wrong for one in outcomes), "\n".join(map(str, outcomes))
