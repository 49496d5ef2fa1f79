"""Several consumers of one group, and one that is too slow for it."""

import asyncio
from typing import Final

from faults.world import SHORT, World
from support.gateway import free_port

POLL_INTERVAL_S: Final = int(SHORT["CONSUMER_MAX_POLL_INTERVAL_MS"]) / 1000


async def second_projector_comes_and_goes(world: World) -> None:
    """Every few seconds all partitions are given out anew, in the middle of batches."""
    rounds, pause_s = (6, 3.0) if world.long else (2, 1.0)
    for _ in range(rounds):
        settings = {"PROJECTOR_PORT": str(free_port())}
        async with world.standby("projector", "projector-2", settings):
            await world.lasts(pause_s)
        await world.lasts(pause_s / 3)


async def handler_slower_than_the_poll_interval(world: World) -> None:
    """Its partitions are given to another one meanwhile; the slower one finds itself superseded."""
    async with world.standby("projector", "projector-2", {"PROJECTOR_PORT": str(free_port())}):
        async with world.held("lock table views.tickets in share mode"):
            await world.until(lambda: world.waits_for_lock("projector"))
            await asyncio.gather(world.lasts(POLL_INTERVAL_S + 1.0))
        await world.load.progresses(5)
