"""Conditions on a ticket: what filters and queries come to, whatever they were written in."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TypeAlias
from uuid import UUID

from query_api.domain.words import StatusFilter


class Field(Enum):
    """What a ticket can be asked for by its value."""

    PRIORITY = "priority"
    WAITING = "waiting"
    RESOLUTION = "resolution"
    ASSIGNEE = "assignee"
    REQUESTER = "requester"
    TAG = "tag"
    NUMBER = "number"
    CREATED = "created"
    UPDATED = "updated"


Value: TypeAlias = str | UUID | int | None
"""None: the field is empty."""
Bound: TypeAlias = datetime | int | None
"""None: on this side everything."""


@dataclass(frozen=True, slots=True)
class Contains:
    """Text, in any letter case, in one of these texts of the ticket."""

    text: str
    title: bool = True
    description: bool = True


@dataclass(frozen=True, slots=True)
class StatusIs:
    """One of these, each a status or a way to wait or to end."""

    any_of: tuple[StatusFilter, ...]


@dataclass(frozen=True, slots=True)
class Equals:
    """The field has one of these values; of a ticket's tags one does."""

    field: Field
    any_of: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """The field lies between both bounds, themselves included."""

    field: Field
    first: Bound
    last: Bound


@dataclass(frozen=True, slots=True)
class Not:
    """Every other ticket, those with an empty field too."""

    condition: "Condition"


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every condition holds; without any, always."""

    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one condition holds."""

    conditions: tuple["Condition", ...]


Condition: TypeAlias = Contains | StatusIs | Equals | Between | Not | AllOf | AnyOf
