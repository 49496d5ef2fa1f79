"""One database for the tests of the store; those that disturb it make their own."""

from collections.abc import AsyncIterator

import pytest_asyncio

from integration.engine.rig import Engine, engine
from localstack.stack import Servers


@pytest_asyncio.fixture(scope="session")
async def store(servers: Servers) -> AsyncIterator[Engine]:
    """Shared: every test makes tenants and streams of its own in it."""
    async with engine(servers) as one:
        yield one


@pytest_asyncio.fixture
async def own(servers: Servers) -> AsyncIterator[Engine]:
    """Nobody else's."""
    async with engine(servers) as one:
        yield one
