"""The dispatcher as a process: it starts, says how it is, relays what it recorded, and ends when told."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process

import httpx
from aiokafka import AIOKafkaConsumer

from helpdesk.bus import envelope
from helpdesk.events.webhook import WebhookEndpointCreated
from integration.webhook_dispatcher.rig import Rig

LISTENING = """
select count(*) from pg_stat_activity where datname = current_database() and starts_with(query, 'listen ')"""


async def started(part: str, environment: dict[str, str]) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "webhook_dispatcher", part, env=os.environ | environment, stderr=PIPE
    )


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


async def ready(url: str, process: Process) -> None:
    async with httpx.AsyncClient(trust_env=False) as http, asyncio.timeout(30):
        while process.returncode is None:
            try:
                if (await http.get(f"{url}/health/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
    raise AssertionError("the process ended")


async def test_all_of_it_runs_in_one_process_and_a_new_endpoint_is_an_event_on_the_bus(rig: Rig) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}"
    process = await started("all", rig.environment | {"WEBHOOK_DISPATCHER_PORT": str(port)})
    try:
        await ready(url, process)
        async with rig.client() as admin, httpx.AsyncClient(base_url=url, headers=admin.headers) as http:
            checks = (await http.get("/health/ready")).json()["checks"]
            answer = await http.post(
                "/api/v1/webhooks", json={"url": "http://127.0.0.1:9/", "events": ["TICKET_CREATED"]}
            )
        assert checks == {"database": "ok", "intake": "ok", "send": "ok", "relay": "ok"}
        assert await rig.sql(LISTENING) == [(1,)]
        event = await on_the_bus(rig, answer.json()["id"])
        assert isinstance(event, WebhookEndpointCreated)
        assert event.events == ("TICKET_CREATED",)
    finally:
        process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(process.wait(), 30)
    assert code == 0


async def on_the_bus(rig: Rig, endpoint_id: str) -> object:
    consumer = AIOKafkaConsumer(
        rig.settings.webhooks_topic,
        bootstrap_servers=rig.settings.kafka_bootstrap_servers,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            async for record in consumer:
                recorded, _ = envelope.decode(record.value)
                if str(recorded.stream.id) == endpoint_id:
                    return recorded.event
    finally:
        await consumer.stop()
    raise AssertionError("the topic ended")


async def test_a_wrong_key_ends_the_start_with_the_name_of_the_variable(rig: Rig) -> None:
    process = await started("send", rig.environment | {"WEBHOOK_SECRETS_KEY": "c2hvcnQ="})
    _, error = await process.communicate()
    assert process.returncode == 78
    assert b"WEBHOOK_SECRETS_KEY" in error
    assert b"c2hvcnQ" not in error
