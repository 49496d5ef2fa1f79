"""From an event on the bus to a signed POST: exactly the right ones, again until they arrive, always the same bytes."""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import signal
import sys
from datetime import UTC, datetime
from uuid import uuid4

from helpdesk.events.ticket import CommentAdded, TicketAssigned, TicketClosed, TicketPrioritized
from integration.webhook_dispatcher.receiver import Received, Receiver
from integration.webhook_dispatcher.rig import AGENT, REQUESTER, Rig, created
from webhook_dispatcher.sender import NET_S


def now() -> datetime:
    return datetime.now(UTC)


async def test_a_created_ticket_becomes_one_signed_post(rig: Rig, receiver: Receiver) -> None:
    endpoint = await rig.endpoint(f"{receiver.origin}/hook", "TICKET_CREATED")
    ticket = uuid4()
    async with rig.taking_in(), rig.sending():
        assigned = TicketAssigned(assignee_id=AGENT, previous=None, by=REQUESTER, at=now())
        await rig.happened(ticket, created("Größe & <Form>", metadata={"b": 1.0, "10": 2, "9": 3}), assigned)
        came = await receiver.next()
        delivery = await rig.settled(endpoint)

    assert came.path == "/hook"
    body = json.loads(came.body)
    assert (body["event"], body["type"]) == ("TICKET_CREATED", "ticket.created")
    assert body["data"]["ticketId"] == str(ticket)
    assert body["data"]["title"] == "Größe & <Form>"
    assert body["data"]["createdBy"] == str(REQUESTER)
    assert body["data"]["assignedToId"] == str(AGENT)
    assert '"metadata":{"9":3,"10":2,"b":1}' in came.body.decode()
    assert signed(came, endpoint["secret"])
    assert receiver.came.empty()

    assert (delivery["id"], delivery["state"]) == (came.id, "delivered")
    assert [(one["attempt"], one["status"], one["error"]) for one in delivery["attempts"]] == [(1, 200, None)]
    assert delivery["attempts"][0]["response"] == "thanks"


async def test_a_receiver_that_fails_twice_gets_the_same_bytes_a_third_time(rig: Rig, receiver: Receiver) -> None:
    endpoint = await rig.endpoint(receiver.origin, "ticket.created", secret="plain")
    receiver.answers = [500, 302]
    receiver.headers = {"Location": "/elsewhere"}
    async with rig.taking_in(), rig.sending():
        await rig.happened(uuid4(), created())
        came = [await receiver.next() for _ in range(3)]
        delivery = await rig.settled(endpoint)
    assert len({(one.id, one.body, one.headers["x-webhook-signature"]) for one in came}) == 1
    assert {one.path for one in came} == {"/"}
    assert all(signed(one, "plain") for one in came)
    assert [(one["status"], one["error"]) for one in delivery["attempts"]] == [
        (500, "http"),
        (302, "http"),
        (200, None),
    ]


async def test_a_sender_killed_before_it_records_is_followed_by_another(rig: Rig, receiver: Receiver) -> None:
    endpoint = await rig.endpoint(receiver.origin, "TICKET_CREATED")
    receiver.open.clear()
    sender = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "webhook_dispatcher", "send", env=os.environ | rig.environment
    )
    try:
        async with rig.taking_in():
            await rig.happened(uuid4(), created())
            first = await receiver.next()
    finally:
        sender.send_signal(signal.SIGKILL)
        await sender.wait()
    receiver.open.set()
    assert [one["state"] for one in await rig.deliveries(endpoint)] == ["sending"]

    await rig.sql("update webhooks.delivery set due_at = now() where id = %s", (first.id,))  # its claim runs out
    async with rig.sending():
        second = await receiver.next()
        delivery = await rig.settled(endpoint)
    assert (second.id, second.body) == (first.id, first.body)
    assert delivery["state"] == "delivered"


async def test_what_becomes_due_while_no_wake_up_is_heard_is_sent_soon_all_the_same(
    rig: Rig, receiver: Receiver
) -> None:
    await rig.endpoint(receiver.origin, "TICKET_CREATED")
    async with rig.taking_in(), rig.sending():
        for _ in range(3):
            await rig.happened(uuid4(), created())
            ended = "select pg_terminate_backend(pid) from pg_stat_activity "
            await rig.sql(ended + "where application_name = 'webhooks-listen' and datname = current_database()")
            async with asyncio.timeout(NET_S / 3):
                await receiver.next()


async def test_a_close_tells_of_the_change_and_of_the_end(rig: Rig, receiver: Receiver) -> None:
    await rig.endpoint(receiver.origin, "TICKET_UPDATED", "TICKET_CLOSED")
    ticket = uuid4()
    async with rig.taking_in(), rig.sending():
        await rig.happened(ticket, created())
        await rig.happened(
            ticket,
            TicketPrioritized(priority="high", previous="medium", by=AGENT, at=now()),
            TicketClosed(resolution="solved", previous="open", by=AGENT, at=now()),
            version=1,
        )
        came = [await receiver.next() for _ in range(2)]
    told = {json.loads(one.body)["event"]: json.loads(one.body)["data"] for one in came}
    assert told["TICKET_UPDATED"]["changes"] == {"status": "closed", "priority": "high", "resolution": "solved"}
    assert told["TICKET_UPDATED"]["previous"] == {"status": "open", "priority": "medium", "resolution": None}
    assert told["TICKET_CLOSED"]["ticketId"] == str(ticket)
    assert came[0].id != came[1].id


async def test_endpoints_hear_only_what_is_theirs(rig: Rig, receiver: Receiver) -> None:
    quiet = [
        await rig.endpoint(f"{receiver.origin}/inactive", "ticket.*"),
        await rig.endpoint(f"{receiver.origin}/deleted", "ticket.*"),
        await rig.endpoint(f"{receiver.origin}/other-events", "TICKET_CLOSED"),
        await rig.endpoint(f"{receiver.origin}/no-notes", "comment.*"),
    ]
    stranger = await rig.another_tenant().endpoint(f"{receiver.origin}/other-tenant", "ticket.*")
    async with rig.client() as admin:
        await admin.patch(f"/api/v1/webhooks/{quiet[0]['id']}", json={"isActive": False})
        await admin.delete(f"/api/v1/webhooks/{quiet[1]['id']}")
    ticket = uuid4()
    async with rig.taking_in(), rig.sending():
        await rig.happened(ticket, created())
        await rig.endpoint(f"{receiver.origin}/late", "TICKET_CREATED")
        await rig.endpoint(f"{receiver.origin}/all", "ticket.updated", "comment.internal_added")
        note = CommentAdded(comment_id=uuid4(), content="He is rude", is_internal=True, by=AGENT, at=now())
        await rig.happened(ticket, note, version=1)
        came = await receiver.next()
        assert (came.path, json.loads(came.body)["event"]) == ("/all", "comment.internal_added")
    assert receiver.came.empty()
    rows = await rig.sql(
        "select 1 from webhooks.delivery where endpoint_id = any(%s::uuid[])",
        ([one["id"] for one in (*quiet, stranger)],),
    )
    assert rows == []


async def test_gone_disables_the_endpoint(rig: Rig, receiver: Receiver) -> None:
    endpoint = await rig.endpoint(receiver.origin, "TICKET_CREATED")
    receiver.answers = [410]
    async with rig.taking_in(), rig.sending():
        await rig.happened(uuid4(), created())
        assert (await rig.settled(endpoint))["state"] == "failed"
    async with rig.client() as admin:
        assert (await admin.get(f"/api/v1/webhooks/{endpoint['id']}")).json()["isActive"] is False


async def test_a_name_that_leads_inside_is_blocked_and_not_tried_again(rig: Rig, receiver: Receiver) -> None:
    endpoint = await rig.endpoint(receiver.origin, "TICKET_CREATED")
    await rig.sql("update webhooks.endpoint set url = 'http://10.1.2.3/' where id = %s", (endpoint["id"],))
    async with rig.taking_in(), rig.sending():
        await rig.happened(uuid4(), created())
        delivery = await rig.settled(endpoint)
    assert (delivery["state"], [one["error"] for one in delivery["attempts"]]) == ("failed", ["blocked"])


async def test_a_slow_endpoint_delays_no_other(rig: Rig, receiver: Receiver) -> None:
    slow = await rig.endpoint(f"{receiver.origin}/slow", "TICKET_CREATED")
    receiver.open.clear()
    async with rig.taking_in(), rig.sending():
        for _ in range(12):
            await rig.happened(uuid4(), created())
        assert {(await receiver.next()).path for _ in range(8)} == {"/slow"}
        await rig.endpoint(f"{receiver.origin}/quick", "TICKET_CREATED")
        await rig.happened(uuid4(), created())
        assert (await receiver.next()).path == "/quick"
        states = [one["state"] for one in await rig.deliveries(slow)]
        assert (states.count("sending"), states.count("pending")) == (8, 5)
        receiver.open.set()
        assert [(await receiver.next()).path for _ in range(5)] == ["/slow"] * 5


def signed(came: Received, secret: str) -> bool:
    """Whether both signatures fit, computed as a receiver does."""
    old = hmac.new(secret.encode(), came.body, hashlib.sha256).hexdigest()
    key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    content = f"{came.id}.{came.headers['webhook-timestamp']}.".encode() + came.body
    new = base64.b64encode(hmac.digest(key, content, "sha256")).decode()
    return (came.headers["x-webhook-signature"], came.headers["webhook-signature"]) == (old, f"v1,{new}")
