"""The feed: every tenant's events in commit order, gap-safe, and how deep to look for them.

Tier 1 shows what stands below the oldest running transaction of the whole cluster: certain and cheap, but any writing
transaction anywhere (a consumer's batch, another database, a prepared transaction, an index build) holds it back.
Tier 2 shows what stands below the oldest transaction that can still write events: it costs a look at the locks.
`migrations/0002_feed.sql` proves both.
"""

from dataclasses import dataclass
from typing import Final

from psycopg.rows import tuple_row

from helpdesk.eventstore.rows import COLUMNS, EventRow
from helpdesk.postgres.pool import Connection
from helpdesk.recorded import Cursor, RecordedEvent

LOOKS_BEFORE_DEEP: Final = 2
LOOKS_BEFORE_SHALLOW: Final = 20


@dataclass(slots=True)
class Depth:
    """Which tier to use: 2 after two looks in a row that left a committed event out, and 1 again when it has left
    out nothing for many looks that showed something.

    `held_back` and `deep_looks` count, for metrics.
    """

    deep: bool = False
    held_back: int = 0
    deep_looks: int = 0
    _in_a_row: int = 0

    def looked(self, *, held_back: bool, found: bool) -> None:
        """After a look: whether a committed event stood beyond tier 1, and whether any event was shown."""
        self.deep_looks += self.deep
        self.held_back += held_back
        if held_back == self.deep:
            self._in_a_row = 0
            return
        if self.deep and not found:
            return  # where there is nothing to show, tier 1 can hide nothing
        self._in_a_row += 1
        if self._in_a_row == (LOOKS_BEFORE_SHALLOW if self.deep else LOOKS_BEFORE_DEEP):
            self.deep, self._in_a_row = not self.deep, 0


# One statement, so one round trip: at least one row comes back, which holds no event when there is none.
PAGE: Final = """
select h.held_back, {columns}
from (select {schema}.feed_held_back(%(xid)s::text::xid8, %(position)s, %(divisor)s, %(remainder)s) as held_back) h
left join {schema}.feed(
    %(xid)s::text::xid8, %(position)s, %(limit)s, %(divisor)s, %(remainder)s, %(deep)s) on true"""


class Feed:
    """One reader's way through the events of the owner of `schema`; its connection needs the right to `feed`."""

    def __init__(self, schema: str) -> None:
        self.depth = Depth()
        self._page: str = PAGE.format(schema=schema, columns=COLUMNS)

    async def page(
        self, connection: Connection, after: Cursor, limit: int, divisor: int = 1, remainder: int = 0
    ) -> list[RecordedEvent]:
        """The next events after `after` in commit order, only of shards with shard % divisor = remainder.

        `[]` when there is none yet. Raises wire.Undecodable.
        """
        arguments = {
            "xid": after.xid,
            "position": after.position,
            "limit": limit,
            "divisor": divisor,
            "remainder": remainder,
        }
        cursor = connection.cursor(row_factory=tuple_row)
        while True:
            deep = self.depth.deep
            await cursor.execute(self._page, {**arguments, "deep": deep})
            rows = await cursor.fetchall()
            held_back = rows[0][0]
            found = [EventRow(*row[1:]).recorded() for row in rows if row[1] is not None]
            self.depth.looked(held_back=held_back, found=bool(found))
            if found or deep or not held_back:
                return found
