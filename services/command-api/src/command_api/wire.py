"""What clients send: parsed and bounded here, so that no rule ever meets a raw request."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeAlias
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictInt, StrictStr, WithJsonSchema
from pydantic_core import PydanticCustomError

from command_api.domain import tenant_settings
from command_api.domain.tenant import ChangeTenant
from command_api.domain.ticket.commands import UNSET, Actor, EditTicket, Maybe
from command_api.domain.user import EditUser
from helpdesk.http.json import dumps
from helpdesk.http.shapes import UserShape
from helpdesk.http.wire import Answer, Body, Id, Partial, text
from helpdesk.policy import SCOPES

PRIORITIES: Final = ("low", "medium", "high", "critical")
STATUSES: Final = ("open", "in_progress", "resolved", "closed")
RESOLUTIONS: Final = ("solved", "cancelled", "duplicate", "merged")
WAITING_ON: Final = ("requester", "third_party")
_SYNONYMS: Final = {"urgent": "critical", "canceled": "cancelled"}
_WAITS: Final = {"pending": "requester", "on_hold": "third_party"}
_EMAIL: Final = re.compile(r"[^@\s\x00-\x1f\x7f<>()\[\],;:\\\"]{1,64}@[^@\s\x00-\x1f\x7f<>()\[\],;:\\\"]{1,189}")
_TYPE_PART: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_MIME_TYPE: Final = re.compile(rf"{_TYPE_PART}/{_TYPE_PART}(?: ?; ?{_TYPE_PART}=(?:{_TYPE_PART}|\"[ !#-\[\]-~]*\"))*")
DEEPEST: Final = 32
LARGEST_METADATA: Final = 65_536
LARGEST_SETTINGS: Final = 16_384
LARGEST_INTEGER: Final = 2**53 - 1


def _word(value: object) -> object:
    """Any letter case, `in-progress` and `in progress` included; the aliases of contract §6."""
    if not isinstance(value, str):
        return value
    word = value.strip().lower().replace("-", "_").replace(" ", "_")
    return _SYNONYMS.get(word, word)


def _role(value: object) -> object:
    """In any letter case, with or without the `ROLE_` of tokens."""
    return value.strip().upper().removeprefix("ROLE_") if isinstance(value, str) else value


def _one_of(*words: str) -> Any:
    def check(value: str) -> str:
        if value not in words:
            raise PydanticCustomError("unknown_word", "must be one of: {words}", {"words": ", ".join(words)})
        return value

    return AfterValidator(check)


def _email(value: str) -> str:
    address = value.strip()
    if not _EMAIL.fullmatch(address) or "." not in address.rpartition("@")[2].strip("."):
        raise PydanticCustomError("malformed_email", "must be an e-mail address")
    return address


def _not_blank(value: str) -> str:
    if value and not value.strip():
        raise PydanticCustomError("blank", "must not be blank")
    return value


def _storable(value: Any, depth: int = 0) -> None:
    """JSON that every reader can hold: bounded depth, no NUL, numbers that JavaScript can count."""
    if depth > DEEPEST:
        raise PydanticCustomError("too_deep", "must not be nested deeper than {most}", {"most": DEEPEST})
    match value:
        case str():
            text_bounds(value)
        case bool() | None:
            pass
        case float() if not math.isfinite(value):
            raise PydanticCustomError("not_a_number", "must not hold NaN or Infinity")
        case int() | float() if abs(value) > LARGEST_INTEGER:  # jsonb gives 1e22 back as an integer of 74 bits
            raise PydanticCustomError("too_large_a_number", "must not hold numbers beyond ±(2^53 − 1)")
        case dict():
            for key, one in value.items():
                text_bounds(str(key))
                _storable(one, depth + 1)
        case list():
            for one in value:
                _storable(one, depth + 1)
        case _:
            pass


def text_bounds(value: str) -> None:
    """Refuse what PostgreSQL or UTF-8 cannot hold."""
    if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
        raise PydanticCustomError("unstorable_character", "must not contain NUL or a lone surrogate")


def _metadata(value: dict[str, Any]) -> dict[str, Any]:
    _storable(value)
    if len(dumps(value)) > LARGEST_METADATA:
        raise PydanticCustomError("too_large", "must not exceed {most} bytes", {"most": LARGEST_METADATA})
    return value


def _mime_type(value: str) -> str:
    if not _MIME_TYPE.fullmatch(value.strip()):
        raise PydanticCustomError("malformed_type", "must be a MIME type, such as image/png")
    return value.strip()


def _settings(value: dict[str, Any]) -> dict[str, Any]:
    if wrong := tenant_settings.objection(value):
        raise PydanticCustomError("malformed_setting", "{wrong}", {"wrong": wrong})
    _storable(value)
    if len(dumps(value)) > LARGEST_SETTINGS:
        raise PydanticCustomError("too_large", "must not exceed {most} bytes", {"most": LARGEST_SETTINGS})
    return value


_SETTINGS_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": True,
    "description": f"Known keys are typed; others are kept as they are. All in all {LARGEST_SETTINGS} bytes at most.",
    "properties": {
        tenant_settings.OPEN_REGISTRATION: {
            "type": "boolean",
            "default": True,
            "description": "Whether anybody may register.",
        },
        tenant_settings.REOPEN_WINDOW_DAYS: {
            "type": "integer",
            "minimum": 0,
            "maximum": tenant_settings.LONGEST_REOPEN_WINDOW_DAYS,
            "default": tenant_settings.REOPEN_WINDOW.days,
            "description": "For how long the requester's comment reopens a closed ticket.",
        },
        tenant_settings.AUTO_CLOSE_HOURS: {
            "type": "integer",
            "minimum": 0,
            "maximum": tenant_settings.LONGEST_AUTO_CLOSE_HOURS,
            "description": "After how long a resolved ticket is to be closed by itself.",
        },
    },
}

Email: TypeAlias = Annotated[StrictStr, text(3, 254), AfterValidator(_email)]
Password: TypeAlias = Annotated[StrictStr, text(8, 1000)]
Slug: TypeAlias = Annotated[StrictStr, Field(pattern=r"^[a-z0-9-]+$", max_length=63)]
Name: TypeAlias = Annotated[
    StrictStr, text(1, 200), AfterValidator(_not_blank), Field(examples=["Nora"], json_schema_extra={"pattern": r"\S"})
]
LastName: TypeAlias = Annotated[
    StrictStr, text(0, 200), AfterValidator(_not_blank), Field(json_schema_extra={"pattern": r"^$|\S"})
]
"""Not everybody has one; it may be empty."""
Role: TypeAlias = Annotated[StrictStr, BeforeValidator(_role), _one_of(*SCOPES)]
Title: TypeAlias = Annotated[StrictStr, text(1, 200), Field(examples=["The printer is on fire"])]
Description: TypeAlias = Annotated[StrictStr, text(0, 5000), Field(examples=["Since this morning."])]
Content: TypeAlias = Annotated[StrictStr, text(1, 2000), Field(examples=["Any news?"])]
Priority: TypeAlias = Annotated[
    StrictStr, BeforeValidator(_word), _one_of(*PRIORITIES), Field(examples=[*PRIORITIES, "urgent"])
]
Status: TypeAlias = Annotated[
    StrictStr,
    BeforeValidator(_word),
    _one_of(*STATUSES, "cancelled", "pending", "on_hold"),
    Field(examples=["in_progress", "open", "resolved", "closed", "cancelled", "pending", "on_hold"]),
]
Resolution: TypeAlias = Annotated[
    StrictStr, BeforeValidator(_word), _one_of(*RESOLUTIONS), Field(examples=[*RESOLUTIONS])
]
WaitingOn: TypeAlias = Annotated[StrictStr, BeforeValidator(_word), _one_of(*WAITING_ON), Field(examples=[*WAITING_ON])]
Tags: TypeAlias = Annotated[list[Annotated[StrictStr, text(1, 50)]], Field(max_length=50)]
Metadata: TypeAlias = Annotated[dict[str, Any], AfterValidator(_metadata)]
Settings: TypeAlias = Annotated[dict[str, Any], AfterValidator(_settings), WithJsonSchema(_SETTINGS_SCHEMA)]


Filename: TypeAlias = Annotated[StrictStr, Field(min_length=1, max_length=1000)]
MimeType: TypeAlias = Annotated[StrictStr, Field(max_length=255), AfterValidator(_mime_type)]
Bytes: TypeAlias = Annotated[StrictInt, Field(ge=0, le=LARGEST_INTEGER)]
Digest: TypeAlias = Annotated[StrictStr, Field(pattern=r"^[0-9a-fA-F]{64}$"), AfterValidator(str.lower)]


class SignupBody(Body):
    email: Email
    password: Password
    name: Name
    tenant_slug: Slug = "default"


class RegisterBody(Body):
    email: Email
    password: Password
    first_name: Name
    last_name: Name
    tenant_id: Id


class FoundTenantBody(Body):
    tenant_name: Name
    tenant_slug: Slug
    email: Email
    password: Password
    name: Name


class LoginBody(Body):
    email: Email
    password: Annotated[StrictStr, text(1, 1000)]
    tenant_slug: Annotated[StrictStr, text(1, 200)] | None = None


class RefreshBody(Body):
    refresh_token: Id


class LogoutBody(Body):
    refresh_token: Id | None = None


class NameBody(Partial):
    """One's own name: as one, or as two, of which a half that is not named stays."""

    name: Name = ""
    first_name: Name = ""
    last_name: LastName = ""

    def edit(self, by: UUID) -> Callable[[datetime, int], EditUser]:
        """The command; what is not named stays."""
        named = self.model_fields_set
        return lambda at, others: EditUser(
            other_admins=others,
            by=by,
            at=at,
            name=self.name if "name" in named else UNSET,
            first_name=self.first_name if "first_name" in named else UNSET,
            last_name=self.last_name if "last_name" in named else UNSET,
        )


class PasswordBody(Body):
    current_password: Annotated[StrictStr, text(1, 1000)]
    new_password: Password


class CreateUserBody(Body):
    """Without a password it is an invitation."""

    email: Email
    password: Password | None = None
    first_name: Name
    last_name: LastName
    role: Role


class EditUserBody(NameBody):
    role: Role = ""
    is_active: StrictBool = False

    def edit(self, by: UUID) -> Callable[[datetime, int], EditUser]:
        """The command; what is not named stays."""
        named, names = self.model_fields_set, super().edit(by)
        return lambda at, others: replace(
            names(at, others),
            role=self.role if "role" in named else UNSET,
            enabled=self.is_active if "is_active" in named else UNSET,
        )


class FirstAdminBody(Body):
    email: Email
    password: Password
    name: Name


class CreateTenantBody(Body):
    name: Name
    slug: Slug
    settings: Settings = Field(default_factory=dict)
    admin: FirstAdminBody | None = Field(None, description="An account of role ADMIN to begin with.")


class EditTenantBody(Partial):
    """Partial: only fields that are named count, and none may be null."""

    name: Name = ""
    slug: Slug = ""
    settings: Settings = Field(default_factory=dict)

    def command(self, by: UUID, at: datetime) -> ChangeTenant:
        """The command."""
        named = self.model_fields_set
        return ChangeTenant(
            name=self.name if "name" in named else None,
            slug=self.slug if "slug" in named else None,
            settings=self.settings if "settings" in named else None,
            by=by,
            at=at,
        )


class AuthResponse(Answer):
    """Contract §4; `expiresIn` in milliseconds, `token` for clients of the first generation."""

    access_token: str
    refresh_token: UUID
    token_type: str = "Bearer"  # noqa: S105 - the scheme's name
    expires_in: int
    token: str
    user: UserShape


class CreateTicketBody(Body):
    title: Title
    description: Description
    priority: Priority | None = None
    metadata: Metadata | None = None
    assigned_to_id: Id | None = None
    tags: Tags | None = None


class EditTicketBody(Partial):
    """Partial: only fields that are named count; null clears the fields that may be empty."""

    title: Title = ""
    description: Description = ""
    priority: Priority = ""
    status: Status = ""
    resolution: Resolution | None = None
    waiting_on: WaitingOn | None = None
    metadata: Metadata | None = None
    assigned_to_id: Id | None = None
    tags: Tags = Field(default_factory=list)

    def command(self, by: Actor, at: datetime) -> EditTicket:
        """The command; the status aliases of contract §6 become what they mean."""
        named = self.model_fields_set
        status: Maybe[str] = self.status if "status" in named else UNSET
        resolution: Maybe[str | None] = self.resolution if "resolution" in named else UNSET
        waiting_on: Maybe[str | None] = self.waiting_on if "waiting_on" in named else UNSET
        if status == "cancelled":
            status, resolution = "closed", "cancelled"
        elif status in _WAITS:
            status, waiting_on = UNSET, _WAITS[str(status)]
        metadata: Maybe[Mapping[str, Any] | None] = self.metadata if "metadata" in named else UNSET
        return EditTicket(
            by=by,
            at=at,
            title=self.title if "title" in named else UNSET,
            description=self.description if "description" in named else UNSET,
            priority=self.priority if "priority" in named else UNSET,
            metadata=metadata,
            tags=tuple(self.tags) if "tags" in named else UNSET,
            assignee_id=self.assigned_to_id if "assigned_to_id" in named else UNSET,
            status=status,
            resolution=resolution,
            waiting_on=waiting_on,
        )


class BulkUpdateBody(Body):
    """One change for many tickets; an id that stands there twice counts once."""

    ids: Annotated[list[Id], Field(min_length=1, max_length=100)]
    changes: EditTicketBody


class ItemError(Answer):
    """Why one of many was refused, in the words of the error body."""

    code: str
    reason: str
    message: str


class BulkItem(Answer):
    """What became of one ticket."""

    id: UUID
    status: Literal["updated", "unchanged", "failed"]
    version: int | None = None
    error: ItemError | None = None


class BulkOutcome(Answer):
    """What became of all of them, in the order in which they were named."""

    total: int
    succeeded: int
    failed: int
    results: list[BulkItem]


class CommentBody(Body):
    content: Content
    is_internal: StrictBool = False


class FlatCommentBody(CommentBody):
    ticket_id: Id


class EditCommentBody(Partial):
    """The new text; without one nothing changes."""

    content: Content = ""

    @property
    def wanted(self) -> str | None:
        """The new text, None when the body names none."""
        return self.content if "content" in self.model_fields_set else None


class UploadBody(Body):
    """What is to be uploaded. `sha256` in hexadecimal."""

    filename: Filename
    mime_type: MimeType
    file_size: Bytes | None = None
    sha256: Digest | None = None


class UploadShape(Answer):
    """Where the bytes go (PUT, with the declared Content-Type), and the address that the attachment will have."""

    upload_url: str
    key: str
    file_url: str


class AttachmentBody(Body):
    """What was uploaded: `fileUrl` as the upload's beginning gave it."""

    filename: Filename
    file_url: Annotated[StrictStr, Field(max_length=1000)]
    file_size: Bytes
    mime_type: MimeType
