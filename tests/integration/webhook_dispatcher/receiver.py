"""A real receiver of webhooks on a free local port."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Received:
    """One POST as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The `webhook-id`."""
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """What came in, and what is answered: the statuses in `answers` first, then 200."""

    origin: str
    answers: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    says: str = "thanks"
    came: asyncio.Queue[Received] = field(default_factory=asyncio.Queue)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    async def next(self, timeout_s: float = 20) -> Received:
        """The next POST."""
        return await asyncio.wait_for(self.came.get(), timeout_s)

    async def answer(self, request: web.Request) -> web.Response:
        """Take it, and answer when the door is open."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.came.put_nowait(Received(request.path, headers, await request.read()))
        await self.open.wait()
        return web.Response(status=self.answers.pop(0) if self.answers else 200, text=self.says, headers=self.headers)


@asynccontextmanager
async def listening() -> AsyncIterator[Receiver]:
    """A receiver that answers at once."""
    receiver = Receiver("")
    receiver.open.set()
    application = web.Application()
    application.router.add_post("/{any:.*}", receiver.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    receiver.origin = f"http://{host}:{port}"
    try:
        yield receiver
    finally:
        receiver.open.set()
        await runner.cleanup()
