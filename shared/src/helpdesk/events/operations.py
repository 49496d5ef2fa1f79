"""What the system writes about itself."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class SystemProbed:
    """Appended at start-up: when its trace shows in the views, the whole way from append to view works."""

    at: datetime


OperationsEvent: TypeAlias = SystemProbed
