"""The SQL of the schema `notices`."""

from typing import Final

SCHEMA: Final = "notices"
