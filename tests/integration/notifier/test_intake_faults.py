"""What the intake promises when a process joins, leaves, or meets a record that nobody can read."""

import asyncio

import httpx
from aiokafka import AIOKafkaProducer

from helpdesk.bus.clients import connected
from helpdesk.http.app import edge
from integration.notifier.world import Running, World, commented, eventually, running
from localstack.stack import Servers
from notifier.app import build_app, build_intake

COMMANDS = 40


async def test_each_is_told_once_while_a_second_intake_joins_and_the_first_leaves(world: World) -> None:
    requester = await world.person("USER")
    agent = await world.person("AGENT", requester.tenant_id)
    tickets = [await world.ticket(requester) for _ in range(4)]
    second = build_intake(world.settings, world.worker_pool, world.events_pool)
    joining = Running(second.run)

    async def write(share: int) -> None:
        for number in range(COMMANDS):
            if share == 0 and number == COMMANDS // 4:
                joining.start()
                await eventually(lambda: second.state.reason is None)
            if share == 0 and number == COMMANDS // 2:
                await world.consuming.stop()
            await world.append(tickets[share], commented(agent), settle=False)

    try:
        await asyncio.gather(*(write(share) for share in range(len(tickets))))
        for ticket in tickets:
            await world.append(ticket, commented(agent))
        assert second.state.halted is None
        assert await world.get(requester, "/unread-count") == {"count": len(tickets) * (COMMANDS + 1)}
    finally:
        world.consuming.start()
        await eventually(lambda: world.intake.state.reason is None)
        await joining.stop()


async def test_a_record_that_nobody_can_read_is_kept_and_health_says_so_while_all_goes_on(servers: Servers) -> None:
    async with running(servers) as world:
        app = build_app(world.settings, world.worker_pool, world.intake)
        requester = await world.person("USER")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(edge(app)), base_url="http://test") as client:
            assert (await client.get("/health/ready")).json()["status"] == "ok"
            producer = AIOKafkaProducer(bootstrap_servers=world.settings.kafka_bootstrap_servers)
            async with connected(producer):
                await producer.send_and_wait(world.settings.events_topic, b"{}", partition=0)
            await eventually(lambda: world.intake.state.parked == 1 and world.intake.state.reason is None)
            answer = await client.get("/health/ready")
            assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
            assert answer.json()["checks"]["intake"] == "1 parked: see `unpark`"
        await world.ticket(requester)  # returns when the intake has it
