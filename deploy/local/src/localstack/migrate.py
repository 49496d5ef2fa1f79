"""All migrations in one process, in the order in which one owner needs the other's roles and functions."""

import asyncio
import importlib

from localstack.services import SERVICES


async def migrate() -> None:
    """Each service brings its own schema, roles, topics."""
    for service in SERVICES:
        settings = importlib.import_module(f"{service.module}.settings").Settings()
        await importlib.import_module(f"{service.module}.app").migrate(settings)
        print(f"{service.name}: migrated", flush=True)


if __name__ == "__main__":
    asyncio.run(migrate())
