"""Between a client and a server, to lose what one of them sends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

HOST = "127.0.0.1"


@dataclass
class Proxy:
    """Forwards from a free port to another one."""

    target: int
    port: int = 0
    _to_server: set[asyncio.StreamWriter] = field(default_factory=set)
    _silent: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def instead_of(self, dsn: str) -> str:
        """The same DSN through here."""
        parts = urlsplit(dsn)
        user = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{user}@{HOST}:{self.port}"))

    def cut_silently(self) -> None:
        """End all present connections towards the server; the clients hear nothing of it, and nobody hears them."""
        for writer in self._to_server:
            self._silent.add(writer)
            writer.close()
        self._to_server.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        try:
            from_server, to_server = await asyncio.open_connection(HOST, self.target)
        except OSError:
            writer.close()
            return
        self._to_server.add(to_server)
        answers = asyncio.create_task(self._answer(from_server, to_server, writer))
        try:
            with suppress(OSError):
                while some := await reader.read(65_536):
                    if to_server not in self._silent:
                        to_server.write(some)
                        await to_server.drain()
        finally:
            answers.cancel()
            self._to_server.discard(to_server)
            to_server.close()
            writer.close()

    async def _answer(
        self, reader: asyncio.StreamReader, to_server: asyncio.StreamWriter, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while some := await reader.read(65_536):
                if to_server not in self._silent:
                    writer.write(some)
                    await writer.drain()
        if to_server not in self._silent:
            writer.close()

    async def end(self) -> None:
        """Close everything."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


@asynccontextmanager
async def proxy(target: int) -> AsyncIterator[Proxy]:
    """One on a free port."""
    one = Proxy(target)
    server = await asyncio.start_server(one.serve, HOST, 0)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()
        await one.end()
        await server.wait_closed()
