"""Serve an application, with the tasks that belong to its process beside it."""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import uvicorn
import uvloop
from starlette.types import ASGIApp

from helpdesk.tasks import still_wanted

AGAIN_AFTER_S: Final = 1.0
Job = Callable[[], Awaitable[None]]


def run_process(main: Coroutine[Any, Any, None]) -> None:
    """Run a process's main coroutine to its end, on the fast loop."""
    uvloop.run(main)


async def serve(app: ASGIApp, host: str, port: int, jobs: Sequence[Job] = ()) -> None:
    """Run the server and `jobs` until SIGTERM or SIGINT: requests under way are finished, then the jobs are cancelled.

    A job that ends by an error ends the process with it: the supervisor starts it anew.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        http="httptools",
        lifespan="on",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=10,
        proxy_headers=False,
    )
    server = _Server(config)
    await run_jobs([*jobs], around=server.serve)
    if not server.started:
        raise SystemExit(3)


class _Server(uvicorn.Server):
    """uvicorn raises the signal anew when it has shut down, which would end the process before its jobs have ended."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        def stop() -> None:
            self.should_exit = True

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        yield


async def run_jobs(jobs: Sequence[Job], around: Job | None = None) -> None:
    """Run `jobs` until `around` (by default: until SIGTERM or SIGINT) ends."""
    gc.collect()
    gc.freeze()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_endless(job)) for job in jobs]
        await (around or _until_signalled)()
        await _cancelled(tasks)


async def _cancelled(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel until all have ended: a library may swallow a cancellation that meets it at the wrong moment."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN_AFTER_S)


async def _endless(job: Job) -> None:
    """A job that ends by itself has failed: the process ends with it and is started anew."""
    with suppress(asyncio.CancelledError):  # a library's, which would end the job and nothing else
        await job()
    still_wanted()
    raise RuntimeError("a task that should run for ever has ended")


async def _until_signalled() -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
