"""The words of a ticket's enumerations, in their natural order, and what older clients call them (contract §6)."""

from dataclasses import dataclass
from typing import Final

STATUSES: Final = ("open", "in_progress", "resolved", "closed")
PRIORITIES: Final = ("low", "medium", "high", "critical")


@dataclass(frozen=True, slots=True)
class StatusFilter:
    """What a ticket must be to bear a status word: some words are a status, some a way to wait or to end."""

    status: str | None = None
    waiting_on: str | None = None
    resolution: str | None = None


_STATUS_FILTERS: Final = {word: StatusFilter(status=word) for word in STATUSES} | {
    "cancelled": StatusFilter(status="closed", resolution="cancelled"),
    "canceled": StatusFilter(status="closed", resolution="cancelled"),
    "pending": StatusFilter(waiting_on="requester"),
    "on_hold": StatusFilter(waiting_on="third_party"),
}
_PRIORITIES: Final = {word: word for word in PRIORITIES} | {"urgent": "critical"}


def status_filter(word: str) -> StatusFilter | None:
    """What `word` asks for, in any letter case; None when it is no word of ours."""
    return _STATUS_FILTERS.get(plain(word))


def priority(word: str) -> str | None:
    """The canonical priority, in any letter case; None when it is no word of ours."""
    return _PRIORITIES.get(plain(word))


def plain(word: str) -> str:
    """A word as the tables above spell it."""
    return word.strip().lower().replace("-", "_").replace(" ", "_")
