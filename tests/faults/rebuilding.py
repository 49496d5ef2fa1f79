"""The views are built anew while commands go on, and the rebuild is killed wherever it can be."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Final

from faults.world import World

WORDS: Final = ("-m", "projector", "rebuild", "--workers", "1")
STEP: Final = "select step from views.rebuild order by id desc limit 1"


async def rebuild_while_writing(world: World) -> None:
    """From nothing to live, and no read fails meanwhile."""
    async with _reading(world):
        await _to_the_end(world)


async def rebuild_killed_at_each_step(world: World) -> None:
    """Begun, folding, indexing, comparing, switching: killed there, and taken up again."""
    stops: dict[str, AbstractAsyncContextManager[object]] = {
        "fold": world.held("lock table views.rebuild_chunk in exclusive mode"),
        "index": nullcontext(),
        "compare": nullcontext(),
        "switch": world.held("lock table views.tickets in access share mode"),
    }
    async with _reading(world):
        await _killed(world, "fold", begins=True)
        for said, stop in stops.items():
            if said == "fold":
                continue
            async with stop:
                await _killed(world, said)
        await _to_the_end(world)


async def _killed(world: World, said: str, *, begins: bool = False) -> None:
    """Kill the rebuild with all its workers as soon as it says so (or, at its beginning, has its plan)."""
    process = await world.process(*WORDS)
    try:
        async with asyncio.timeout(60):
            if begins:
                await world.until(lambda: _folds(world))
            elif process.stdout is not None:
                async for line in process.stdout:
                    if line.decode().startswith(said):
                        break
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()


async def _folds(world: World) -> bool:
    ((step,),) = await world.rows(STEP) or [("none",)]
    return bool(step == "fold")


async def _to_the_end(world: World) -> None:
    for words in ((), ("--drop-former",)):
        code, said = await world.tool("projector", "rebuild", "--workers", "1", *words)
        if code:
            raise AssertionError(f"rebuild {words}: {said}")


@asynccontextmanager
async def _reading(world: World) -> AsyncIterator[None]:
    """Somebody reads all the time and is always answered."""
    (who, *_) = world.load.staff
    ticket = await who.opens_ticket()

    async def read() -> None:
        while True:
            for path in (f"/tickets/{ticket['id']}", "/tickets?limit=5"):
                answer = await who.get(path)
                if answer.status_code != 200:
                    raise AssertionError(f"{path} answered {answer.status_code}: {answer.text[:200]}")
            await asyncio.sleep(0.02)

    reading = asyncio.create_task(read())
    try:
        yield
    finally:
        reading.cancel()
        await asyncio.wait([reading])
    if not reading.cancelled() and (error := reading.exception()) is not None:
        raise error
