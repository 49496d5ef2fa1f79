"""Passwords: Argon2id (bcrypt, where an older system brought it), in a bounded pool of threads so that hashing never
holds up the loop (contract §4)."""

import asyncio
import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from command_api.settings import CommandSettings

R = TypeVar("R")
_BCRYPT: Final = ("$2a$", "$2b$", "$2y$")
_BCRYPT_READS: Final = 72
"""bcrypt never looked at more bytes of a password; the library refuses longer ones."""
EXACTLY: Final = 5
"""Verifications of a login that names no tenant: always as many, so that time tells nothing about accounts."""
QUIET_S: Final = 5.0
"""So long after the last hash was asked for, the memory that hashing took (20 MB a thread) goes back to the system. To
give it back after each would cost each half as much CPU again, for fresh pages."""
_M_ARENA_MAX: Final = -8
"""Of glibc's mallopt."""


class Passwords:
    """Hash and verify. Parameters are stored in each hash, so a change of settings leaves old ones valid."""

    def __init__(self, settings: CommandSettings) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.password_passes, memory_cost=settings.password_memory_kib, parallelism=1
        )
        _share_one_heap()
        self._giving_back: asyncio.TimerHandle | None = None
        self._threads = ThreadPoolExecutor(settings.password_threads, thread_name_prefix="argon2")
        self._dummy = self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """The hash to store."""
        return await self._in_thread(self._hasher.hash, password)

    async def matching(self, password: str, hashes: list[str], verifications: int) -> list[int]:
        """The places of those hashes that `password` opens, after exactly `verifications` verifications.

        Missing ones are made up with a dummy; more hashes than that are all tried.
        """
        padded = [*hashes, *[self._dummy] * (verifications - len(hashes))]
        found = await asyncio.gather(*(self._in_thread(self._verify, password, one) for one in padded))
        return [place for place, fits in enumerate(found[: len(hashes)]) if fits]

    def is_outdated(self, hash_: str) -> bool:
        """Whether the password should get another hash when it is next known: bcrypt's, or one of other parameters."""
        try:
            return hash_.startswith(_BCRYPT) or self._hasher.check_needs_rehash(hash_)
        except InvalidHashError:
            return False  # it opens to nothing

    def close(self) -> None:
        """Let the threads go."""
        if self._giving_back is not None:
            self._giving_back.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verify(self, password: str, hash_: str) -> bool:
        try:
            if hash_.startswith(_BCRYPT):
                return bcrypt.checkpw(password.encode()[:_BCRYPT_READS], hash_.encode())
            return self._hasher.verify(hash_, password)
        except (Argon2Error, InvalidHashError, ValueError):
            return False

    async def _in_thread(self, function: Callable[..., R], *args: str) -> R:
        loop = asyncio.get_running_loop()
        if self._giving_back is not None:
            self._giving_back.cancel()
        self._giving_back = loop.call_later(QUIET_S, self._threads.submit, _give_back)
        return await loop.run_in_executor(self._threads, function, *args)


def _share_one_heap() -> None:
    """Have all threads of the process allocate in one heap: of heaps of their own glibc gives nothing back."""
    with suppress(AttributeError):  # another C library, which has nothing of the kind
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def _give_back() -> None:
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
