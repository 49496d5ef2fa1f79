"""What the NOTIFY of a consumer says: how far which streams are applied, so that whoever waits for one need not ask."""

from collections.abc import Iterable, Iterator
from typing import Final

from helpdesk.recorded import Stream

LONGEST: Final = 7_900
"""PostgreSQL takes less than 8,000 bytes; of more streams than that nothing is said, and whoever waits asks."""


def name_of(stream: Stream) -> str:
    """The name of a stream in a note."""
    return f"{stream.tenant_id}/{stream.type}/{stream.id}"


def note(reached: Iterable[tuple[Stream, int]]) -> str:
    """The note that these streams have reached these versions; empty when it would be too long."""
    parts: list[str] = []
    length = -1
    for stream, version in reached:
        parts.append(f"{name_of(stream)}={version}")
        length += 1 + len(parts[-1])
        if length > LONGEST:
            return ""
    return ",".join(parts)


def heard(text: str) -> Iterator[tuple[str, int]]:
    """The names and versions of a note that is not empty."""
    for one in text.split(","):
        name, _, version = one.rpartition("=")
        yield name, int(version)
