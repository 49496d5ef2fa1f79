"""Kafka's clients leave no socket open, whenever whoever uses them is cancelled."""

import asyncio
import gc
from collections.abc import Callable
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import AIOKafkaConnection

from helpdesk.bus.clients import Client, connected
from integration.engine.rig import Topic

MOMENTS_S = (0.0, 0.001, 0.002, 0.004, 0.008, 0.016, 0.03, 0.06, 0.12)


def consumer(bus: Topic) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(bus.name, bootstrap_servers=bus.bootstrap, group_id=uuid4().hex)


def producer(bus: Topic) -> AIOKafkaProducer:
    return AIOKafkaProducer(bootstrap_servers=bus.bootstrap, enable_idempotence=True)


def admin(bus: Topic) -> AIOKafkaAdminClient:
    return AIOKafkaAdminClient(bootstrap_servers=bus.bootstrap)


@pytest.mark.parametrize("client", [consumer, producer, admin])
async def test_whoever_is_cancelled_at_any_moment_leaves_no_socket_open(
    bus: Topic, client: Callable[[Topic], Client]
) -> None:
    async def use() -> None:
        async with connected(client(bus)):
            pass

    before = sockets()
    for moment_s in MOMENTS_S:
        task = asyncio.create_task(use())
        await asyncio.sleep(moment_s)
        task.cancel()
        await asyncio.wait([task])
        assert sockets() == before, f"cancelled after {moment_s} s"


@pytest.mark.parametrize("client", [consumer, producer, admin])
async def test_whoever_is_cancelled_while_the_client_ends_waits_for_it_and_then_ends(
    bus: Topic, client: Callable[[Topic], Client]
) -> None:
    async def use() -> None:
        async with connected(client(bus)):
            working.set()
            await asyncio.Event().wait()

    before = sockets()
    for times in range(1, 6):
        working = asyncio.Event()
        task = asyncio.create_task(use())
        await working.wait()
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        await asyncio.wait([task])
        assert task.cancelled()
        assert sockets() == before, f"cancelled {times} times"


def sockets() -> int:
    """How many connections to Kafka this process holds."""
    return sum(isinstance(one, AIOKafkaConnection) and one.connected() for one in gc.get_objects())
