"""One database for the tests of the store; those that disturb it make their own."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from integration.engine.rebuilds import databases, lived_views
from integration.engine.rig import Engine, Topic, Views, engine, ledgered, topic
from localstack.stack import Servers
from projector.rebuild.run import main


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


@pytest_asyncio.fixture(scope="module")
async def views(servers: Servers) -> AsyncIterator[Views]:
    """A consumer's database, shared by a file: every test has streams and a topic of its own."""
    async with ledgered(servers) as one:
        yield one


@pytest_asyncio.fixture
async def bus(views: Views) -> AsyncIterator[Topic]:
    """A topic of one's own."""
    async with topic(views.engine) as one:
        yield one


@pytest_asyncio.fixture(scope="module")
async def lived(servers: Servers) -> AsyncIterator[Engine]:
    """Views of a history, shared by a file."""
    async with lived_views(servers) as one:
        yield one


@pytest.fixture
def rebuilt(lived: Engine) -> Iterator[Engine]:
    """The same; nothing is left of a rebuild afterwards."""
    yield lived
    for argv in (["--drop-former"], ["--discard"]):
        main(databases(lived), argv, lambda _: None)
