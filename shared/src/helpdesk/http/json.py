"""JSON as we send it."""

from datetime import datetime
from typing import Any

import orjson

from helpdesk.http.wire import instant


def dumps(value: Any) -> bytes:
    """Compact UTF-8; times as the contract writes them, pydantic shapes by their camelCase names."""
    return orjson.dumps(value, default=_other, option=orjson.OPT_PASSTHROUGH_DATETIME)


def _other(value: Any) -> Any:
    if isinstance(value, datetime):
        return instant(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(by_alias=True)
    raise TypeError(f"{type(value).__name__} has no JSON form")
