"""Notifications on real PostgreSQL and Kafka, from the append to the answer."""

import asyncio
from typing import Any
from uuid import uuid4

from helpdesk.consistency import Position
from helpdesk.postgres.listening import Listener
from helpdesk.postgres.pool import connect
from helpdesk.recorded import Stream
from helpdesk.told import name_of
from integration.notifier.world import OFFSET, Person, World, assigned, commented, eventually, opened, resolved


async def test_the_assignee_reads_of_an_assignment(world: World) -> None:
    requester = await world.person("USER")
    agent = await world.person("AGENT", requester.tenant_id)
    ticket = await world.ticket(requester, "The printer burns")
    await world.append(ticket, assigned(agent, by=requester))

    (notification,) = await world.get(agent)

    assert notification["type"] == "TICKET_ASSIGNED"
    assert notification["userId"] == str(agent.id)
    assert "The printer burns" in notification["message"]
    assert notification["data"] == {"ticketId": str(ticket.id), "ticketNumber": 1, "actorId": str(requester.id)}
    assert notification["isRead"] is False
    assert notification["createdAt"].endswith("Z")
    assert notification["actor"]["lastName"] == "Lovelace"
    assert await world.get(requester) == []


async def test_an_assignment_to_oneself_is_there_as_soon_as_notices_applied_says_so(world: World) -> None:
    agent = await world.person("AGENT")
    ticket = Stream(agent.tenant_id, "ticket", uuid4())
    await world.append(ticket, opened(agent), assigned(agent, by=agent), settle=False)
    assert await world.applied.wait([Position(ticket, 2)], 15)  # as the command API does
    assert [one["type"] for one in await world.get(agent)] == ["TICKET_ASSIGNED"]


async def test_of_what_nobody_waits_for_nobody_is_told(world: World) -> None:
    told, begun = list[str](), asyncio.Event()
    listener = Listener(world.settings.notifier_database_url, "test-listen")
    listener.subscribe("notices_applied", told.append, anew=begun.set)
    listening = asyncio.create_task(listener.run())
    try:
        await asyncio.wait_for(begun.wait(), 10)
        requester = await world.person("USER")
        agent = await world.person("AGENT", requester.tenant_id)
        await world.append(await world.ticket(requester), assigned(agent, by=requester))
        own = await world.ticket(agent, assignee=agent)
        await eventually(lambda: any(str(own.id) in note for note in told))
        streams = [name.partition("=")[0] for note in told for name in note.split(",")]
        assert sorted(streams) == sorted(
            name_of(one) for one in (own, *(Stream(one.tenant_id, "user", one.id) for one in (requester, agent)))
        )
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_the_newest_comes_first(world: World) -> None:
    requester = await world.person("USER")
    agent = await world.person("AGENT", requester.tenant_id)
    ticket = await world.ticket(requester)
    await world.append(ticket, commented(agent))
    await world.append(ticket, resolved(agent))
    assert [one["type"] for one in await world.get(requester)] == ["STATUS_CHANGED", "COMMENT_ADDED"]


async def test_one_command_of_several_events_tells_once(world: World) -> None:
    requester = await world.person("USER")
    agent = await world.person("AGENT", requester.tenant_id)
    ticket = await world.ticket(requester, assignee=agent)
    await world.append(ticket, commented(agent), resolved(agent))
    assert [one["type"] for one in await world.get(requester)] == ["COMMENT_ADDED"]


async def test_nothing_doubles_when_every_record_comes_again(world: World) -> None:
    requester = await world.person("USER")
    agent = await world.person("AGENT", requester.tenant_id)
    ticket = await world.ticket(requester, assignee=agent)
    await world.append(ticket, commented(agent))
    before = await world.sql("select * from notices.notification order by tenant_id, id")
    deleted = (await world.get(agent))[0]["id"]
    assert (await world.ask("DELETE", agent, f"/{deleted}")).status_code == 204
    ((records,),) = await world.sql(OFFSET)

    await world.relaying.stop()
    await world.consuming.stop()
    await world.sql("update events.relay_checkpoint set xid = '0', position = 0")
    await world.sql("update notices.progress set next_offset = 0")
    world.relaying.start()
    world.consuming.start()
    await eventually(lambda: world.intake.state.dropped >= 2 * records)

    assert world.intake.state.reason is None
    after = await world.sql("select * from notices.notification order by tenant_id, id")
    assert after == [row for row in before if str(row[1]) != deleted]
    await world.append(ticket, commented(agent))
    assert len(await world.get(requester)) == 2


async def test_an_internal_note_is_for_staff_only(world: World) -> None:
    requester = await world.person("USER")
    agent = await world.person("AGENT", requester.tenant_id)
    admin = await world.person("ADMIN", requester.tenant_id)
    ticket = await world.ticket(requester, assignee=agent)
    await world.append(ticket, commented(admin, internal=True))
    assert await world.get(requester) == []
    assert await world.get(requester, "/unread-count") == {"count": 0}
    assert [one["title"] for one in await world.get(agent)] == ["New internal note", "Ticket assigned to you"]


async def test_an_internal_note_waits_for_an_account_that_comes_late(world: World) -> None:
    admin = await world.person("ADMIN")
    agent = world.stranger("AGENT", admin.tenant_id)
    requester = world.stranger("USER", admin.tenant_id)
    ticket = await world.ticket(requester, assignee=agent)
    await world.append(ticket, commented(admin, internal=True))
    hidden = [
        id_ for (id_,) in await world.sql(f"select id from notices.notification where user_id = '{requester.id}'")
    ]
    assert len(hidden) == 1

    for known in (False, True):  # judged by the token, then by the directory
        if known:
            await world.register(agent)
            await world.register(requester)
        assert len(await world.get(agent)) == 2
        assert await world.get(requester) == []
        assert (await world.ask("PUT", requester, f"/{hidden[0]}/read")).status_code == 404
        assert (await world.ask("DELETE", requester, f"/{hidden[0]}")).status_code == 404

    former_agent = world.stranger("AGENT", requester.tenant_id, requester.id)  # an older token of the same person
    assert await world.get(former_agent) == []


async def test_read_unread_and_delete(world: World) -> None:
    requester = await world.person("USER")
    agent = await world.person("AGENT", requester.tenant_id)
    ticket = await world.ticket(requester)
    for _ in range(3):
        await world.append(ticket, commented(agent))
    await world.append(ticket, resolved(agent))
    newest, second, *_ = await world.get(requester)
    assert await world.get(requester, "/unread-count") == {"count": 4}

    for _ in range(2):
        answer = await world.ask("PUT", requester, f"/{newest['id']}/read")
        assert (answer.status_code, answer.json()) == (200, newest | {"isRead": True})

    assert await world.get(requester, "/unread-count") == {"count": 3}
    assert len(await world.get(requester, unreadOnly="true")) == 3
    assert [one["id"] for one in await world.get(requester, isRead="true")] == [newest["id"]]
    assert len(await world.get(requester, isRead="false", type="comment_added")) == 3
    assert [one["type"] for one in await world.get(requester, type="Status_Changed")] == ["STATUS_CHANGED"]
    assert (await world.ask("PUT", requester, "/read-all")).json() == {"count": 3}
    assert (await world.ask("PUT", requester, "/read-all")).json() == {"count": 0}

    gone = await world.ask("DELETE", requester, f"/{second['id']}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await world.ask("DELETE", requester, f"/{second['id']}")).status_code == 404
    assert len(await world.get(requester)) == 3


async def test_anothers_notification_is_unknown(world: World) -> None:
    requester = await world.person("USER")
    agent = await world.person("AGENT", requester.tenant_id)
    await world.ticket(requester, assignee=agent)
    (notification,) = await world.get(agent)
    colleague = await world.person("ADMIN", requester.tenant_id)
    elsewhere = world.stranger("AGENT", uuid4(), agent.id)
    for stranger in (requester, colleague, elsewhere):
        assert await world.get(stranger) == []
        assert (await world.ask("PUT", stranger, "/read-all")).json() == {"count": 0}
        for method, path in (("PUT", f"/{notification['id']}/read"), ("DELETE", f"/{notification['id']}")):
            answer = await world.ask(method, stranger, path)
            assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
    assert [one["isRead"] for one in await world.get(agent)] == [False]


async def test_a_role_sees_no_tenant_but_the_one_that_is_set(world: World) -> None:
    agent = await world.person("AGENT")
    await world.ticket(agent, assignee=agent)
    async with await connect(world.settings.notifier_database_url, name="test") as connection:
        for table in ("notices.notification", "notices.person"):
            cursor = await connection.execute(f"select count(*) from {table}")
            assert await cursor.fetchone() == (0,)


async def test_what_is_malformed_is_refused(world: World) -> None:
    agent = await world.person("AGENT")
    for query in ("?type=party", "?isRead=perhaps", "?page=0", "?limit=101", "?cursor=nonsense", "?sortBy=title"):
        answer = await world.ask("GET", agent, query)
        assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR"), query
    assert (await world.ask("PUT", agent, "/7/read")).status_code == 400
    assert (await world.ask("DELETE", agent, "/7")).status_code == 400
    assert (await world.ask("PUT", agent, f"/{uuid4()}/read")).status_code == 404
    assert (await world.client.get("/api/v1/notifications")).status_code == 401
    refused = await world.ask("POST", agent, "")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


async def test_lists_come_bare_by_page_and_by_cursor(world: World) -> None:
    requester = await world.person("USER")
    agent = await world.person("AGENT", requester.tenant_id)
    ticket = await world.ticket(requester)
    for _ in range(5):
        await world.append(ticket, commented(agent))
    ids = [one["id"] for one in await world.get(requester)]

    second = await world.get(requester, page="2", limit="2", sortOrder="DESC")
    assert [one["id"] for one in second["data"]] == ids[2:4]
    numbers = {"page": 2, "limit": 2, "total": 5, "totalPages": 3, "hasNextPage": True, "hasPreviousPage": True}
    assert second["meta"].items() >= numbers.items()
    third = await world.get(requester, cursor=second["meta"]["nextCursor"], limit="2")
    assert [one["id"] for one in third["data"]] == ids[4:]
    assert [one["id"] for one in (await world.get(requester, limit="100"))["data"]] == ids[::-1]
    assert (await world.get(requester, page="9"))["data"] == []

    forth = await walk(world, requester, "nextCursor", cursor="", limit="2", sortOrder="desc")
    assert [[one["id"] for one in page["data"]] for page in forth] == [ids[:2], ids[2:4], ids[4:]]
    assert forth[0]["meta"]["previousCursor"] is None
    back = await walk(world, requester, "previousCursor", cursor=forth[2]["meta"]["previousCursor"], limit="2")
    assert [[one["id"] for one in page["data"]] for page in back] == [ids[2:4], ids[:2]]


async def test_a_cursor_serves_its_own_list_alone(world: World) -> None:
    requester = await world.person("USER")
    agent = await world.person("AGENT", requester.tenant_id)
    ticket = await world.ticket(requester)
    for _ in range(2):
        await world.append(ticket, commented(agent))
    cursor = (await world.get(requester, cursor="", limit="1"))["meta"]["nextCursor"]
    assert len((await world.get(requester, cursor=cursor))["data"]) == 1
    for reader, query in (
        (agent, f"?cursor={cursor}"),
        (requester, f"?cursor={cursor}&unreadOnly=true"),
        (requester, f"?cursor={cursor}&sortOrder=desc"),
        (requester, f"?cursor={cursor[:-3]}AAA"),
    ):
        answer = await world.ask("GET", reader, query)
        assert (answer.status_code, answer.json()["details"][0]["code"]) == (400, "bad_cursor"), query


async def test_a_cursor_whose_rest_was_deleted_leads_back_to_what_is_left(world: World) -> None:
    requester = await world.person("USER")
    agent = await world.person("AGENT", requester.tenant_id)
    ticket = await world.ticket(requester)
    for _ in range(2):
        await world.append(ticket, commented(agent))
    newest, oldest = [one["id"] for one in await world.get(requester)]
    first = await world.get(requester, cursor="", limit="1", sortOrder="desc")
    assert (await world.ask("DELETE", requester, f"/{oldest}")).status_code == 204
    rest = await world.get(requester, cursor=first["meta"]["nextCursor"])
    assert rest["data"] == []
    assert rest["meta"]["nextCursor"] is None
    back = await world.get(requester, cursor=rest["meta"]["previousCursor"])
    assert [one["id"] for one in back["data"]] == [newest]


async def test_a_bare_list_is_bounded_and_leads_on(world: World) -> None:
    agent = await world.person("AGENT")
    await world.sql(
        f"""insert into notices.notification
        select '{agent.tenant_id}', gen_random_uuid(), '{agent.id}', gen_random_uuid(), 'COMMENT_ADDED', '', '', '{{}}',
               '{agent.id}', false, false, now() - n * interval '1 second' from generate_series(1, 1001) n"""
    )
    answer = await world.ask("GET", agent, "?type=COMMENT_ADDED")
    assert len(answer.json()) == 1000
    address, relation = answer.headers["link"].split("; ")
    assert relation == 'rel="next"'
    rest = await world.client.get(address.strip("<>"), headers=agent.headers)
    assert [one["id"] for one in rest.json()["data"]] == [one[0] for one in await oldest_of(world, agent)]


async def oldest_of(world: World, agent: Person) -> list[tuple[Any, ...]]:
    return await world.sql(
        f"select id::text from notices.notification where user_id = '{agent.id}' order by created_at limit 1"
    )


async def test_head_goes_with_get_and_an_unchanged_list_is_not_sent_again(world: World) -> None:
    agent = await world.person("AGENT")
    answer = await world.ask("GET", agent, "")
    assert (await world.ask("HEAD", agent, "")).headers["etag"] == answer.headers["etag"]
    assert (await world.ask("HEAD", agent, "/unread-count")).status_code == 200
    headers = agent.headers | {"If-None-Match": answer.headers["etag"]}
    assert (await world.client.get("/api/v1/notifications", headers=headers)).status_code == 304


async def walk(world: World, reader: Person, direction: str, **query: str) -> list[Any]:
    """All pages from here in one direction."""
    pages = [await world.get(reader, **query)]
    while pages[-1]["meta"][direction] is not None:
        pages.append(await world.get(reader, **query | {"cursor": pages[-1]["meta"][direction]}))
    return pages
