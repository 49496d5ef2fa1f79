"""The SQL of schema `webhooks`, a module for each part of the service that uses it."""

from typing import Final

SCHEMA: Final = "webhooks"
