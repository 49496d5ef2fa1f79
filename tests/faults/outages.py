"""PostgreSQL and Kafka die and come back."""

import asyncio
from typing import Final

from faults.world import World
from localstack.ports import listening

ASKED: Final = (
    ("POST", "/tickets", {"title": "never", "description": ""}),
    ("GET", "/tickets", None),
    ("GET", "/notifications", None),
    ("GET", "/webhooks", None),
    ("POST", "/auth/login", {"email": "admin@example.com", "password": "SecurePass123!"}),
)


async def postgres_killed_and_restarted(world: World) -> None:
    """kill -9 of the server under load, started again at once."""
    await world.kill("postgres")
    await world.ready("postgres")


async def postgres_away(world: World) -> None:
    """Stopped politely: every call says so in the contract's words, and when to ask again."""
    async with world.load.paused():
        (who, *_) = world.load.staff
        before = await world.value("select count(*) from events.event")
        await world.in_thread(world.stack.stop, "postgres")
        try:
            answers = await asyncio.gather(*(who.ask(method, path, json=body) for method, path, body in ASKED))
            for answer in answers:
                told = (answer.status_code, answer.headers.get("content-type"), answer.json()["code"])
                if told != (503, "application/problem+json", "INTERNAL_ERROR") or "retry-after" not in answer.headers:
                    raise AssertionError(f"{answer.request.method} {answer.url} without a database: {told}")
        finally:
            await world.in_thread(world.stack.start, "postgres")
        if await world.value("select count(*) from events.event") != before:
            raise AssertionError("something was written without a database")


async def kafka_down_under_writes(world: World) -> None:
    """Commands go on, and say that the views are behind."""
    await world.in_thread(world.stack.stop, "kafka")
    try:
        behind = world.load.figures.behind
        await world.load.progresses(20)
        if world.load.figures.behind < behind + 10:
            raise AssertionError("without Kafka the views are behind, and no answer says so")
        if world.long:
            await world.lasts(60)
    finally:
        await world.in_thread(world.stack.start, "kafka")


async def kafka_killed_and_restarted(world: World) -> None:
    """kill -9 of the broker under load."""
    await world.kill("kafka")
    await world.ready("kafka")


async def kafka_restarted_during_its_election(world: World) -> None:
    """Killed, and again as soon as it listens, before its partitions have a leader."""
    port = world.stack.servers.ports.kafka

    async def listens() -> bool:
        return listening(port)

    await world.kill("kafka")
    await world.until(listens)
    await world.kill("kafka")
    await world.ready("kafka")
