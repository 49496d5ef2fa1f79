"""One dispatcher for all tests here; each test is a tenant of its own, with a receiver of its own."""

from collections.abc import AsyncIterator

import pytest

from integration.webhook_dispatcher.receiver import Receiver, listening
from integration.webhook_dispatcher.rig import Rig, dispatcher
from localstack.stack import Servers


@pytest.fixture(scope="session")
async def shared_rig(servers: Servers) -> AsyncIterator[Rig]:
    """The dispatcher, migrated, with its API."""
    async with dispatcher(servers) as rig:
        yield rig


@pytest.fixture
def rig(shared_rig: Rig) -> Rig:
    """The dispatcher as one tenant sees it."""
    return shared_rig.another_tenant()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """An integrator's server."""
    async with listening() as receiver:
        yield receiver
