"""Shapes that go over HTTP (contract §2): camelCase names, times in milliseconds with Z, lengths in UTF-16 units."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import no_info_after_validator_function

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


class Body(BaseModel):
    """What a client sends: unknown fields are ignored, and none is assigned that a route does not name."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=False, extra="ignore", frozen=True)


def _without_defaults(schema: dict[str, Any]) -> None:
    for field in schema["properties"].values():
        field.pop("default", None)


class Partial(Body):
    """A body whose absent fields stay as they are: their defaults here are no value that is set, and not documented."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)


class _Several:
    def __repr__(self) -> str:
        return "SEVERAL"


SEVERAL: Final = _Several()
"""In a parameter's `Annotated`: it takes several values, with commas between or by being repeated. Others take one."""


class Answer(BaseModel):
    """What we answer: absent optional fields are null."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, serialize_by_alias=True)


def instant(value: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and Z."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


Instant: TypeAlias = Annotated[
    datetime, PlainSerializer(instant, return_type=str), WithJsonSchema({"type": "string", "format": "date-time"})
]


def utf16_length(text: str) -> int:
    """What JavaScript calls `length`."""
    return len(text) + sum(1 for char in text if char > "\uffff")


def _text(shortest: int, longest: int) -> Callable[[str], str]:
    def check(value: str) -> str:
        if _UNSTORABLE.search(value):
            raise PydanticCustomError("unstorable_character", "must not contain NUL or a lone surrogate")
        length = utf16_length(value)
        if length < shortest:
            raise PydanticCustomError("too_short", "must have at least {least} characters", {"least": shortest})
        if length > longest:
            raise PydanticCustomError("too_long", "must have at most {most} characters", {"most": longest})
        return value

    return check


class _Bounds:
    """Checks the bounds, and tells the document, whose lengths count characters: never more than UTF-16 units."""

    def __init__(self, shortest: int, longest: int) -> None:
        self._shortest, self._longest = shortest, longest

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(_text(self._shortest, self._longest), handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        least = {"minLength": 1} if self._shortest else {}  # four emoji are a text of eight units
        return {**handler(schema), **least, "maxLength": self._longest}


def text(shortest: int, longest: int) -> Any:
    """Metadata for `Annotated[str, text(1, 200)]`: length bounds in UTF-16 code units."""
    return _Bounds(shortest, longest)


def _uuid(value: object) -> UUID:
    if isinstance(value, UUID):
        return value
    if isinstance(value, str) and _UUID.fullmatch(value):
        return UUID(value)
    raise PydanticCustomError("malformed_id", "must be a UUID")


Id: TypeAlias = Annotated[UUID, BeforeValidator(_uuid)]
"""A UUID in its one canonical form (pydantic alone would also take braces, URNs and 16 raw characters)."""
