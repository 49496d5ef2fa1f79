"""A receiver of webhooks, as an integrator runs it: real HTTP, answers as told, remembers the raw bytes."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

PATIENCE_S: Final = 20.0


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """Where it listens and what it got. `answers` are the next statuses; 200 when there are none left."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    _more: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        got = Received(request.method, request.path, headers, await request.read())
        async with self._more:
            self.received.append(got)
            self._more.notify_all()
            status = self.answers.pop(0) if self.answers else 200
        return web.Response(status=status, headers={"Location": self.url} if 300 <= status < 400 else None)

    async def get(
        self, count: int, wanted: Callable[[Received], bool] = lambda _: True, patience_s: float = PATIENCE_S
    ) -> list[Received]:
        """The wanted ones, as soon as there are so many."""
        async with asyncio.timeout(patience_s), self._more:
            await self._more.wait_for(lambda: len(list(filter(wanted, self.received))) >= count)
        return list(filter(wanted, self.received))


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """One on a free port."""
    one = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", one.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        one.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        yield one
    finally:
        await runner.cleanup()
