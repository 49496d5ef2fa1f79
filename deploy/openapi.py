"""The merged OpenAPI document of the four APIs, as the query API serves it: `make openapi` writes it.

With `--check` it is compared. Each service's `app.build_app` is called with the settings of a made-up installation and
nothing to read from: that is enough to know its routes. Two contents under one name are an error, not a silent choice.
"""

import argparse
import importlib
import inspect
import json
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, get_type_hints
from unittest.mock import patch

from fastapi import FastAPI

from helpdesk.http.described import name_headers
from helpdesk.http.problem import MEDIA_TYPE as PROBLEM
from helpdesk.settings import Settings
from localstack import credentials
from localstack.environment import environment
from localstack.ports import Ports

MODULES = ("command_api", "query_api", "webhook_dispatcher", "notifier")
TARGET = Path(__file__).parent.parent / "services/query-api/src/query_api/openapi.json"
OF_A_PROCESS = ("/health/live", "/health/ready")
"""Every service answers these itself; through the gateway they are the query API's."""
OF_THE_FRAMEWORK = ("HTTPValidationError", "ValidationError")
PARAMETER = re.compile(r"\{[^}]+\}")
HEAD: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "Acme Tickets",
        "version": "1.0.0",
        "description": "Multi-tenant ticketing. Errors are `application/problem+json` with one body for all. What"
        " belongs to another tenant is 404. Unknown fields of a body are ignored."
        " A parameter of an address takes one value, and a second one is a 400, unless its description says that it"
        " takes several.",
        "license": {"name": "MIT", "identifier": "MIT"},
    },
    "servers": [{"url": "/", "description": "The origin that served this document."}],
}
TAGS: dict[str, str] = {
    "auth": "Accounts, sessions and the keys that tokens are checked by.",
    "tickets": "What somebody wants done, from open to closed.",
    "comments": "What is said about a ticket; internal notes are for agents and admins.",
    "attachments": "Files of a ticket, uploaded to signed addresses.",
    "webhooks": "Endpoints that are told of events, and what was sent to them. For admins and agents.",
    "notifications": "What the caller was told in the application.",
    "tenants": "Organisations; each sees nothing of another.",
    "users": "The accounts of a tenant. Admins change them, agents read them.",
    "health": "Whether the service answers, and where things are.",
    "documentation": "This document, and pages to read it.",
}
"""What each group of routes is about; one without a line here is listed without a description."""
SAME_TAG = {"identity": "auth"}


class Clash(SystemExit):
    """Two services say different things under one name."""


def build(factory: Callable[..., FastAPI]) -> FastAPI:
    """The application, with made-up settings and nothing behind it."""
    hints = get_type_hints(factory)
    needed = [
        name for name, one in inspect.signature(factory).parameters.items() if one.default is inspect.Parameter.empty
    ]
    return factory(**{name: _settings(hints.get(name)) for name in needed})


def _settings(hint: object) -> Settings | None:
    return hint() if isinstance(hint, type) and issubclass(hint, Settings) else None


def merged(documents: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """One document from many. Raises Clash."""
    paths: dict[str, dict[str, Any]] = {}
    components: dict[str, dict[str, Any]] = {}
    templates: dict[str, str] = {}
    for service, document in documents.items():
        for path, operations in document["paths"].items():
            if path in OF_A_PROCESS and service != "query_api":
                continue
            _put(templates, PARAMETER.sub("{}", path), path, f"{service}: {path}")
            for method, operation in operations.items():
                tidied = _tidied(operation, method, path)
                _put(paths.setdefault(path, {}), method, tidied, f"{service}: {method.upper()} {path}")
        for kind, entries in document.get("components", {}).items():
            for name, content in entries.items():
                if name not in OF_THE_FRAMEWORK:
                    _put(components.setdefault(kind, {}), name, content, f"{service}: {kind} {name}")
    return {**HEAD, "tags": _tags(paths), "paths": paths, "components": components}


def _tidied(operation: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    """What the framework says otherwise than we do: ids, the 422 that we never answer, media types, tokens."""
    declared = {
        status: _as_problem(response) if status >= "400" and "content" in response else response
        for status, response in operation["responses"].items()
        if "HTTPValidationError" not in json.dumps(response)
    }
    responses = {status: _described(status, one) for status, one in declared.items()}
    name = "_".join([method, *(part.strip("{}") for part in path.split("/") if part not in ("", "api"))])
    tidied = {
        **operation,
        "operationId": name,
        "responses": responses,
        "security": operation.get("security", []),
        "tags": [SAME_TAG.get(tag, tag) for tag in operation.get("tags", ())],
    }
    name_headers(tidied)
    return tidied


def _described(status: str, response: dict[str, Any]) -> dict[str, Any]:
    """With the status's own phrase instead of the framework's."""
    is_plain = response.get("description") in ("Successful Response", None)
    return {**response, "description": HTTPStatus(int(status)).phrase} if is_plain and status.isdigit() else response


def _tags(paths: dict[str, dict[str, Any]]) -> list[dict[str, str]]:
    used = {tag for operations in paths.values() for one in operations.values() for tag in one["tags"]}
    return [{"name": name, "description": words} for name, words in TAGS.items() if name in used]


def _as_problem(response: dict[str, Any]) -> dict[str, Any]:
    media = response["content"].get("application/json") or response["content"][PROBLEM]
    return {**response, "content": {PROBLEM: media}}


def _put(into: dict[str, Any], name: str, content: object, what: str) -> None:
    if into.setdefault(name, content) != content:
        raise Clash(f"{what} differs from what another service says under this name")


def documents() -> dict[str, dict[str, Any]]:
    """What each service says of itself."""
    warnings.filterwarnings("ignore", "Duplicate Operation ID")  # ours are made from the paths
    with tempfile.TemporaryDirectory() as folder:
        secrets = credentials.load(Path(folder))
        made_up = environment(Ports(), "postgresql://nobody@localhost/nothing", secrets, Path(folder))
        with patch.dict(os.environ, made_up):
            return {module: build(importlib.import_module(f"{module}.app").build_app).openapi() for module in MODULES}


def main() -> None:
    """Write the document, or say whether it is current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when the document is not current")
    check = parser.parse_args().check
    text = json.dumps(merged(documents()), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    if not check:
        TARGET.write_text(text, encoding="utf-8")
    elif TARGET.read_text(encoding="utf-8") != text:
        sys.exit(f"{TARGET.name} is not current: run `make openapi`")


if __name__ == "__main__":
    main()
