"""What is around our processes: their clocks, their wake-ups, their end."""

import asyncio
import signal
from typing import Final

from faults.transactions import appender, system_stream
from faults.world import CONSUMERS, World
from localstack.environment import DATABASE
from localstack.services import processes

HOUR_S: Final = 3600
SET: Final = {
    "datestyle": "SQL, DMY",
    "intervalstyle": "iso_8601",
    "array_nulls": "off",
    "row_security": "off",
    "default_transaction_isolation": "serializable",
    "client_encoding": "LATIN1",
}
OURS: Final = tuple(name for name, _, _ in processes(split=True))
AHEAD: Final = ("command-api", "webhook-dispatcher-send", "projector")
BEHIND: Final = ("command-api-relay", "notifier-intake", "webhook-dispatcher-intake")


async def clocks_an_hour_off(world: World) -> None:
    """Some ahead, some behind: order, dues and effects are the database's. (Who checks tokens may not be behind.)"""
    of_each = 3 if world.long else 2

    async def all_(ahead_s: int, behind_s: int) -> None:
        await asyncio.gather(
            *(asyncio.to_thread(world.stack.again, name, _offset(ahead_s)) for name in AHEAD[:of_each]),
            *(asyncio.to_thread(world.stack.again, name, _offset(behind_s)) for name in BEHIND[:of_each]),
        )

    await all_(HOUR_S, -HOUR_S)
    try:
        await world.load.progresses(20)
    finally:
        await all_(0, 0)


async def settings_of_an_operator(world: World) -> None:
    """Somebody sets for the whole database what sessions see: nobody stands still, and nothing healthy is parked."""
    sessions = "select pg_terminate_backend(pid) from pg_stat_activity where usename <> current_user"
    for name, value in SET.items():
        await world.rows(f"alter database {DATABASE} set {name} = '{value}'")
        try:
            await world.rows(sessions)
            await world.load.progresses(20)
        finally:
            await world.rows(f"alter database {DATABASE} reset {name}")
    await world.rows(sessions)
    for schema in CONSUMERS:
        assert not await world.rows(f"select from {schema}.parked")


def _offset(seconds: int) -> dict[str, str]:
    return {"CLOCK_OFFSET_SECONDS": str(seconds)}


async def sigterm_under_load(world: World) -> None:
    """Every process of ours is asked to end, all at once, and started again."""
    await asyncio.gather(*(world.kill(name, signal.SIGTERM) for name in OURS))
    await world.ready()


async def wake_ups_lost(world: World) -> None:
    """Nobody pokes the relay and nobody listens: polling is the net beneath."""
    stream = system_stream()
    async with world.load.paused(), appender(world) as one:
        await world.cut("poke")
        await world.cut("%-listen")
        await one.append(stream)
        await world.until(lambda: world.applied(stream.type, stream.id, 1), within_s=10)
