"""What the kernel knows of a process: the time that it has computed, the memory that it holds."""

import os
from pathlib import Path
from typing import Final

_TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")
MB: Final = 1_000_000


def cpu_s(pid: int) -> float:
    """User and system time of a process so far, all its threads."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    user, system = after_name[11:13]
    return (int(user) + int(system)) * _TICK_S


def resident_mb(pid: int) -> float:
    """Memory that is resident, shared pages included."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / MB
    raise ValueError(f"process {pid} has no memory")
