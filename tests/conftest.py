"""What every kind of test may ask for. The servers start when the first test wants them, once per run."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from localstack.stack import Servers, Stack
from localstack.temporary import temporary_servers

settings.register_profile("ours", deadline=None)  # a busy machine is no failure
settings.load_profile("ours")


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """PostgreSQL and Kafka on free ports, gone after the run."""
    with temporary_servers() as servers:
        yield servers


@pytest.fixture(scope="session")
def stack(servers: Servers) -> Stack:
    """Everything, on the same servers: migrated, seeded, ready."""
    stack = Stack(servers)
    stack.begin()
    stack.serve()
    return stack
