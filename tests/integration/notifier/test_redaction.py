"""Redact and purge at the notifier: the words are made anew, nobody is told anything twice, a purged tenant is gone."""

import asyncio
from uuid import uuid4

from helpdesk.consistency import Position
from helpdesk.events.operations import PLATFORM, TenantPurged
from helpdesk.eventstore import erasure
from helpdesk.eventstore.idempotency import Answer, Key, complete, take
from helpdesk.eventstore.store import StreamAppend
from helpdesk.postgres.pool import open_pool
from helpdesk.recorded import Metadata, Stream
from integration.notifier.world import World, assigned, commented, now, resolved
from notifier.store import feed

SECRET = "Jane's number is 0123-456"
NOBODY = Metadata(None, None, None)
WAITING = "select 1 from pg_locks where locktype = 'advisory' and not granted"


async def redact(world: World, stream: Stream) -> None:
    """As the operator does; returns when the notifier has read of it."""
    past = await world.events.read_stream(stream)
    recorded = erasure.redactions(past, reason="erasure_request", by=uuid4(), at=now())
    async with open_pool(world.settings.migrate_database_url, name="operator", max_size=1) as pool:
        await erasure.redact(pool, "events", stream, len(past), recorded, NOBODY)
    world.versions[stream] = len(past) + len(recorded)
    await world.taken_in(Position(stream, world.versions[stream]))


async def test_the_words_of_notifications_are_made_anew_and_no_other_comes(world: World) -> None:
    agent = await world.person("AGENT")
    user = await world.person("USER", agent.tenant_id)
    stream = await world.ticket(user, SECRET, assignee=agent)
    await world.append(stream, commented(user))
    await world.append(stream, resolved(agent))
    before = [await world.get(agent), await world.get(user)]
    assert all(SECRET in str(seen) for seen in before)
    await world.ask("PUT", agent, f"/{before[0][0]['id']}/read")
    await redact(world, stream)
    for person, seen in zip((agent, user), before, strict=True):
        after = await world.get(person)
        assert [one["id"] for one in after] == [one["id"] for one in seen]
        assert SECRET not in str(after)
        assert all("#1" in one["message"] for one in after)
    assert [one["isRead"] for one in await world.get(agent)] == [True, False]
    assert await world.sql(f"select title from notices.ticket where id = '{stream.id}'") == [("",)]


async def test_what_was_answered_under_a_key_is_not_given_with_the_old_words(world: World) -> None:
    agent = await world.person("AGENT")
    stream = await world.ticket(agent, SECRET, assignee=agent)
    (one,) = await world.get(agent)
    under = {"Idempotency-Key": "k"}
    first = await world.ask("PUT", agent, f"/{one['id']}/read", **under)
    assert SECRET in first.text
    await redact(world, stream)
    again = await world.ask("PUT", agent, f"/{one['id']}/read", **under)
    assert (again.status_code, again.json()["reason"]) == (409, "idempotency_answer_redacted")


async def test_an_answer_that_is_being_made_during_a_redaction_does_not_keep_the_old_name(world: World) -> None:
    agent = await world.person("AGENT")
    boss = await world.register(world.stranger("ADMIN", agent.tenant_id), name="Jane")
    await world.ticket(boss, assignee=agent)
    (one,) = await world.get(agent)
    assert "Jane" in str(one)
    key = Key(str(agent.id), "PUT", f"/api/v1/notifications/{one['id']}/read", "k", b"")
    whose = {"tenant": agent.tenant_id, "user": agent.id, "role": agent.role, "id": one["id"]}
    async with open_pool(world.settings.notifier_database_url, name="test") as pool, pool.connection() as connection:
        async with connection.transaction():
            await take(connection, "notices", agent.tenant_id, key)
            row = await (await connection.execute(feed.MARK_READ, whose)).fetchone()
            assert "Jane" in repr(row)
            redacting = asyncio.create_task(redact(world, Stream(agent.tenant_id, "user", boss.id)))
            while not redacting.done() and not await world.sql(WAITING):
                await asyncio.wait({redacting}, timeout=0.05)
            await complete(connection, "notices", agent.tenant_id, key, Answer(200, repr(row).encode(), '"v0"'))
        await redacting
    assert await world.sql(f"select body from notices.idempotency where tenant_id = '{agent.tenant_id}'") == [(None,)]


async def test_a_notification_that_was_deleted_does_not_come_back(world: World) -> None:
    agent = await world.person("AGENT")
    stream = await world.ticket(agent, SECRET, assignee=agent)
    (one,) = await world.get(agent)
    await world.ask("DELETE", agent, f"/{one['id']}")
    await redact(world, stream)
    assert await world.get(agent) == []


async def test_what_happens_after_a_redaction_is_told_without_the_text(world: World) -> None:
    agent = await world.person("AGENT")
    stream = await world.ticket(agent, SECRET)
    await redact(world, stream)
    await world.append(stream, assigned(agent, agent))
    (one,) = await world.get(agent)
    assert one["message"] == "#1 was assigned to you"


async def test_a_redacted_person_is_nameless(world: World) -> None:
    agent = await world.person("AGENT")
    await redact(world, Stream(agent.tenant_id, "user", agent.id))
    found = await world.sql(f"select email, name, role from notices.person where id = '{agent.id}'")
    assert found == [("", "", "AGENT")]


async def test_nothing_of_a_purged_tenant_is_left_or_comes_late(world: World) -> None:
    agent, other = await world.person("AGENT"), await world.person("AGENT")
    await world.ticket(agent, SECRET, assignee=agent)
    await world.ticket(other, assignee=other)
    await world.ask("PUT", agent, "/read-all", **{"Idempotency-Key": "k"})
    purge = Stream(PLATFORM, "platform", agent.tenant_id)
    record = TenantPurged(tenant_id=agent.tenant_id, reason="contract_ended", by=agent.id, at=now())
    await world.events.append(uuid4(), [StreamAppend(purge, 0, [record])], NOBODY)
    await world.taken_in(Position(purge, 1))
    await world.ticket(agent, SECRET, assignee=agent)
    for table in ("person", "ticket", "notification", "idempotency"):
        left = await world.sql(f"select tenant_id from notices.{table} where tenant_id = '{agent.tenant_id}'")
        assert left == [], table
    assert len(await world.get(other)) == 1
