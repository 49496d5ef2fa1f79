"""A cable that can be cut: TCP between a client and a server."""

import asyncio
from contextlib import suppress
from typing import Self


class Cutter:
    """Passes bytes both ways until it is told to cut: the next request before it arrives, or the next answer.

    Or it keeps back every answer from the moment when a request with certain bytes has passed, until `cut_off`.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._cut: str | None = None
        self._refusing = False
        self._marker: bytes | None = None
        self._instead: bytes | None = None
        self._withheld = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self.port, self.cuts = 0, 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self._end_all()

    def cut_next(self, direction: str) -> None:
        """`request`: what the client sends next is lost with its connection; `answer`: what the server sends."""
        self._cut = direction

    def withhold_answers_to(self, marker: bytes) -> None:
        """From the request that holds this on, the client hears nothing any more."""
        self._marker = marker

    def replace_next_answer(self, by: bytes) -> None:
        """The client gets this instead."""
        self._instead = by

    def cut_off(self) -> None:
        """End every connection."""
        self._marker = None
        self._withheld.clear()
        self.cuts += 1
        self._end_all()

    def refuse(self) -> None:
        """End every connection, and each new one at once."""
        self._refusing = True
        self._end_all()

    def admit(self) -> None:
        """As before."""
        self._refusing = False

    def _end_all(self) -> None:
        for writer in self._writers:
            writer.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        self._writers |= {writer, far_writer}
        await asyncio.gather(
            self._pass("request", reader, far_writer, writer), self._pass("answer", far_reader, writer, far_writer)
        )

    async def _pass(
        self, direction: str, reader: asyncio.StreamReader, to: asyncio.StreamWriter, back: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if self._cut == direction:
                    self._cut = None
                    self.cuts += 1
                    break
                if direction == "request" and self._marker is not None and self._marker in data:
                    self._withheld.set()
                if direction == "answer" and self._withheld.is_set():
                    continue
                if direction == "answer" and self._instead is not None:
                    data, self._instead = self._instead, None
                to.write(data)
                await to.drain()
        to.close()
        back.close()
        self._writers -= {to, back}
