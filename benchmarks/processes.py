"""What the kernel knows of a process: the time that it has computed, the memory that it holds."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

_TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")
MB: Final = 1_000_000


def cpu_s(pid: int) -> float:
    """User and system time of a process so far, all its threads."""
    return sum(map(int, _stat(pid)[11:13])) * _TICK_S


def tree_cpu_s(pid: int) -> float:
    """The same with all its children, those that have ended included."""
    total = sum(map(int, _stat(pid)[11:15])) * _TICK_S
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    for child in map(int, children):
        with suppress(FileNotFoundError, ProcessLookupError):  # ended meanwhile
            total += tree_cpu_s(child)
    return total


def _stat(pid: int) -> list[str]:
    """The fields behind the name, which may hold blanks."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()


def resident_mb(pid: int) -> float:
    """Memory that is resident, shared pages included."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / MB
    raise ValueError(f"process {pid} has no memory")
