"""Which fields of an event hold what belongs to a person: `title: str = field(metadata=PERSONAL)`.

Everything that somebody typed, and names and addresses, is personal. Only such fields can be redacted, and of each a
digest stands beside the event (`helpdesk.digests`). docs/operators/privacy.md tells what follows from the mark.
"""

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any, Final

_KEY: Final = "personal"
PERSONAL: Final[Mapping[str, bool]] = MappingProxyType({_KEY: True})
_of: Final[dict[type[Any], tuple[str, ...]]] = {}


def personal_fields(event: object) -> tuple[str, ...]:
    """The names of the personal fields of an event, in the order of its class."""
    return personal_fields_of(type(event))


def personal_fields_of(cls: type[Any]) -> tuple[str, ...]:
    """The same of a class of events."""
    if cls not in _of:
        _of[cls] = tuple(one.name for one in fields(cls) if one.metadata.get(_KEY))
    return _of[cls]
