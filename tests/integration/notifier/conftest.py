"""One world for all tests of the notifier: each makes tenants of its own in it."""

from collections.abc import AsyncIterator

import pytest_asyncio

from integration.notifier.world import World, running
from localstack.stack import Servers


@pytest_asyncio.fixture(scope="session")
async def world(servers: Servers) -> AsyncIterator[World]:
    """Migrated, relaying, taking in, serving."""
    async with running(servers) as world:
        yield world
