"""Who takes part in the end-to-end tests. Sessions are shared, tickets never: each test opens its own."""

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio

from localstack.stack import Stack
from support.people import People, Person
from support.strict import judged


@pytest_asyncio.fixture(scope="session")
async def client(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without a token, before the gateway, who takes no answer that breaks a promise."""
    async with httpx.AsyncClient(
        base_url=stack.origin, timeout=30, trust_env=False, event_hooks={"response": [judged]}
    ) as client:
        yield client


@pytest_asyncio.fixture(scope="session")
async def people(client: httpx.AsyncClient) -> People:
    """Everybody."""
    return People(client)


@pytest_asyncio.fixture(scope="session")
async def admin(people: People) -> Person:
    """ADMIN of the default tenant."""
    return await people.admin()


@pytest_asyncio.fixture(scope="session")
async def agent(people: People) -> Person:
    """AGENT of the default tenant."""
    return await people.agent()


@pytest_asyncio.fixture(scope="session")
async def stranger(people: People) -> Person:
    """ADMIN of another tenant."""
    return await people.stranger()


@pytest_asyncio.fixture
async def user(people: People) -> Person:
    """USER of the default tenant, new for each test: what they see is theirs alone."""
    return await people.newcomer()


@pytest_asyncio.fixture
async def other_user(people: People) -> Person:
    """Another USER of the default tenant."""
    return await people.newcomer(name="Otto Other")


@pytest_asyncio.fixture(scope="session")
async def somebody(people: People) -> Person:
    """A USER for tests to which it does not matter what else this person has."""
    return await people.newcomer(name="Sam Somebody")


@pytest_asyncio.fixture(scope="session")
async def somebody_else(people: People) -> Person:
    """Another such USER."""
    return await people.newcomer(name="Else Somebody")
