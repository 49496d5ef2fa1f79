"""One installation for all tests of the query API: each makes tenants of its own in it."""

from collections.abc import AsyncIterator

import pytest_asyncio

from integration.query_api.views import Views, running
from localstack.stack import Servers


@pytest_asyncio.fixture(scope="session")
async def views(servers: Servers) -> AsyncIterator[Views]:
    """Migrated and serving."""
    async with running(servers) as views:
        yield views
