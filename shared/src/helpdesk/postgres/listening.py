"""What the database tells, heard on one connection for all of a process that listens (ADR 30).

At each NOTIFY PostgreSQL (up to 18) wakes every backend of the database that listens, whatever it listens for.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

import psycopg
from psycopg.conninfo import conninfo_to_dict

from helpdesk.postgres.pool import Connection, connect
from helpdesk.tasks import pause

log = logging.getLogger(__name__)
AGAIN_AFTER_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class _Hearer:
    hear: Callable[[str], None]
    anew: Callable[[], None]
    lost: Callable[[], None]


def _nothing() -> None:
    pass


class Listener:
    """Listens at one database, by any role that may connect: LISTEN needs no right, and roles are not told apart by it.

    Somebody runs it. Nothing that is told is kept for who comes later, and what is told while there is no connection is
    lost: so who subscribes is told of that, and then looks.
    """

    def __init__(self, dsn: str, name: str) -> None:
        self._dsn, self._name = dsn, name
        self._hearers: dict[str, list[_Hearer]] = {}
        self._heard: set[str] = set()
        self._wanted = asyncio.Event()
        self._broken: psycopg.Error | None = None

    def subscribe(
        self,
        channel: str,
        hear: Callable[[str], None],
        *,
        anew: Callable[[], None],
        lost: Callable[[], None] = _nothing,
    ) -> None:
        """Tell `hear` what is told on `channel` from now on; it raises ValueError for what nobody could have told.

        `anew` is called whenever listening has begun, the first time too, and what was told before may be lost: who
        looks from then on misses nothing. `lost` is called when it has ended. None of the three may wait.
        """
        hearer = _Hearer(hear, anew, lost)
        self._hearers.setdefault(channel, []).append(hearer)
        if channel in self._heard:
            anew()
        else:
            self._wanted.set()

    def hears(self, channel: str) -> bool:
        """Whether what is told on `channel` now will be heard."""
        return channel in self._heard

    async def run(self) -> NoReturn:
        """Listen, for ever."""
        while True:
            try:
                async with await connect(self._dsn, name=self._name) as connection:
                    await self._listen(connection)
            except (psycopg.Error, OSError) as error:
                log.warning("cannot listen", extra={"database": self._name, "error": str(error)})
            finally:
                self._end()
            await pause(AGAIN_AFTER_S)

    async def _listen(self, connection: Connection) -> None:
        """Raises psycopg.Error when the connection has ended."""
        loop, self._broken = asyncio.get_running_loop(), None
        connection.add_notify_handler(lambda notice: self._tell(notice.channel, notice.payload))  # while a LISTEN runs
        while True:
            self._wanted.clear()
            await self._listen_to_all(connection)
            socket = connection.fileno()
            loop.add_reader(socket, self._read, connection)
            try:
                self._read(connection)  # what came along with the last answer
                await self._wanted.wait()
            finally:
                loop.remove_reader(socket)
            if self._broken is not None:
                raise self._broken

    async def _listen_to_all(self, connection: Connection) -> None:
        for channel, hearers in list(self._hearers.items()):
            if channel not in self._heard:
                await connection.execute(f"listen {channel}")
                self._heard.add(channel)
                for hearer in list(hearers):
                    hearer.anew()

    def _read(self, connection: Connection) -> None:
        try:
            connection.pgconn.consume_input()
        except psycopg.Error as error:
            self._broken = error
            self._wanted.set()
            return
        while notice := connection.pgconn.notifies():
            self._tell(notice.relname.decode(), notice.extra.decode())

    def _tell(self, channel: str, text: str) -> None:
        for hearer in self._hearers.get(channel, ()):
            try:
                hearer.hear(text)
            except ValueError as error:
                log.warning("what was told cannot be understood", extra={"channel": channel, "error": str(error)})
                hearer.anew()

    def _end(self) -> None:
        for channel in self._heard:
            for hearer in self._hearers[channel]:
                hearer.lost()
        self._heard.clear()


class Listeners:
    """The listeners of one process: one for each database. `name` is the process's own, as PostgreSQL shows it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._by_place: dict[tuple[object, ...], Listener] = {}

    def at(self, dsn: str) -> Listener:
        """The listener at the database of `dsn`, the same for all roles; to be asked for before `run`."""
        return self._by_place.setdefault(_place(dsn), Listener(dsn, f"{self._name}-listen"))

    async def run(self) -> None:
        """Listen at all of them, for ever."""
        async with asyncio.TaskGroup() as group:
            for listener in self._by_place.values():
                group.create_task(listener.run())


def _place(dsn: str) -> tuple[object, ...]:
    """What says at which database a connection ends."""
    said = conninfo_to_dict(dsn)
    where = ("service", "host", "hostaddr", "port", "target_session_attrs")
    return *map(said.get, where), said.get("dbname") or said.get("user")
