"""Logging: one line per outcome, every id in it; JSON for machines, plain text for people."""

import logging
import re
import sys
import traceback
from typing import Any, Final, TypeVar

import orjson

from helpdesk import clock
from helpdesk.observability import metrics
from helpdesk.settings import LogSettings, load

L = TypeVar("L", bound=LogSettings)
_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""What would begin a line of its own or steer a terminal: strangers choose paths."""


def configured(service: str, settings: type[L]) -> L:
    """A process's settings from its environment, its logs as they say, its metrics. A mistake ends the start."""
    loaded = load(settings)
    clock.set_off(loaded.clock_offset_seconds)
    configure(service, loaded)
    metrics.configure(service)
    return loaded


def configure(service: str, settings: LogSettings) -> None:
    """Send all log lines of this process to standard output."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Json(service) if settings.log_format == "json" else _Text(service))
    # Our lines name no thread, process or place in the code: nobody needs to look them up (as the library advises).
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    vars(logging)["_srcfile"] = None
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    for noisy in ("aiokafka", "uvicorn", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in record.__dict__.items() if key not in _STANDARD}


class _Json(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}",
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info:
            line["exception"] = "".join(traceback.format_exception(*record.exc_info))
        return orjson.dumps(line, default=str).decode()


class _Text(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        extra = " ".join(f"{key}={value}" for key, value in _extra(record).items())
        time = self.formatTime(record, "%H:%M:%S") + f".{int(record.msecs):03d}"
        said = _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", f"{record.getMessage()} {extra}".rstrip())
        line = f"{time} {record.levelname:<7} {said}"
        if record.exc_info:
            line += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
        return line
