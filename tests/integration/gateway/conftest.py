"""Two gateways for all of their tests: one as installed, one with everything set."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from integration.gateway.answers import (
    ALLOWED,
    ALSO_ALLOWED,
)
from support.gateway import (
    UPSTREAMS,
    Gateway,
    gateway,
    port_of,
    reserve_port,
    upstream,
)


@pytest_asyncio.fixture(scope="package")
async def live_stream() -> asyncio.Event:
    return asyncio.Event()


@pytest_asyncio.fixture(scope="package")
async def upstreams(live_stream: asyncio.Event) -> AsyncIterator[dict[str, int]]:
    async with AsyncExitStack() as stack:
        yield {name: await stack.enter_async_context(upstream(name, open_stream=live_stream)) for name in UPSTREAMS}


@pytest_asyncio.fixture(scope="package")
async def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gateway-home")


@pytest_asyncio.fixture(scope="package")
async def plain(upstreams: dict[str, int], home: Path) -> AsyncIterator[Gateway]:
    """As installed: nothing set but the upstreams."""
    async with gateway(upstreams, home) as running:
        yield running


@pytest_asyncio.fixture(scope="package")
async def strict(upstreams: dict[str, int], home: Path) -> AsyncIterator[Gateway]:
    """Two origins, behind a trusted proxy, impatient, with a notifier that is down."""
    with reserve_port() as closed:
        async with gateway(
            {**upstreams, "notifier": port_of(closed)},
            home,
            CORS_ORIGIN=f"{ALLOWED}, {ALSO_ALLOWED}",
            TRUSTED_PROXIES="127.0.0.0/8",
            GATEWAY_RESPONSE_TIMEOUT="300ms",
        ) as running:
            yield running
