"""What people start by hand and wait for: what stands in a command's way is told in one line, without a stack."""

from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final

from aiokafka.errors import KafkaError
from psycopg import errors

from helpdesk.eventstore.restore import StillRelaying
from helpdesk.http.server import run_process
from helpdesk.postgres.pool import UNAVAILABLE

_NOT_OURS: Final = (errors.InsufficientPrivilege, errors.UndefinedTable, errors.InvalidSchemaName)
"""The DSN is another role's, or of a database that was never migrated."""
EXPECTED: Final[tuple[type[Exception], ...]] = (*UNAVAILABLE, *_NOT_OURS, KafkaError, StillRelaying)


@contextmanager
def in_one_line(command: str, *refusals: type[Exception]) -> Iterator[None]:
    """End the process with 1 and a line when a server cannot be asked, or by one of the command's own `refusals`.

    Everything else is a bug, and keeps its traceback.
    """
    try:
        yield
    except (*EXPECTED, *refusals) as error:
        name, words = type(error).__name__, " ".join(str(error).split())
        raise SystemExit(f"{command}: {name}: {words.removeprefix(f'{name}: ')}") from None


def run_command(command: str, main: Coroutine[Any, Any, None]) -> None:
    """Run a command's main coroutine to its end."""
    with in_one_line(command):
        run_process(main)
