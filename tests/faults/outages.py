"""PostgreSQL and Kafka die and come back."""

from faults.world import World
from localstack.ports import listening


async def postgres_killed_and_restarted(world: World) -> None:
    """kill -9 of the server under load, started again at once."""
    await world.kill("postgres")
    await world.ready("postgres")


async def kafka_down_under_writes(world: World) -> None:
    """Commands go on, and say that the views are behind."""
    await world.in_thread(world.stack.stop, "kafka")
    try:
        await world.load.progresses(20)
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
