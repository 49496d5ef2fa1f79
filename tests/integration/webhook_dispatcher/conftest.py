"""One dispatcher for all tests here; each test has its own receiver and its own endpoints."""

from collections.abc import AsyncIterator

import pytest

from integration.webhook_dispatcher.receiver import Receiver, listening
from integration.webhook_dispatcher.rig import Rig, dispatcher
from localstack.stack import Servers


@pytest.fixture(scope="session")
async def rig(servers: Servers) -> AsyncIterator[Rig]:
    """The dispatcher, migrated, with its API."""
    async with dispatcher(servers) as rig:
        yield rig


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """An integrator's server."""
    async with listening() as receiver:
        yield receiver
