"""How the rules say no."""

from collections.abc import Mapping
from typing import Any


class Rejected(Exception):
    """A command that the rules refuse. `code` is the documented reason, `details` what the caller may know of it."""

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details: Mapping[str, Any] = details
