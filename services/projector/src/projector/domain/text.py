"""What clients handed in as JSON, written as text: a column of type `json` keeps it as it was written."""

import json
from typing import Any

import orjson


def json_text(value: Any) -> str:
    """The same text for the projector and for a rebuild, whose rows are compared byte for byte."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # an integer beyond 64 bits
        return json.dumps(value)
