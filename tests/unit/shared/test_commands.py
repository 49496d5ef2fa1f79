"""What an operator reads when a command cannot be carried out: one line and a code, never a stack."""

import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from helpdesk.commands import in_one_line

NOBODY_THERE = "postgresql://somebody:wicked-secret@127.0.0.1:1/nothing"
TOLD: Mapping[str, str] = {
    "VERIFY_DATABASE_URL": NOBODY_THERE,
    "MIGRATE_DATABASE_URL": NOBODY_THERE,
    "PROJECTOR_DATABASE_URL": NOBODY_THERE,
    "PROJECTOR_EVENTS_DATABASE_URL": NOBODY_THERE,
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
}


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        (("tickets", "verify"), "verify: OperationalError: connection failed"),
        (("projector", "rebuild"), "rebuild: OperationalError: connection failed"),
        (("projector", "unpark"), "unpark: PoolTimeout: "),
    ],
)
def test_a_database_that_does_not_answer_is_told_in_one_line(words: tuple[str, ...], begins: str) -> None:
    command, told = [sys.executable, "-m", *words], {**os.environ, **TOLD}
    done = subprocess.run(command, env=told, capture_output=True, text=True, timeout=60, check=False)
    lines = done.stderr.splitlines()
    assert (done.returncode, len(lines)) == (1, 1), done.stderr
    assert lines[0].startswith(begins)
    assert "wicked-secret" not in done.stderr


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), in_one_line("verify"):
        _ = 1 / 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("projector", "unpark", "foo"), "argument stream: foo is no type/id@tenant"),
        (
            ("command_api", "redact", "--stream", "ticket/7"),
            "argument --stream: ticket/7 is no ticket/<id> or user/<id>",
        ),
    ],
)
def test_what_is_no_stream_is_told_with_its_form(words: tuple[str, ...], said: str) -> None:
    command, told = [sys.executable, "-m", *words], {**os.environ, **TOLD}
    done = subprocess.run(command, env=told, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert done.stderr.splitlines()[-1].endswith(said)
