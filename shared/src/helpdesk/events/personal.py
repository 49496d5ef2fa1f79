"""Which fields of an event hold what belongs to a person: `title: str = field(metadata=PERSONAL)`.

Everything that somebody typed, and names and addresses, is personal. Only such fields can be redacted, and of each a
digest stands beside the event (`helpdesk.digests`). docs/operators/privacy.md tells what follows from the mark.
"""

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from types import MappingProxyType
from typing import Final

_KEY: Final = "personal"
PERSONAL: Final[Mapping[str, bool]] = MappingProxyType({_KEY: True})


@cache
def personal_fields(event: type) -> tuple[str, ...]:
    """The names of the personal fields of an event class, in its own order."""
    return tuple(one.name for one in fields(event) if one.metadata.get(_KEY))
