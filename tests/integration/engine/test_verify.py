"""`tickets verify`: everything holds on a system that lived, and each invariant goes red over one corrupted thing."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any
from uuid import UUID, uuid4

import orjson
import psycopg
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer, TopicPartition
from psycopg import sql
from psycopg.errors import LockNotAvailable

import notifier.app
import projector.app
import webhook_dispatcher.app
from helpdesk.consumer.subscriber import Subscriber
from helpdesk.events import Event
from helpdesk.events.operations import TenantPurged
from helpdesk.events.tenant import (
    TenantClosed,
    TenantCreated,
    TenantRenamed,
    TenantSettingsReplaced,
    TenantSlugChanged,
)
from helpdesk.events.ticket import CommentAdded, CommentEdited, TicketAssigned, TicketCreated, TicketRetitled
from helpdesk.events.user import UserRegistered
from helpdesk.events.webhook import WebhookEndpointCreated
from helpdesk.eventstore.store import EventStore, StreamAppend
from helpdesk.ids import new_id
from helpdesk.postgres.pool import open_pool
from helpdesk.recorded import Stream, event_id_of, former_event_id_of
from integration.engine.rig import (
    NOBODY,
    NOON,
    Engine,
    consumer_of,
    engine,
    eventually_true,
    records_of,
    relaying,
    topic,
)
from localstack.stack import Servers
from notifier.settings import IntakeSettings, NotifierMigrateSettings
from projector.settings import ProjectorSettings
from tickets.verify import bus
from tickets.verify.report import INVARIANTS, Outcome
from tickets.verify.run import verify
from tickets.verify.snapshot import NotAllowed, snapshot
from webhook_dispatcher.settings import WebhookMigrateSettings

TENANT, OTHER, GONE = UUID(int=31), UUID(int=32), UUID(int=33)
AGENT, USER, STRANGER = UUID(int=41), UUID(int=42), UUID(int=43)
TICKETS = [Stream(TENANT, "ticket", UUID(int=n)) for n in range(51, 55)]
FOREIGN = Stream(OTHER, "ticket", UUID(int=59))
ENDPOINT = Stream(TENANT, "webhook", UUID(int=61))
COMMENT = UUID(int=71)


@asynccontextmanager
async def consuming(one: Engine) -> AsyncIterator[None]:
    """Everybody who applies events."""
    values = {name.lower(): value for name, value in one.variables.items()}
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        await enter(relaying(one))
        view, *_ = await enter(projector.app.subscriber(ProjectorSettings.model_validate(values)))
        events = await enter(open_pool(one.dsn("projector_events"), name="events"))
        notices = await enter(open_pool(one.dsn("notices_worker"), name="notices"))
        webhooks = await enter(open_pool(one.dsn("webhook_worker"), name="webhooks"))
        intake = notifier.app.build_intake(IntakeSettings.model_validate(values), notices, events)
        settings = WebhookMigrateSettings.model_validate(values)
        consumers: list[Subscriber] = [view, intake, webhook_dispatcher.app.intake(settings, webhooks, events)]
        tasks = [asyncio.create_task(consumer.run()) for consumer in consumers]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task


async def everything_applied(one: Engine) -> None:
    async def done() -> bool:
        counts = [
            await one.value(
                f"""select count(*)
                    from (select tenant_id, stream_id, max(version) as v from events.event group by 1, 2) e
                    left join {schema}.stream_guard g using (tenant_id, stream_id)
                    where e.v is distinct from g.version"""
            )
            for schema in ("views", "webhooks", "notices")
        ]
        return counts == [0, 0, 0]

    await eventually_true(done, timeout_s=60)


@pytest_asyncio.fixture(scope="module")
async def world(servers: Servers) -> AsyncIterator[Engine]:
    """People, tickets, comments, an endpoint; deliveries and notifications that their own services made."""
    async with engine(servers) as one:
        values = {name.lower(): value for name, value in one.variables.items()}
        await webhook_dispatcher.app.migrate(WebhookMigrateSettings.model_validate(values))
        await notifier.app.migrate(NotifierMigrateSettings.model_validate(values))
        await _lived(one)
        async with consuming(one):
            await everything_applied(one)
        yield one


async def _lived(one: Engine) -> None:
    async def did(stream: Stream, version: int, *events: Event) -> None:
        await one.store.append(uuid4(), [StreamAppend(stream, version, events)], NOBODY)

    for tenant in (TENANT, OTHER):
        await did(
            Stream(tenant, "tenant", tenant), 0, TenantCreated(f"T{tenant.int}", f"t{tenant.int}", {}, AGENT, NOON)
        )
    await did(
        Stream(GONE, "tenant", GONE),
        0,
        TenantCreated("Gone", "gone", {}, AGENT, NOON),
        TenantRenamed("Going", "Gone", AGENT, NOON),
        TenantSlugChanged("going", "gone", AGENT, NOON),
        TenantSettingsReplaced({"a": [1.5, True]}, {}, AGENT, NOON),
        TenantClosed("deleted", AGENT, NOON),
    )
    for tenant, id_, role in ((TENANT, AGENT, "AGENT"), (TENANT, USER, "USER"), (OTHER, STRANGER, "ADMIN")):
        await did(Stream(tenant, "user", id_), 0, UserRegistered(f"{role}@example.com", role, role, id_, NOON))
    async with open_pool(one.dsn("webhook_dispatcher"), name="test") as pool:
        created = WebhookEndpointCreated("http://127.0.0.1:1/", ("TICKET_CREATED", "COMMENT_ADDED"), AGENT, NOON)
        await EventStore(pool, "webhooks").append(uuid4(), [StreamAppend(ENDPOINT, 0, [created])], NOBODY)
    await one.sql(
        """insert into webhooks.endpoint (tenant_id, id, url, events, secret, version, created_at, updated_at)
           values (%s, %s, 'http://127.0.0.1:1/', '{TICKET_CREATED,COMMENT_ADDED}', '', 1, now() - interval '5 s',
                   now())""",
        TENANT,
        ENDPOINT.id,
    )
    for n, stream in enumerate([*TICKETS, FOREIGN], 1):
        user, agent = (USER, AGENT) if stream.tenant_id == TENANT else (STRANGER, STRANGER)
        await did(stream, 0, TicketCreated(n, f"Ticket {n}", "text", "low", {"a": 1.5}, ("x",), user, NOON))
        await did(stream, 1, TicketAssigned(agent, None, user, NOON), TicketRetitled("Two", f"Ticket {n}", user, NOON))
    await did(TICKETS[0], 3, CommentAdded(COMMENT, "Hello", False, AGENT, NOON))
    await did(TICKETS[0], 4, CommentEdited(COMMENT, "Hullo", "Hello", False, AGENT, NOON))


@pytest.fixture
def copy(world: Engine) -> Iterator[Callable[[], str]]:
    """Databases that are as the world's was, to be spoilt."""
    made: list[str] = []
    parts = psycopg.conninfo.conninfo_to_dict(world.admin_dsn)

    def one() -> str:
        name = f"spoilt_{uuid4().hex[:8]}"
        with psycopg.connect(world.admin_dsn, dbname="postgres", autocommit=True) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (parts["dbname"],)
            )
            connection.execute(
                sql.SQL("create database {} template {}").format(
                    sql.Identifier(name), sql.Identifier(str(parts["dbname"]))
                )
            )
        made.append(name)
        return psycopg.conninfo.make_conninfo(world.admin_dsn, dbname=name)

    yield one
    with psycopg.connect(world.admin_dsn, dbname="postgres", autocommit=True) as connection:
        for name in made:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def outcomes(dsn: str, *only: str) -> dict[str, Outcome]:
    return {one.invariant: one for one in verify(dsn, None, only or INVARIANTS, 0)}


def spoil(dsn: str, statement: str) -> None:
    """By the superuser, past every trigger and policy."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        done = connection.execute(sql.SQL(statement))
        assert done.rowcount > 0, "nothing was spoilt"


def test_everything_holds_on_a_system_that_lived(world: Engine) -> None:
    found = outcomes(world.admin_dsn)
    assert [one.wrong for one in found.values()] == [0] * 5, "\n".join(map(str, found.values()))
    assert found["I1"].looked_at["events"] == 28
    assert found["I4"].looked_at["rows"] > 40
    assert found["I6"].looked_at == {"deliveries": 5, "notifications": 6}


T = "'00000000-0000-0000-0000-0000000000{:02x}'".format
FIRST, SECOND = T(51), T(52)
SPOILT = {
    "an event is gone from the middle": (
        "I1", f"delete from events.event where stream_id = {FIRST} and version = 2", "version 3 follows 1"),
    "an event is gone from the end": (
        "I1", f"delete from events.event where stream_id = {SECOND} and version = 3",
        "leaves a command without its end"),
    "an event is there under another id": (
        "I1", f"update events.event set event_id = gen_random_uuid() where stream_id = {FIRST} and version = 2",
        "is not made from its command"),
    "a command id is another": (
        "I1", f"update events.event set command_id = gen_random_uuid() where stream_id = {FIRST} and version = 2",
        "is not made from its command"),
    "two events have one id": (
        "I1", f"update events.event set event_id = (select event_id from events.event where stream_id = {FIRST} "
        f"and version = 1) where stream_id = {SECOND} and version = 1", "stands 2 times"),
    "a later version is earlier in the feed": (
        "I1", f"update events.event set xid = '3' where stream_id = {FIRST} and version = 4",
        "version 4 is before its predecessor in the feed"),
    "a command says that it goes on": (
        "I1", f"update events.event set remaining = 2 where stream_id = {FIRST} and version = 2",
        "does not go on with the command before it"),
    "an event is in the shard of another stream": (
        "I1", f"update events.event set shard = (shard + 1) % 1024 where stream_id = {FIRST} and version = 2",
        "is in shard"),
    "a title was changed": (
        "I1", f"update events.event set data = replace(data::text, 'Ticket 1', 'Other')::json "
        f"where stream_id = {FIRST} and version = 1", "title was changed after it was written"),
    "a title was changed as if it had been redacted": (
        "I1", "update events.event set data = replace(data::text, 'Ticket 1', 'Other')::json, "
        f"metadata = (metadata::jsonb - 'salt')::json where stream_id = {FIRST} and version = 1",
        "has lost the salt"),
    "a title was changed and its digests are gone": (
        "I1", "update events.event set data = replace(data::text, 'Ticket 2', 'Other')::json, "
        f"metadata = (metadata::jsonb - 'salt' - 'digests')::json where stream_id = {SECOND} and version = 1",
        "has lost the salt or the digests"),
    "a number without a ticket": (
        "I2", f"insert into events.ticket_number values ('{TENANT}', 99, gen_random_uuid())",
        "has no event that made it"),
    "a ticket without its number": (
        "I2", f"delete from events.ticket_number where ticket_id = {FIRST}", "has no number"),
    "a place of no comment": (
        "I2", f"update events.comment_place set comment_id = gen_random_uuid() where tenant_id = '{TENANT}'",
        "events.comment_place"),
    "an endpoint that was never made": (
        "I2", "update webhooks.endpoint set id = gen_random_uuid()", "webhooks.endpoint"),
    "a refusal with events": (
        "I2", "insert into events.idempotency (tenant_id, principal, method, path, key, command_id, fingerprint, "
        "status, expires_at) select tenant_id, 'p', 'POST', '/', 'k', command_id, '', 409, now() from events.event "
        f"where stream_id = {FIRST} and version = 1", "was answered 409 and has events"),
    "a row differs": (
        "I4", f"update views.tickets set title = 'Other' where id = {FIRST}", "differs in title"),
    "a json differs in its text": (
        "I4", f"update views.tickets set metadata = '{{\"a\": 1.5}}' where id = {FIRST}", "differs in metadata"),
    "a row is gone": ("I4", "delete from views.comments", "has no row"),
    "a row too many": (
        "I4", f"insert into views.activities select tenant_id, ticket_id, 77, id, type, changes, is_internal, "
        f"actor_id, created_at from views.activities where ticket_id = {FIRST} and version = 1", "makes row"),
    "a row of no stream": (
        "I4", f"update views.people set id = gen_random_uuid() where id = {T(42)}", "no event of user"),
    "a guard is behind its rows": (
        "I4", f"update views.stream_guard set version = 1, event_id = null where stream_id = {FIRST}", "differs in"),
    "a guard is ahead of the store": (
        "I4", f"update notices.stream_guard set version = 9 where stream_id = {FIRST}",
        "has applied more than the store"),
    "a dispatcher's snapshot differs": (
        "I4", f"update webhooks.ticket set status = 'closed' where id = {FIRST}", "webhooks.ticket"),
    "a notifier's snapshot differs": (
        "I4", f"update notices.ticket set assignee_id = null where id = {FIRST}", "notices.ticket"),
    "a closed tenant is shown": ("I4", "update views.tenants set closed_at = null", "differs in closed_at"),
    "a tenant's settings differ": (
        "I4", f"update views.tenants set settings = '{{}}' where tenant_id = '{GONE}'", "differs in settings"),
    "a closed tenant is let in": ("I4", "delete from webhooks.closed_tenant", "webhooks.closed_tenant"),
    "a living tenant is locked out": (
        "I4", f"insert into notices.closed_tenant values ('{TENANT}')", "notices.closed_tenant"),
    "a notifier's person differs": ("I4", "update notices.person set role = 'ADMIN'", "notices.person"),
    "an account may do more than its events say": (
        "I4", "insert into events.person (tenant_id, id, email, name, role, enabled, valid_from, created_at, "
        f"updated_at, version) values ('{TENANT}', {T(42)}, '', '', 'ADMIN', true, now(), now(), now(), 1)",
        "events.person: user"),
    "a row stands under another tenant": (
        "I5", f"update views.tickets set tenant_id = '{OTHER}' where id = {FIRST}", f"of {TENANT}"),
    "a comment stands under another tenant": (
        "I5", f"update views.comments set tenant_id = '{OTHER}'", "views.comments"),
    "an assignee is another tenant's": (
        "I5", f"insert into views.tickets select '{OTHER}', gen_random_uuid(), number, title, description, status, "
        "priority, waiting_on, resolution, tags, metadata, created_by_id, assignee_id, created_at, updated_at, "
        f"closed_at, deleted, version from views.tickets where id = {FIRST}", "assignee_id"),
    "a stream has two tenants": (
        "I5", f"update events.event set stream_id = {FIRST} where tenant_id = '{OTHER}' and stream_type = 'ticket'",
        "is a stream of 2 tenants"),
    "a notification is another tenant's": (
        "I5", f"update notices.notification set tenant_id = '{OTHER}' where id = (select id from notices.notification "
        f"where user_id = {T(41)} limit 1)", "notices.notification"),
    "a delivery is missing": (
        "I6", "delete from webhooks.delivery where type = 'comment.added'", "comment.added of event"),
    "a delivery stands twice": (
        "I6", "insert into webhooks.delivery (tenant_id, id, endpoint_id, event_id, ticket_id, type, body) select "
        "tenant_id, gen_random_uuid(), endpoint_id, event_id, ticket_id, type, body from webhooks.delivery "
        "where type = 'comment.added'", "stands 2 times"),
    "a delivery of no event": (
        "I6", "update webhooks.delivery set event_id = gen_random_uuid() where type = 'comment.added'",
        "has no event of its own"),
    "a notification stands twice": (
        "I6", "insert into notices.notification select tenant_id, gen_random_uuid(), user_id, event_id, type, title, "
        "message, data, actor_id, is_internal, is_read, created_at from notices.notification limit 1", "2 times"),
    "a notification of no event": (
        "I6", f"update notices.notification set user_id = {T(77)}", "has no event of its own"),
}  # fmt: skip


@pytest.mark.parametrize("what", SPOILT)
def test_one_thing_that_is_wrong_is_found(copy: Callable[[], str], what: str) -> None:
    invariant, statement, words = SPOILT[what]
    dsn = copy()
    spoil(dsn, statement)
    outcome = outcomes(dsn, invariant)[invariant]
    assert outcome.wrong > 0
    assert words in str(outcome), str(outcome)


def test_events_whose_ids_were_made_before_version_7_hold(copy: Callable[[], str]) -> None:
    dsn, command = copy(), new_id()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(
            "update events.event set command_id = %s, event_id = %s where stream_id = %s and version = 1",
            (command, former_event_id_of(command, 1), FOREIGN.id),
        )
    assert outcomes(dsn, "I1")["I1"].wrong == 0


def test_a_rebuild_waits_with_its_switch_for_whoever_verifies(copy: Callable[[], str]) -> None:
    dsn = copy()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("set lock_timeout = 200")
        with snapshot(dsn), pytest.raises(LockNotAvailable), connection.transaction():
            connection.execute("alter table views.people rename to people__former")


def test_a_consumer_that_is_behind_is_told_and_no_fault(copy: Callable[[], str]) -> None:
    dsn = copy()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("delete from views.stream_guard where stream_id = %s", (FOREIGN.id,))
        for table, key in (("tickets", "id"), ("activities", "ticket_id")):
            connection.execute(
                sql.SQL("delete from views.{} where {} = %s").format(sql.Identifier(table), sql.Identifier(key)),
                (FOREIGN.id,),
            )
        connection.execute(
            "insert into notices.parked (tenant_id, stream_type, stream_id, version, error) "
            "values (%s, 'ticket', %s, 4, 'x')",
            (TENANT, TICKETS[0].id),
        )
    outcome = outcomes(dsn, "I4")["I4"]
    assert outcome.wrong == 0, str(outcome)
    assert "views is behind on 1 streams" in outcome.notes
    assert any("is parked at version 4" in note for note in outcome.notes)


def test_a_purged_tenant_has_nothing_to_be_compared_with(copy: Callable[[], str]) -> None:
    dsn = copy()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        for schema, table in (("events", "event"), ("events", "ticket_number"), ("views", "tenants"),
                              ("views", "people"), ("views", "tickets"), ("views", "activities"),
                              ("webhooks", "ticket"), ("webhooks", "person"),
                              ("notices", "person"), ("notices", "ticket"),
                              ("notices", "notification")):  # fmt: skip
            connection.execute(
                sql.SQL("delete from {} where tenant_id = %s").format(sql.Identifier(schema, table)), (OTHER,)
            )
        purged = orjson.dumps(TenantPurged(tenant_id=OTHER, reason="x", by=AGENT, at=NOON)).decode()
        command, whose = uuid4(), Stream(UUID(int=0), "platform", OTHER)
        connection.execute(
            """insert into events.event (tenant_id, stream_type, stream_id, version, shard, event_id, command_id,
                   ordinal, remaining, type, schema_version, data, metadata)
               values (%s, 'platform', %s, 1, %s, %s, %s, 1, 0, 'tenant.purged', 1, %s, '{}')""",
            (whose.tenant_id, whose.id, whose.shard, event_id_of(command, 1), command, purged),
        )
        found = outcomes(dsn)
        assert [one.wrong for one in found.values()] == [0] * 5, "\n".join(map(str, found.values()))
        assert "views has not forgotten 1 purged tenants yet" in found["I4"].notes
        for schema in ("views", "webhooks", "notices"):
            connection.execute(
                sql.SQL("insert into {} values (%s, 'platform', %s, 1)").format(sql.Identifier(schema, "stream_guard")),
                (UUID(int=0), OTHER),
            )
        assert outcomes(dsn, "I4")["I4"].wrong == 0
        connection.execute("insert into views.tenants values (%s, 'x', 'x', '{}', now(), now(), 1)", (OTHER,))
        assert outcomes(dsn, "I4")["I4"].wrong == 1


def test_a_role_that_does_not_see_everything_is_refused(world: Engine) -> None:
    with pytest.raises(NotAllowed, match="BYPASSRLS"):
        outcomes(world.dsn("query_api"))


# --- Kafka ------------------------------------------------------------------------------------------------------------


async def _values(one: Engine) -> list[tuple[bytes, bytes, int]]:
    """(key, value, partition) of every record that the relay sent."""
    async with consumer_of(one.bootstrap) as consumer:
        found: list[tuple[bytes, bytes, int]] = []
        count = sum(map(len, (await records_of(one.bootstrap, one.topic)).values()))
        places = [TopicPartition(one.topic, n) for n in range(3)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        while len(found) < count:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [(record.key, record.value, record.partition) for record in records]
        return found


async def _bus(one: Engine, records: list[tuple[bytes, bytes, int]]) -> Outcome:
    """What the check says of these records in a topic of their own."""
    async with topic(one) as other:
        producer: AIOKafkaProducer = other.producer
        for key, value, partition in records:
            await producer.send_and_wait(other.name, key=key, value=value, partition=partition)
        return await _sent_to(one, other.name)


async def _sent_to(one: Engine, name: str) -> Outcome:
    """What the check says of a topic which the checkpoints say was filled."""
    await one.sql(
        """insert into events.relay_checkpoint
           select (jsonb_populate_record(c, jsonb_build_object('name', %s::text))).*
           from events.relay_checkpoint c where name = %s""",
        name,
        one.topic,
    )
    return await asyncio.to_thread(bus.check, one.admin_dsn, one.bootstrap, [("events", name)])


async def test_a_topic_that_is_gone_is_missed(world: Engine) -> None:
    outcome = await _sent_to(world, f"{world.topic}-gone")
    assert outcome.wrong == 27
    assert "is not there, and 27 events were sent to it" in str(outcome)


async def test_kafka_holds_what_the_store_holds(world: Engine) -> None:
    outcome = await asyncio.to_thread(bus.check, world.admin_dsn, world.bootstrap, [("events", world.topic)])
    assert (outcome.wrong, outcome.looked_at["records"]) == (0, 27), str(outcome)


def _tampered(record: tuple[bytes, bytes, int], **changes: Any) -> tuple[bytes, bytes, int]:
    key, value, partition = record
    return key, orjson.dumps(orjson.loads(value) | changes), partition


async def test_records_that_are_not_the_stores_are_found(world: Engine) -> None:
    records = await _values(world)
    ours = [n for n, (key, _, _) in enumerate(records) if key.endswith(str(TICKETS[0].id).encode())]
    again = [*records, *records[3:], *records]
    assert (await _bus(world, again)).wrong == 0, "duplicates in order are no fault"

    def spoilt(change: Callable[[list[tuple[bytes, bytes, int]]], object]) -> list[tuple[bytes, bytes, int]]:
        found = list(records)
        change(found)
        return found

    created = orjson.loads(records[ours[0]][1])["data"]
    expected = {
        "follows version": spoilt(lambda r: r.pop(ours[2])),
        "events that were sent are not there": spoilt(lambda r: r.pop(ours[-1])),
        "is the first of its stream": spoilt(lambda r: r.pop(ours[0])),
        "in the store it is": spoilt(lambda r: r.__setitem__(ours[1], _tampered(r[ours[1]], event_id=str(uuid4())))),
        "has other data": spoilt(
            lambda r: r.__setitem__(ours[0], _tampered(r[ours[0]], data=created | {"title": "x"}))
        ),
        "is not in the store": spoilt(lambda r: r.append(_tampered(r[ours[-1]], version=len(ours) + 1))),
        "is not that of": spoilt(lambda r: r.append((b"other", *r[ours[0]][1:]))),
        "belongs to partition": spoilt(lambda r: r.__setitem__(ours[0], (*r[ours[0]][:2], (r[ours[0]][2] + 1) % 3))),
        "is not JSON": spoilt(lambda r: r.append((b"k", b"{", 0))),
    }  # fmt: skip
    for words, spoilt_records in expected.items():
        outcome = await _bus(world, spoilt_records)
        assert words in str(outcome), f"{words}: {outcome}"
