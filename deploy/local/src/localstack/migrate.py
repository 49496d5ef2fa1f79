"""All migrations in one process, in the order in which one owner needs the other's roles and functions."""

import asyncio
import importlib
from typing import get_type_hints

from helpdesk.settings import load
from localstack.services import SERVICES


async def migrate() -> None:
    """Each service brings its own schema, roles, topics; its `migrate` says by its annotation what it must be told."""
    for service in SERVICES:
        theirs = importlib.import_module(f"{service.module}.app").migrate
        await theirs(load(get_type_hints(theirs)["settings"]))
        print(f"{service.name}: migrated", flush=True)


if __name__ == "__main__":
    asyncio.run(migrate())
