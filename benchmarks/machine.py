"""On what it was measured."""

import os
import platform
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import psycopg

from localstack.jars import locked

SYNCS = 50


def machine(dsn: str) -> dict[str, str | int | float]:
    """Processor, memory, disk, versions: figures of two machines compare by their ratios alone."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute("select current_setting('server_version'), current_setting('fsync')").fetchone()
    postgres, fsync = row or ("?", "?")
    return {
        "taken": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1),
        "fsync_of_8_kb_ms": round(_sync_ms(), 3),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "postgresql": f"{postgres} (fsync {fsync})",
        "kafka": _kafka(),
        "psycopg": version("psycopg"),
        "aiokafka": version("aiokafka"),
        "load_average_before": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _kafka() -> str:
    return next(jar.version for jar in locked("kafka") if jar.artifact.startswith("kafka_"))


def _sync_ms() -> float:
    """What a commit cannot be quicker than."""
    times = []
    with tempfile.NamedTemporaryFile(dir="/var/tmp") as file:
        for _ in range(SYNCS):
            file.write(bytes(8192))
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000
