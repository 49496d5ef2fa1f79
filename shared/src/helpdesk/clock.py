"""What time it is for a process of ours. Nothing that must hold under faults depends on it: order and dues are the
database's."""

from datetime import UTC, datetime, timedelta

_OFF = [timedelta()]


def set_off(seconds: float) -> None:
    """Let this process's clock be wrong by so much, from now on: the fault tests do, nobody else."""
    _OFF[0] = timedelta(seconds=seconds)


def utc_now() -> datetime:
    """Now, as this process believes."""
    return datetime.now(UTC) + _OFF[0]
