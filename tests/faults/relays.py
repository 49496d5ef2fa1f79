"""Two relays: whoever thought it led and does not any more changes nothing."""

from typing import Final

from faults.proxy import proxy
from faults.world import World

LEADER, STANDBY = "command-api-relay", "command-api-relay-2"
EPOCHS: Final = "select sum(epoch) from events.relay_checkpoint"
SESSIONS: Final = "select count(*) from pg_stat_activity where application_name = 'events-relay'"
DSN: Final = "COMMAND_API_RELAY_DATABASE_URL"


async def leader_paused_and_woken(world: World) -> None:
    """The leader stands still and the database gives it up; the other one leads; then it wakes."""
    async with world.standby(LEADER, STANDBY):
        await world.until(lambda: _both_there(world))
        before = await world.value(EPOCHS)
        world.stack.pause(LEADER)
        try:
            await world.cut("events-relay%")
            await world.until(lambda: _led_anew(world, before))
            await world.load.progresses(20)
        finally:
            world.stack.resume(LEADER)
        await world.load.progresses(10)


async def connection_silently_cut(world: World) -> None:
    """The server sees the leader's connection end, the leader sees nothing: the other leads, and it finds out."""
    dsn = world.stack.environment[DSN]
    async with proxy(world.stack.servers.ports.postgres) as between:
        before = await world.value(EPOCHS)
        await world.in_thread(world.stack.again, LEADER, {DSN: between.instead_of(dsn)})
        try:
            await world.until(lambda: _led_anew(world, before))
            async with world.standby(LEADER, STANDBY):
                await world.until(lambda: _both_there(world))
                led_by_the_first = await world.value(EPOCHS)
                between.cut_silently()
                await world.until(lambda: _led_anew(world, led_by_the_first))
                await world.load.progresses(20)
                led_by_the_second = await world.value(EPOCHS)
            # The other one has ended: whoever was cut off must have noticed, or notice now, and lead again.
            await world.until(lambda: _led_anew(world, led_by_the_second), within_s=45)
            await world.load.progresses(5)
        finally:
            await world.in_thread(world.stack.again, LEADER)


async def _both_there(world: World) -> bool:
    return bool(await world.value(SESSIONS) >= 2)


async def _led_anew(world: World, before: int) -> bool:
    return bool(await world.value(EPOCHS) > before)
