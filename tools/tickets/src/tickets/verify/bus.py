"""I3: what Kafka still holds is, for each key and without duplicates, what the store holds, in order, all of it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
import psycopg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from psycopg import sql

from helpdesk.bus import envelope
from helpdesk.bus.clients import connected
from helpdesk.recorded import START, Cursor, RecordedEvent
from helpdesk.wire import Undecodable
from tickets.verify.folds import PURGED
from tickets.verify.report import Outcome
from tickets.verify.snapshot import named

SHARDS: Final = 1024
_CHECKPOINTS: Final = """
select divisor, remainder, xid::text::bigint, position from {schema}.relay_checkpoint where name = %s"""

_STORED: Final = """
select w.place, e.event_id, e.shard, e.xid::text::bigint, e.position, e.data::text,
       e.metadata ->> 'digests' is not null and e.metadata ->> 'salt' is null
from unnest(%s::uuid[], %s::text[], %s::uuid[], %s::integer[]) with ordinality
     as w(tenant_id, stream_type, stream_id, version, place)
join {table} e using (tenant_id, stream_type, stream_id, version)"""

_SENT: Final = """
select count(*) from {table} e
join unnest(%(shards)s::integer[], %(xids)s::text[], %(positions)s::bigint[]) as c(shard, xid, position)
  on c.shard = e.shard
where (e.xid, e.position) >= (%(xid)s::text::xid8, %(position)s) and (e.xid, e.position) <= (c.xid::xid8, c.position)"""


@dataclass(slots=True)
class _Partition:
    """What is known of one partition `of` so many while it is read."""

    number: int
    of: int
    begin: int
    versions: dict[bytes, int] = field(default_factory=dict)
    first: Cursor | None = None
    sent: int = 0


def check(dsn: str, bootstrap: str, topics: Sequence[tuple[str, str]]) -> Outcome:
    """Each (schema, topic), partition by partition, so that memory holds the streams of one alone."""
    outcome = Outcome("I3", "Kafka holds what the store holds, per key in order, in its partition")
    with psycopg.connect(dsn, autocommit=True, application_name="tickets-verify") as connection:
        connection.execute("set default_transaction_read_only = on")
        for schema, topic in topics:
            asyncio.run(_Topic(connection, schema, topic, outcome).read(bootstrap))
    return outcome


class _Topic:
    def __init__(self, connection: psycopg.Connection, schema: str, topic: str, outcome: Outcome) -> None:
        self._connection, self._schema, self._topic, self._outcome = connection, schema, topic, outcome
        self._table = named(schema, "event")
        self._purged = {tenant for (tenant,) in connection.execute(PURGED).fetchall()}
        # First the checkpoints, then the ends of the partitions: what is below one was in Kafka before.
        self._checkpoints = self._read_checkpoints()

    def _read_checkpoints(self) -> dict[int, Cursor]:
        """How far each shard was sent, by whichever share came furthest."""
        query = sql.SQL(_CHECKPOINTS).format(schema=sql.Identifier(self._schema))
        found: dict[int, Cursor] = {}
        for divisor, remainder, xid, position in self._connection.execute(query, (self._topic,)).fetchall():
            for shard in range(remainder, SHARDS, divisor):
                found[shard] = max(found.get(shard, START), Cursor(xid, position))
        return found

    async def read(self, bootstrap: str) -> None:
        """To the end that each partition has now."""
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
        async with connected(consumer):
            numbers = consumer.partitions_for_topic(self._topic) or await self._fetched(consumer)
            if not numbers:
                self._demand_none()
                return
            places = [TopicPartition(self._topic, number) for number in sorted(numbers)]
            begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
            for place in places:
                partition = _Partition(place.partition, len(places), begins[place])
                consumer.assign([place])
                consumer.seek(place, begins[place])
                while begins[place] < ends[place] and await consumer.position(place) < ends[place]:
                    for records in (await consumer.getmany(timeout_ms=1000, max_records=2000)).values():
                        self._judge(partition, [record for record in records if record.offset < ends[place]])
                self._demand_all(partition, empty=begins[place] == ends[place])

    async def _fetched(self, consumer: AIOKafkaConsumer) -> set[int]:
        await consumer._client.force_metadata_update()
        topics = await consumer.topics()
        return (consumer.partitions_for_topic(self._topic) if self._topic in topics else None) or set()

    def _judge(self, partition: _Partition, records: Sequence[ConsumerRecord]) -> None:
        decoded: list[tuple[ConsumerRecord, RecordedEvent]] = []
        for record in records:
            self._outcome.looked_at["records"] += 1
            place = f"{self._topic}/{partition.number}/{record.offset}"
            try:
                event, _ = envelope.decode(record.value)
            except (envelope.Malformed, Undecodable) as error:
                self._outcome.found(f"{place}: {error}")
                continue
            if record.key != envelope.key_of(event.stream):
                self._outcome.found(f"{place}: the key {record.key!r} is not that of {event.stream}")
            if (where := event.stream.shard % partition.of) != partition.number:
                self._outcome.found(f"{place}: {event.stream} belongs to partition {where}")
            decoded.append((record, event))
        stored = self._stored([event for _, event in decoded])
        for n, (record, event) in enumerate(decoded, 1):
            self._one(partition, record, event, stored.get(n))

    def _one(
        self, partition: _Partition, record: ConsumerRecord, event: RecordedEvent, stored: tuple[Any, ...] | None
    ) -> None:
        place = f"{self._topic}/{partition.number}/{record.offset}: {event.stream} version {event.version}"
        key = record.key or b""
        before = partition.versions.get(key)
        is_new = before is None or event.version > before
        if before is None and event.version > 1 and partition.begin == 0:
            self._outcome.found(f"{place} is the first of its stream")
        elif before is not None and event.version > before + 1:
            self._outcome.found(f"{place} follows version {before}")
        if is_new:
            partition.versions[key] = event.version
        if stored is None:
            if event.stream.tenant_id not in self._purged:
                self._outcome.found(f"{place} is not in the store")
            return
        event_id, shard, xid, position, data, is_redacted = stored
        if event_id != event.event_id:
            self._outcome.found(f"{place} is event {event.event_id}, in the store it is {event_id}")
        elif not is_redacted and orjson.loads(record.value or b"{}")["data"] != orjson.loads(data):
            self._outcome.found(f"{place} has other data than the store")
        cursor = Cursor(xid, position)
        if partition.first is None:
            partition.first = START if partition.begin == 0 else cursor
        if is_new and partition.first <= cursor <= self._checkpoints.get(shard, START):
            partition.sent += 1

    def _stored(self, events: Sequence[RecordedEvent]) -> dict[int, tuple[Any, ...]]:
        rows = self._connection.execute(
            sql.SQL(_STORED).format(table=self._table),
            (
                [one.stream.tenant_id for one in events],
                [one.stream.type for one in events],
                [one.stream.id for one in events],
                [one.version for one in events],
            ),
        )
        return {place: tuple(rest) for place, *rest in rows.fetchall()}

    def _demand_none(self) -> None:
        """There is no topic: then nothing was sent."""
        if count := self._sent(list(self._checkpoints), START):
            self._outcome.found(f"{self._topic} is not there, and {count:,} events were sent to it", count)

    def _demand_all(self, partition: _Partition, *, empty: bool) -> None:
        """What the checkpoints say was sent is there, as far as Kafka has not forgotten its beginning."""
        if partition.first is None and not (empty and partition.begin == 0):
            return
        shards = [shard for shard in range(partition.number, SHARDS, partition.of) if shard in self._checkpoints]
        count = self._sent(shards, partition.first or START)
        if missing := count - partition.sent:
            self._outcome.found(
                f"{self._topic}/{partition.number}: {missing:,} events that were sent are not there", missing
            )

    def _sent(self, shards: Sequence[int], first: Cursor) -> int:
        """How many events of these shards were sent, by the checkpoints, from a place on."""
        ((count,),) = self._connection.execute(
            sql.SQL(_SENT).format(table=self._table),
            {
                "shards": shards,
                "xids": [str(self._checkpoints[shard].xid) for shard in shards],
                "positions": [self._checkpoints[shard].position for shard in shards],
                "xid": str(first.xid),
                "position": first.position,
            },
        ).fetchall()
        return int(count)


def topics_of(prefix: str, events_topic: str) -> list[tuple[str, str]]:
    """Whose events go where."""
    return [("events", events_topic), ("webhooks", f"{prefix}.webhooks")]
