"""What tells of the API: its document, the pages to read it, its keys, its health (contract §1)."""

import importlib.util
import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import jwt
import pytest
from openapi_spec_validator import validate

from localstack.stack import Stack
from support.people import Person
from support.shapes import INSTANT, TEXT, answered, fits, has

ROOT = Path(__file__).parents[2]
METHODS = {"get", "post", "put", "patch", "delete"}
HEALTH = has(status={"const": "ok"}, timestamp=INSTANT)


@pytest.fixture(scope="session")
def openapi() -> ModuleType:
    """`deploy/openapi.py`, which knows how to build the four services with nothing behind them."""
    spec = importlib.util.spec_from_file_location("deploy_openapi", ROOT / "deploy" / "openapi.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def document(client: httpx.AsyncClient) -> Any:
    return answered(await client.get("/openapi.json"), 200)


async def test_the_document_is_valid_openapi(client: httpx.AsyncClient) -> None:
    found = await document(client)
    validate(found)
    assert found["openapi"].startswith("3.1")


async def test_the_document_lists_every_call_of_the_contract(client: httpx.AsyncClient) -> None:
    listed = {
        (method.upper(), re.sub(r"\{[^}]+\}", "{}", path))
        for path, operations in (await document(client))["paths"].items()
        for method in operations.keys() & METHODS
    }
    api = "/api/v1"
    promised = {
        *(("POST", f"{api}/auth/{name}") for name in ("signup", "register", "login", "refresh")),
        *(("GET", f"{api}/{name}") for name in ("auth/me", "tickets", "tickets/{}", "tickets/stats", "comments")),
        ("GET", f"{api}/tickets/export"),
        ("POST", f"{api}/tickets/bulk-update"),
        *(("POST", f"{api}/{name}") for name in ("tickets", "tickets/{}/comments", "comments", "webhooks")),
        *(("POST", f"{api}/tickets/{{}}/attachments{last}") for last in ("", "/upload-url")),
        *(("GET", f"{api}/tickets/{{}}/attachments{last}") for last in ("", "/{}/download-url", "/{}/file")),
        ("DELETE", f"{api}/tickets/{{}}/attachments/{{}}"),
        *((method, f"{api}/tickets/{{}}") for method in ("PUT", "PATCH", "DELETE")),
        *((method, f"{api}/tickets/{{}}/comments/{{}}") for method in ("PUT", "PATCH", "DELETE")),
        *((method, f"{api}/comments/{{}}") for method in ("PUT", "PATCH", "DELETE")),
        *((method, f"{api}/webhooks/{{}}") for method in ("PUT", "PATCH", "DELETE")),
        *(("GET", f"{api}/{name}") for name in ("tickets/{}/comments", "webhooks", "notifications")),
        *(("PUT", f"{api}/notifications/{name}") for name in ("{}/read", "read-all")),
        ("DELETE", f"{api}/notifications/{{}}"),
        ("GET", "/health"),
        ("GET", "/.well-known/jwks.json"),
        ("GET", "/openapi.json"),
    }
    assert promised <= listed


@pytest.mark.filterwarnings("ignore:Duplicate Operation ID")  # the merged document has names of its own
@pytest.mark.parametrize("service", ["command_api", "query_api", "webhook_dispatcher", "notifier"])
async def test_the_document_lists_every_route_that_a_service_serves(
    client: httpx.AsyncClient,
    stack: Stack,
    openapi: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    service: str,
) -> None:
    for name, value in stack.environment.items():
        monkeypatch.setenv(name, value)
    listed = (await document(client))["paths"]
    app = openapi.build(importlib.import_module(f"{service}.app").build_app)
    served = app.openapi()["paths"]
    assert served, f"{service} serves nothing"
    missing = [
        (method, path)
        for path, operations in served.items()
        for method in operations
        if method not in named(listed, path)
    ]
    assert not missing


def named(listed: Mapping[str, Any], path: str) -> set[str]:
    """The methods that the document lists for a path, whatever its parameters are called."""
    plain = re.sub(r"\{[^}]+\}", "{}", path)
    return {
        method
        for template, operations in listed.items()
        if re.sub(r"\{[^}]+\}", "{}", template) == plain
        for method in operations
    }


async def test_every_operation_tells_of_its_errors_and_its_token(client: httpx.AsyncClient) -> None:
    for path, operations in (await document(client))["paths"].items():
        if not path.startswith("/api/v1/") or path in ("/api/v1/", "/api/v1/health"):
            continue
        for method in operations.keys() & METHODS:
            operation = operations[method]
            is_public = path.startswith("/api/v1/auth/") and method == "post"
            assert is_public or operation.get("security"), f"{method} {path} names no token"
            assert is_public or "401" in operation["responses"], f"{method} {path} names no 401"
            for status, response in operation["responses"].items():
                if status.startswith(("4", "5")):
                    assert "application/problem+json" in response["content"], f"{method} {path} {status}"


class Assets(HTMLParser):
    """Every address that a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        wanted = "src" if tag in ("script", "img") else "href" if tag == "link" else None
        self.found += [value for name, value in attrs if name == wanted and value]


async def test_the_pages_load_everything_from_our_origin(client: httpx.AsyncClient) -> None:
    page = await client.get("/api-docs")
    answered(page, 200)
    assert page.headers["content-type"].startswith("text/html")
    assets = Assets()
    assets.feed(page.text)
    assert len(assets.found) >= 3
    for address in assets.found:
        asset = await client.get(urljoin("/api-docs", address))
        assert not urlsplit(address).netloc, address
        answered(asset, 200)
        assert asset.content
        if address.endswith((".js", ".css")):
            kind = "javascript" if address.endswith(".js") else "css"
            assert kind in asset.headers["content-type"]
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert not re.search(r"https?:|\*", policy)
    started = "".join([(await client.get(urljoin("/api-docs", one))).text for one in assets.found if "start" in one])
    assert "/openapi.json" in started + page.text
    assert set(elsewhere(started + page.text)) == set()


def elsewhere(text: str) -> Iterator[str]:
    """Addresses of other hosts in a text that we wrote."""
    return (found[0] for found in re.finditer(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", text))


async def test_the_keys_verify_a_token(client: httpx.AsyncClient, agent: Person, stack: Stack) -> None:
    keys = answered(await client.get("/.well-known/jwks.json"), 200, has(keys={"type": "array", "minItems": 1}))
    assert all("d" not in key and "k" not in key for key in keys["keys"]), "a private key"
    kid = jwt.get_unverified_header(agent.token)["kid"]
    key = next(jwt.PyJWK(key) for key in keys["keys"] if key["kid"] == kid)
    claims = jwt.decode(
        agent.token,
        key,
        algorithms=["EdDSA"],
        audience=stack.environment["JWT_AUDIENCE"],
        issuer=stack.environment["JWT_ISSUER"],
    )
    assert claims["uid"] == agent.id


@pytest.mark.parametrize("path", ["/health", "/api/v1/health", "/health/live", "/health/ready"])
async def test_health_is_told_to_anyone(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(path)
    answered(response, 200, HEALTH)
    assert "no-store" in response.headers["Cache-Control"]


async def test_the_root_says_where_things_are(client: httpx.AsyncClient) -> None:
    names = ("health", "auth", "tickets", "webhooks", "tenants", "notifications", "docs")
    shape = has(message=TEXT, version=TEXT, endpoints=has(**dict.fromkeys(names, TEXT)))
    welcome = answered(await client.get("/api/v1/"), 200)
    fits(welcome, shape)
    assert answered(await client.get("/api/v1"), 200) == welcome
    answered(await client.get(welcome["endpoints"]["health"]), 200, HEALTH)
    assert (await client.get(welcome["endpoints"]["docs"])).status_code == 200
