"""The OpenAPI document as data: which operations there are, which ids each takes, and a body that each would accept.

Everything here follows from the document alone, so whoever adds a route adds its probes. Where a schema does not tell
enough (a text with a format of its own), its first `examples` does, and `WORDS` knows names that come again and again.
"""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import unquote
from uuid import uuid4

from helpdesk.http.middleware import resolved
from helpdesk.ids import new_id

Json: TypeAlias = Any
Spot: TypeAlias = tuple[str | int, ...]
"""The way to a field in a body."""

FILE: Final = Path(__file__).parents[2] / "services/query-api/src/query_api/openapi.json"
METHODS: Final = ("get", "post", "put", "patch", "delete")
PARAMETER: Final = re.compile(r"\{([^}]+)\}")
WORDS: Final[Mapping[str, str]] = {
    "password": "SecurePass123!",
    "currentPassword": "SecurePass123!",
    "newPassword": "SecurePass123!",
    "url": "http://127.0.0.1:9/",
    "role": "USER",
    "mimeType": "text/plain",
    "filename": "notes.txt",
    "fileUrl": "/attachments/notes.txt",
}
"""Values for fields of these names that have no example."""


@cache
def document() -> Json:
    """The document of this checkout, which is the one that the stack serves (a test compares them)."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def follow(schema: Json) -> Json:
    """A schema without `$ref` at its top."""
    while "$ref" in schema:
        schema = document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


@dataclass(frozen=True)
class Operation:
    """A method on a path template."""

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @cached_property
    def spec(self) -> Json:
        """What the document says of it."""
        return document()["paths"][self.path][self.method.lower()]

    @property
    def is_secured(self) -> bool:
        """Whether it asks who one is."""
        return bool(self.spec.get("security"))

    @property
    def is_read(self) -> bool:
        """Whether it changes nothing."""
        return self.method == "GET"

    def parameters(self, where: str) -> dict[str, Json]:
        """The schemas of its path, query or header parameters by name."""
        found = [*document()["paths"][self.path].get("parameters", ()), *self.spec.get("parameters", ())]
        return {one["name"]: one.get("schema", {}) for one in found if one["in"] == where}

    @property
    def body(self) -> Json | None:
        """The schema of its JSON body."""
        content = self.spec.get("requestBody", {}).get("content", {})
        return content["application/json"]["schema"] if "application/json" in content else None

    def kinds(self) -> dict[str, str]:
        """Of which kind each id in the path is: what the segment before it is called, in the singular."""
        parts = self.path.split("/")
        return {
            name: parts[place - 1].removesuffix("s").replace("-", "_")
            for place, part in enumerate(parts)
            for name in PARAMETER.findall(part)
        }

    def address(self, ids: Mapping[str, str]) -> str:
        """The path with these values for its parameters."""
        return PARAMETER.sub(lambda found: ids[found[1]], self.path)

    def documented(self, status: int) -> Json | None:
        """What it says of a status; None when it does not name it."""
        responses = self.spec["responses"]
        return responses.get(str(status)) or responses.get(f"{status // 100}XX") or responses.get("default")


@cache
def operations() -> tuple[Operation, ...]:
    """All of them."""
    return tuple(
        Operation(method.upper(), path)
        for path, methods in document()["paths"].items()
        for method in METHODS
        if method in methods
    )


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    templates = sorted(document()["paths"], key=lambda path: path.count("{"))  # static paths win
    return tuple((re.compile("[^/]+".join(map(re.escape, PARAMETER.split(one)[::2]))), one) for one in templates)


def operation_at(method: str, path: str) -> Operation | None:
    """The operation that a request meets, through an alias too; None when there is none."""
    ours, _ = resolved(unquote(path))
    name = "GET" if method == "HEAD" else method
    template = next((template for pattern, template in _patterns() if pattern.fullmatch(ours)), None)
    if template is None or name.lower() not in document()["paths"][template]:
        return None
    return Operation(name, template)


def is_id(schema: Json) -> bool:
    """Whether a value of it is an id."""
    plain = follow(schema)
    return plain.get("format") == "uuid" or any(is_id(one) for one in plain.get("anyOf", ()))


def is_text(schema: Json) -> bool:
    """Whether a value of it may be any text."""
    plain = follow(schema)
    if any(is_text(one) for one in plain.get("anyOf", ())):
        return True
    return plain.get("type") == "string" and "format" not in plain and "enum" not in plain and "const" not in plain


def sample(schema: Json, name: str = "") -> Json:
    """A value of this schema with nothing in it that may be missing."""
    plain = follow(schema)
    for known in ("const", "default"):
        if plain.get(known) is not None:
            return copy.deepcopy(plain[known])
    if plain.get("examples"):
        example = copy.deepcopy(plain["examples"][0])
        return f"{uuid4().hex}-{example}" if "email" in name.lower() else example
    if "enum" in plain:
        return plain["enum"][0]
    for choice in ("anyOf", "oneOf"):
        if choice in plain:
            return sample(next(one for one in plain[choice] if one.get("type") != "null"), name)
    if "allOf" in plain:
        return {key: value for one in plain["allOf"] for key, value in sample(one).items()}
    return _plain_sample(plain, name)


def _plain_sample(plain: Json, name: str) -> Json:
    match plain.get("type"):
        case "object":
            fields = plain.get("properties", {})
            return {field: sample(fields[field], field) for field in plain.get("required", ()) if field in fields}
        case "array":
            return [sample(plain.get("items", {}), name.removesuffix("s"))]
        case "integer" | "number":
            return int(plain.get("minimum", plain.get("exclusiveMinimum", 0) + 1))
        case "boolean":
            return False
        case _:
            return _text_sample(plain, name)


def _text_sample(plain: Json, name: str) -> str:
    if plain.get("format") == "uuid":
        return str(new_id())
    if plain.get("format") == "date-time":
        return "2026-01-01T00:00:00.000Z"
    if "email" in name.lower() or plain.get("format") == "email":
        return f"nora-{uuid4().hex}@example.org"
    if "slug" in name.lower():
        return f"t-{uuid4().hex[:12]}"
    return WORDS.get(name, "probe" + "x" * max(0, plain.get("minLength", 0) - 5))


def spots(schema: Json, way: Spot = ()) -> Iterator[tuple[Spot, Json]]:
    """Every leaf of a body's schema with the way to it; of an array, its first place."""
    plain = follow(schema)
    if len(way) > 6:
        return
    if "anyOf" in plain:
        for one in plain["anyOf"]:
            if one.get("type") != "null":
                yield from spots(one, way)
    elif plain.get("type") == "object" and "properties" in plain:
        for name, field in plain["properties"].items():
            yield from spots(field, (*way, name))
    elif plain.get("type") == "array":
        yield from spots(plain.get("items", {}), (*way, 0))
    else:
        yield way, plain


def put(body: Json, way: Spot, value: Json) -> Json:
    """A copy of `body` with `value` there, and what is missing on the way made."""
    if not way:
        return value
    step, *rest = way
    if isinstance(step, int):
        return [put(body[0] if isinstance(body, list) and body else None, tuple(rest), value)]
    fields = dict(body) if isinstance(body, dict) else {}
    fields[step] = put(fields.get(step), tuple(rest), value)
    return fields
