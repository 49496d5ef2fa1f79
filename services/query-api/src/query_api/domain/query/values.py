"""What values mean: times with their length, numbers, ids."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_AGO: Final = re.compile(r"([+-])(\d{1,6})([mhdw])")
_MONTH: Final = re.compile(r"(\d{4})-(\d\d)", re.ASCII)
_YEAR: Final = re.compile(r"\d{4}", re.ASCII)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_NUMBER: Final = re.compile(r"#?(\d{1,10})", re.ASCII)
_TICK: Final = timedelta(microseconds=1)
LARGEST: Final = 2**31 - 1


def id_of(text: str) -> UUID | None:
    """The id that this is, in its usual form."""
    return UUID(text) if _ID.fullmatch(text) else None


def number_of(text: str) -> tuple[int, int] | None:
    """The number, as the first and the last that it covers."""
    found = _NUMBER.fullmatch(text)
    if found is None or int(found[1]) > LARGEST:
        return None
    return int(found[1]), int(found[1])


def time_of(text: str, now: datetime) -> tuple[datetime, datetime] | None:
    """The first and the last moment of a year, a month, a day (all in UTC), or a moment as both. None: no time."""
    try:
        return _time(text.lower(), now)
    except (ValueError, OverflowError):
        return None


def _time(text: str, now: datetime) -> tuple[datetime, datetime]:
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if found := _AGO.fullmatch(text):
        distance = timedelta(**{_UNITS[found[3]]: int(found[2])})
        moment = now - distance if found[1] == "-" else now + distance
        return moment, moment
    match text:
        case "now":
            return now, now
        case "today":
            return today, _before(today + timedelta(days=1))
        case "yesterday":
            return today - timedelta(days=1), _before(today)
        case _:
            return _dated(text)


def _dated(text: str) -> tuple[datetime, datetime]:
    if _YEAR.fullmatch(text):
        return datetime(int(text), 1, 1, tzinfo=UTC), _before(datetime(int(text) + 1, 1, 1, tzinfo=UTC))
    if found := _MONTH.fullmatch(text):
        year, month = int(found[1]), int(found[2])
        following = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
        return datetime(year, month, 1, tzinfo=UTC), _before(following)
    moment = datetime.fromisoformat(text.upper())  # a small z is none to it
    moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    return moment, _before(moment + timedelta(days=1)) if _DAY.fullmatch(text) else moment


def _before(moment: datetime) -> datetime:
    return moment - _TICK
