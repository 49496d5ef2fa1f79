"""What can go wrong with a batch, and what it means for it."""

import traceback
from enum import StrEnum
from pathlib import Path
from typing import Final

import psycopg

from helpdesk.consumer.batch import Diverged
from helpdesk.consumer.store import DISPLACED, SUPERSEDED
from helpdesk.postgres.pool import UNAVAILABLE


class Superseded(Exception):
    """Another consumer applied these events meanwhile: judged again, they will be found to be done."""


class Displaced(Exception):
    """Progress is not where this consumer left it: the database has lost commits, or another moves these partitions.

    Whatever is believed in memory may be wrong: the partitions must be placed anew.
    """


class NotHealed(Exception):
    """What is missing between guard and record is not in the store either: wait, and say so."""


class TenantGone(Exception):
    """What is missing was purged with its tenant: the stream waits for the event that says so, which removes it."""


class TooManyParked(Exception):
    """This is no poison in single streams: nothing more is parked."""


class Halt(StrEnum):
    """Why a consumer applies nothing more: docs/operators/health.md says what to do about each."""

    DIVERGED = "diverged"
    TOO_MANY_PARKED = "too_many_parked"
    FAULT = "fault"


FOR_GOOD: Final = (Diverged, TooManyParked)
_PASSING: Final = (
    *UNAVAILABLE,
    psycopg.errors.SerializationFailure,
    psycopg.errors.DeadlockDetected,
    Superseded,
    NotHealed,
)


def retried(error: BaseException) -> bool:
    """Whether it is expected to pass: the batch is tried again."""
    if isinstance(error, psycopg.Error) and error.sqlstate in (SUPERSEDED, DISPLACED):
        return error.sqlstate == SUPERSEDED  # codes of ours, which the driver takes for operational errors
    return isinstance(error, _PASSING)


def displaced(error: Exception) -> bool:
    """Whether the database says so."""
    return isinstance(error, psycopg.Error) and error.sqlstate == DISPLACED


def halt_of(error: Exception) -> tuple[Halt, str]:
    """What a consumer says that halts by `error`. A database error's text may quote a row, so it stays in the log."""
    match error:
        case Diverged():
            return Halt.DIVERGED, str(error)
        case TooManyParked():
            return Halt.TOO_MANY_PARKED, str(error)
        case _:
            return Halt.FAULT, f"{type(error).__name__} in the handler (see the log)"


def poisonous(error: Exception) -> bool:
    """Whether it may lie in what a single stream says."""
    return not retried(error) and not displaced(error) and not isinstance(error, FOR_GOOD)


class UnreadableHistory(Exception):
    """The store holds an event that this version cannot decode."""


def named(error: Exception) -> str:
    """Class and place of an error, and nothing that its text may quote."""
    if isinstance(error, UnreadableHistory):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    place = f" at {Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
    code = f" {error.sqlstate} {error.diag.constraint_name or ''}".rstrip() if isinstance(error, psycopg.Error) else ""
    return f"{type(error).__name__}{code}{place}"
