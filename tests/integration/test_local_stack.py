"""The local stack keeps its promises: what dies comes back, what ends leaves nothing, what fails says so."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from localstack import child as child_module
from localstack import process as process_module
from localstack import tools
from localstack.child import Child, Spec
from localstack.errors import StackError
from localstack.events import line
from localstack.ports import require_free
from localstack.process import Command
from localstack.stack import Servers
from localstack.supervisor import Supervisor
from support.waiting import until

SLEEPS = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)
DIES = "raise SystemExit('no such luck')"
# A whole stack in small: a child with a child of its own, temporary data, and a supervisor that can be killed.
SUPERVISES = """
import sys, time
from pathlib import Path
from localstack.child import Spec
from localstack.process import Command
from localstack.supervisor import Supervisor
from localstack.temporary import removed_at_the_end
folder = Path(sys.argv[1])
grandchild = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
family = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grandchild!r}])"
with Supervisor(folder) as supervisor:
    removed_at_the_end(folder)
    child = supervisor.start(Spec("family", Command((sys.executable, "-c", family)), lambda: True))
    while not (log := child.log.read_text()).endswith("\\n"):
        time.sleep(0.01)
    print(child.pid, log, flush=True)
    time.sleep(600)
"""


def sleeper(name: str, program: str = SLEEPS) -> Spec:
    return Spec(name, Command((sys.executable, "-c", program)), lambda: True)


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def is_gone(child: Child, pid: int | None) -> bool:
    return child.pid != pid


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str]) -> Iterator[Supervisor]:
    with Supervisor(tmp_path, say=said.append) as supervisor:
        yield supervisor


def test_a_child_that_dies_is_started_again_and_one_sentence_says_so(supervisor: Supervisor, said: list[str]) -> None:
    child = supervisor.start(sleeper("sleepy"))
    child.wait_ready()
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    until(lambda: child.pid not in {None, first})
    assert "sleepy ended by SIGKILL; starting it again in 0.5 s" in said[-1]


def test_a_child_that_keeps_dying_is_given_up_with_the_end_of_its_log(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "FIRST_PAUSE", 0.01)
    child = supervisor.start(sleeper("doomed"))
    child.wait_ready()
    for _ in range(child_module.DEATHS):
        until(lambda: child.pid and "up" in child.log.read_text())
        pid = child.pid
        os.kill(pid or 0, signal.SIGKILL)
        until(partial(is_gone, child, pid))
    until(supervisor.failure)
    assert str(supervisor.failure()).startswith("doomed ended 5 times within a minute; its log ends:\n    up")
    child.start()
    child.wait_ready()
    assert supervisor.failure() is None


def test_a_child_that_dies_at_start_is_one_sentence_and_the_others_are_ended(tmp_path: Path) -> None:
    with (
        pytest.raises(StackError, match="bad ended with code 1 before it was ready; its log ends:\n    no such luck"),
        Supervisor(tmp_path, say=lambda _: None) as supervisor,
    ):
        good = supervisor.start(sleeper("good"))
        pid = good.pid
        never = Spec("bad", Command((sys.executable, "-c", DIES)), lambda: False)
        supervisor.start_all([never])
    assert pid is not None
    assert not alive(pid)


def test_what_is_stopped_stays_down_until_it_is_started(supervisor: Supervisor) -> None:
    child = supervisor.start(sleeper("resting"))
    child.wait_ready()
    child.stop()
    assert child.pid is None
    child.start()
    child.wait_ready()
    assert child.pid is not None


def test_a_child_that_ignores_the_polite_signal_is_killed(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "GRACE", 0.2)
    child = supervisor.start(sleeper("stubborn", STUBBORN))
    until(lambda: "up" in child.log.read_text())
    pid = child.pid
    child.stop()
    assert pid is not None
    assert not alive(pid)


def test_a_killed_supervisor_leaves_no_process_and_no_data(tmp_path: Path) -> None:
    folder = tmp_path / "stack"
    command = (sys.executable, "-c", SUPERVISES, str(folder))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pids = [int(word) for word in process.stdout.readline().split()]
        assert len(pids) == 2
        assert all(map(alive, pids))
        process.kill()
    until(lambda: not any(map(alive, pids)) and not folder.exists())


def test_a_second_run_on_the_same_data_is_refused(supervisor: Supervisor) -> None:
    with pytest.raises(StackError, match="runs already"):
        Supervisor(supervisor.folder)


def test_a_port_in_use_is_named_with_who_has_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(StackError) as caught:
            require_free("query_api", port)
    assert f"Port {port} (for query_api) is in use" in str(caught.value)
    assert f"(process {os.getpid()})" in str(caught.value) or not Path("/proc/net/tcp").exists()
    assert "QUERY_API_PORT" in str(caught.value)


def test_status_tells_what_runs_and_that_nothing_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tools, "DATA", tmp_path)
    with Supervisor(tmp_path, say=lambda _: None) as supervisor:
        child = supervisor.start(sleeper("sleepy"))
        tools.status()
        row = capsys.readouterr().out.splitlines()[1].split()
        assert row == ["sleepy", str(child.pid), str(child.log)]
    tools.status()
    assert capsys.readouterr().out == "Nothing runs. Start it with `make run`.\n"


def test_clean_is_refused_while_something_runs(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "DATA", supervisor.folder)
    with pytest.raises(StackError, match="Something runs on this data"):
        tools.clean()
    assert supervisor.folder.exists()


def test_an_event_is_shown_in_one_line() -> None:
    event = {
        "tenant_id": "0197c0de-0000-7000-8000-000000000001",
        "stream_type": "ticket",
        "stream_id": "0197c0de-0000-7000-8000-000000000002",
        "version": 3,
        "type": "ticket.resolved",
        "recorded_at": "2026-01-02T03:04:05.678901+00:00",
        "data": {"note": "x" * 200},
    }
    record = SimpleNamespace(topic="helpdesk.tickets", partition=1, offset=42, value=json.dumps(event).encode())
    shown = line(record)
    assert shown.startswith("03:04:05.678 helpdesk.tickets/1/42 tenant 0197c0de ticket 0197c0de-0000-7000-8000-")
    assert "v3 ticket.resolved" in shown
    assert shown.endswith("…")


def test_the_servers_come_back_from_a_kill(servers: Servers) -> None:
    dsn = servers.new_database()
    for name in ("postgres", "kafka"):
        servers.kill(name)
    for name in ("postgres", "kafka"):
        servers.wait_ready(name)
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SHOW password_encryption").fetchone() == ("scram-sha-256",)
