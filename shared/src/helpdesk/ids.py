"""Ids of things: UUIDs of version 7 (RFC 9562), which sort by the time at which the thing began (contract §2)."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

from uuid6 import uuid7

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_LATEST: Final = 2**48 - 1
_FIXED: Final = 7 << 76 | 2 << 62
"""The version and the variant, each in its place."""
_FREE: Final = (1 << 76) - (1 << 64) + (1 << 62) - 1
"""The places of the 74 bits that neither they nor the time take."""


def new_id() -> UUID:
    """A UUID of version 7: new ones sort behind old ones. (The library's own class is one that orjson refuses.)"""
    return UUID(int=uuid7().int)


def derived_id(at: datetime, *names: UUID | str) -> UUID:
    """The id of what follows from something of the time `at` (aware): the same names at the same millisecond give the
    same id whenever it is made, so that an effect is not there twice. Other names give another.

    A time before 1970 counts as 1970: whatever a clock said, an effect must not fail for its id.
    """
    digest = sha256()
    for name in names:
        part = str(name).encode()
        digest.update(len(part).to_bytes(4) + part)
    return of_digest((at - _EPOCH) // _MILLISECOND, digest.digest())


def of_digest(milliseconds: int, digest: bytes) -> UUID:
    """The version 7 whose time is `milliseconds` since 1970, cut to 48 bits; what else is free is of `digest`, in the
    places where UUIDv5 has it."""
    if not 0 <= milliseconds <= _LATEST:
        milliseconds = min(max(milliseconds, 0), _LATEST)
    return UUID(int=milliseconds << 80 | int.from_bytes(digest[:16]) & _FREE | _FIXED)


def milliseconds_of(id_: UUID) -> int | None:
    """The time in an id of version 7, in milliseconds since 1970; None for one of another version."""
    return id_.int >> 80 if id_.int >> 76 & 0xF == 7 else None
