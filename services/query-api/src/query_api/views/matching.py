"""From a condition to SQL: its words are ours, every value is bound."""

from collections.abc import Sequence
from typing import Any, Final, assert_never

from query_api.domain.query.tree import (
    AllOf,
    AnyOf,
    Between,
    Condition,
    Contains,
    Equals,
    Field,
    Not,
    StatusIs,
    Value,
)
from query_api.domain.words import StatusFilter

_COLUMNS: Final = {
    Field.PRIORITY: "priority",
    Field.WAITING: "waiting_on",
    Field.RESOLUTION: "resolution",
    Field.ASSIGNEE: "assignee_id",
    Field.REQUESTER: "created_by_id",
    Field.TAG: "tags",
    Field.NUMBER: "number",
    Field.CREATED: "created_at",
    Field.UPDATED: "updated_at",
}


class Matching:
    """Writes conditions on `views.tickets`; `params` collects their values."""

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}

    def sql(self, condition: Condition) -> str:
        """The condition, true or null where it holds or does not; safe beside `and`."""
        match condition:
            case Contains():
                return self._contains(condition)
            case StatusIs():
                return _joined(" or ", [self._status(one) for one in condition.any_of])
            case Equals(field=field, any_of=values):
                return self._equals(field, values)
            case Between(field=field, first=first, last=last):
                bounds = [(">=", first), ("<=", last)]
                return _joined(
                    " and ",
                    [f"{_COLUMNS[field]} {sign} {self._bound(at)}" for sign, at in bounds if at is not None],
                )
            case Not(condition=inner):
                return f"({self.sql(inner)}) is not true"
            case AllOf(conditions=inner_ones):
                return _joined(" and ", [self.sql(one) for one in inner_ones])
            case AnyOf(conditions=inner_ones):
                return _joined(" or ", [self.sql(one) for one in inner_ones])
            case _:
                assert_never(condition)

    def _contains(self, wanted: Contains) -> str:
        pattern = self._bound(f"%{literal(wanted.text)}%")
        columns = [name for name, asked in (("title", wanted.title), ("description", wanted.description)) if asked]
        return _joined(" or ", [f"{column} ilike {pattern}" for column in columns])

    def _status(self, wanted: StatusFilter) -> str:
        named = {"status": wanted.status, "waiting_on": wanted.waiting_on, "resolution": wanted.resolution}
        return _joined(" and ", [f"{column} = {self._bound(word)}" for column, word in named.items() if word])

    def _equals(self, field: Field, values: Sequence[Value]) -> str:
        column, given = _COLUMNS[field], [value for value in values if value is not None]
        parts: list[str] = []
        if len(given) < len(values):
            parts.append(f"{column} = '{{}}'" if field is Field.TAG else f"{column} is null")
        if given and field is Field.TAG:
            parts.append(f"{column} && {self._bound(given)}")
        elif len(given) == 1:
            parts.append(f"{column} = {self._bound(given[0])}")
        elif given:
            parts.append(f"{column} = any({self._bound(given)})")
        return _joined(" or ", parts, empty="false")

    def _bound(self, value: object) -> str:
        name = f"v{len(self.params)}"
        self.params[name] = value
        return f"%({name})s"


def _joined(word: str, parts: Sequence[str], empty: str = "true") -> str:
    return f"({word.join(parts)})" if parts else empty


def literal(text: str) -> str:
    """Text that a LIKE pattern takes as it stands."""
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
