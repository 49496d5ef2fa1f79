"""One stack for all faults: each leaves it whole, or its test has failed."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from faults.world import World, harmed_stack, world_of
from localstack.stack import Stack


@pytest.fixture(scope="module")
def victim() -> Iterator[Stack]:
    """The stack that is harmed; with the last fault it ends, and leaves the machine to the tests that follow."""
    with harmed_stack() as stack:
        yield stack


@pytest_asyncio.fixture(scope="module")
async def world(victim: Stack) -> AsyncIterator[World]:
    """The stack under a load that goes on through all of them."""
    async with world_of(victim, seed=1, writers=4, think_s=0.05, long=False) as world:
        yield world
