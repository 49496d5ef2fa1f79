"""The gateway's table of routes and the four OpenAPI documents say the same."""

import importlib.util
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from support.gateway import UPSTREAMS, Gateway, gateway, upstream

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
ALIASED = ("/api/v1/auth/", "/api/v1/tickets", "/api/v1/comments")
OF_EVERY_SERVICE = ("/health/live", "/health/ready")


def _owners() -> dict[tuple[str, str], str]:
    """(method, path) → service, from what each service says of itself."""
    source = Path(__file__).parents[3] / "deploy/openapi.py"
    spec = importlib.util.spec_from_file_location("merge_openapi", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    owners = {}
    for service, document in module.documents().items():
        for path, operations in document["paths"].items():
            if path not in OF_EVERY_SERVICE:
                for method in operations:
                    owners[method.upper(), path] = service.replace("_", "-")
    return owners | {("HEAD", path): who for (method, path), who in owners.items() if method == "GET"}


def _cases() -> Iterator[tuple[str, str, str]]:
    owners = _owners()
    for path in sorted({path for _, path in owners}):
        concrete = re.sub(r"\{[^}]+\}", "0190c0de-0000-7000-8000-000000000000", path)
        spellings = [concrete]
        if path.startswith(ALIASED):
            spellings.append(concrete.replace("/api/v1/", "/api/", 1))
        for spelling in spellings:
            for method in METHODS:
                yield method, spelling, owners.get((method, path), "query-api")


@pytest_asyncio.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    async with AsyncExitStack() as stack:
        upstreams = {name: await stack.enter_async_context(upstream(name)) for name in UPSTREAMS}
        yield await stack.enter_async_context(gateway(upstreams, tmp_path_factory.mktemp("gateway-routes")))


async def test_every_method_on_every_path_reaches_its_service_and_every_other_one_the_query_api(
    running: Gateway,
) -> None:
    wrong = []
    for method, path, who in _cases():
        answer = await running.client.request(method, path)
        found = answer.headers["x-served-by"]
        if found != who:
            wrong.append((method, path, found, who))
    assert wrong == []
