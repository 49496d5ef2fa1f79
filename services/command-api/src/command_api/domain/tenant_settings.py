"""What a tenant may set (behaviours §1, contract §4). Keys that nobody knows are the tenant's own."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

OPEN_REGISTRATION: Final = "openRegistration"
AUTO_CLOSE_HOURS: Final = "autoCloseHours"
REOPEN_WINDOW_DAYS: Final = "reopenWindowDays"

REOPEN_WINDOW: Final = timedelta(days=28)
LONGEST_AUTO_CLOSE_HOURS: Final = 672
LONGEST_REOPEN_WINDOW_DAYS: Final = 3650


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _whole(longest: int) -> Callable[[object], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= longest


_KNOWN: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    OPEN_REGISTRATION: (_flag, "true or false"),
    AUTO_CLOSE_HOURS: (_whole(LONGEST_AUTO_CLOSE_HOURS), f"a whole number from 0 to {LONGEST_AUTO_CLOSE_HOURS}"),
    REOPEN_WINDOW_DAYS: (_whole(LONGEST_REOPEN_WINDOW_DAYS), f"a whole number from 0 to {LONGEST_REOPEN_WINDOW_DAYS}"),
}


def objection(settings: Mapping[str, Any]) -> str | None:
    """What is wrong with the values of known keys, as a sentence; None when nothing is."""
    for name, (fits, what) in _KNOWN.items():
        if name in settings and not fits(settings[name]):
            return f"{name} must be {what}"
    return None


def admits_strangers(settings: Mapping[str, Any]) -> bool:
    """Whether anybody may register (on unless switched off)."""
    return settings.get(OPEN_REGISTRATION, True) is not False


def reopen_window(settings: Mapping[str, Any]) -> timedelta:
    """For how long after its end a requester's comment reopens a closed ticket."""
    days = settings.get(REOPEN_WINDOW_DAYS)
    return REOPEN_WINDOW if days is None else timedelta(days=days)
