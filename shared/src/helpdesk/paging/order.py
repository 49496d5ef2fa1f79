"""The order of a list: a key and, for ties, the id, in one direction."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, TypeAlias

Key: TypeAlias = datetime | str | int
"""A sort key's value: a time, a title, or the rank of a word."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Sort(StrEnum):
    """What lists can be sorted by, under the names of the API (contract §5)."""

    CREATED_AT = "createdAt"
    UPDATED_AT = "updatedAt"
    TITLE = "title"
    STATUS = "status"
    PRIORITY = "priority"


@dataclass(frozen=True, slots=True)
class Order:
    """A total order of a list's rows."""

    by: Sort = Sort.CREATED_AT
    descending: bool = False


OLDEST_FIRST: Final = Order()
NEWEST_FIRST: Final = Order(descending=True)


def plain(key: Key) -> str | int:
    """A key as a cursor carries it: times as microseconds since 1970."""
    return (key - _EPOCH) // timedelta(microseconds=1) if isinstance(key, datetime) else key


def restored(by: Sort, value: object) -> Key:
    """The key that `plain` made. Raises ValueError when it is none of this sort."""
    match by, value:
        case ((Sort.CREATED_AT | Sort.UPDATED_AT), int()):
            return _EPOCH + timedelta(microseconds=value)
        case Sort.TITLE, str():
            return value
        case ((Sort.STATUS | Sort.PRIORITY), int()):
            return value
        case _:
            raise ValueError(f"{value!r} is no key of {by}")
