"""The fields of the grammar: what each is called, and what its values are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Final, assert_never
from uuid import UUID

from query_api.domain import words
from query_api.domain.query.bad import BadQuery
from query_api.domain.query.tokens import Asked, Text
from query_api.domain.query.tree import AnyOf, Between, Bound, Condition, Contains, Equals, Field, StatusIs, Value
from query_api.domain.query.values import id_of, number_of, time_of

NAMES: Final[Mapping[str, Field | str]] = {
    "status": "status",
    "title": "title",
    "description": "description",
    "is": "is",
    "priority": Field.PRIORITY,
    "waiting": Field.WAITING,
    "waitingon": Field.WAITING,
    "resolution": Field.RESOLUTION,
    "assignee": Field.ASSIGNEE,
    "assigned": Field.ASSIGNEE,
    "assignedto": Field.ASSIGNEE,
    "requester": Field.REQUESTER,
    "creator": Field.REQUESTER,
    "createdby": Field.REQUESTER,
    "tag": Field.TAG,
    "tags": Field.TAG,
    "number": Field.NUMBER,
    "created": Field.CREATED,
    "createdat": Field.CREATED,
    "updated": Field.UPDATED,
    "updatedat": Field.UPDATED,
}
"""In any letter case."""
_WORDS: Final[Mapping[Field, Sequence[str]]] = {
    Field.WAITING: ("requester", "third_party", "none"),
    Field.RESOLUTION: ("solved", "cancelled", "duplicate", "merged", "none"),
}
_STATUS_WORDS: Final = (*words.STATUSES, "cancelled", "pending", "on_hold")
_IS: Final[Mapping[str, Condition]] = {
    "unassigned": Equals(Field.ASSIGNEE, (None,)),
    **{word: StatusIs((words.StatusFilter(status=word),)) for word in words.STATUSES},
}


@dataclass(frozen=True, slots=True)
class Context:
    """Who asks, for `me`, and when, for `-7d`."""

    me: UUID
    now: datetime


def condition(asked: Asked, context: Context) -> Condition:
    """What `field:value` comes to. Raises BadQuery."""
    field = NAMES.get(asked.name.lower())
    if field is None:
        close = get_close_matches(asked.name.lower(), NAMES, 1)
        hint = f"did you mean `{close[0]}`?" if close else "text with a colon stands in quotes"
        message = f"there is no field `{asked.name}`; {hint}"
        raise BadQuery("unknown_field", message, asked.at, close[0] if close else None)
    if asked.operator and len(asked.values) > 1:
        raise BadQuery("too_many_values", f"`{asked.operator}` takes one value", asked.values[1].at)
    if isinstance(field, str):
        return _special(field, asked)
    match field:
        case Field.CREATED | Field.UPDATED | Field.NUMBER:
            return _any([_span(field, asked.operator, value, context) for value in asked.values])
        case Field.PRIORITY:
            return Equals(field, tuple(word for value in asked.values for word in _priorities(asked.operator, value)))
        case Field.WAITING | Field.RESOLUTION | Field.ASSIGNEE | Field.REQUESTER | Field.TAG:
            _refuse_comparison(asked)
            return Equals(field, tuple(_value(field, value, context) for value in asked.values))
        case _:
            assert_never(field)


def _special(name: str, asked: Asked) -> Condition:
    _refuse_comparison(asked)
    match name:
        case "status":
            return StatusIs(tuple(_status(value) for value in asked.values))
        case "is":
            return _any([_is(value) for value in asked.values])
        case _:
            return _any(
                [Contains(one.text, title=name == "title", description=name != "title") for one in asked.values]
            )


def _refuse_comparison(asked: Asked) -> None:
    if asked.operator:
        message = f"`{asked.name}` has no order: write `{asked.name}:`"
        raise BadQuery("not_comparable", message, asked.at, f"{asked.name}:")


def _value(field: Field, value: Text, context: Context) -> Value:
    word = words.plain(value.text)
    if word == "none" and not value.quoted and field is not Field.REQUESTER:
        return None
    if field is Field.TAG:
        return value.text
    if field in _WORDS:
        if word not in _WORDS[field]:
            raise _unknown(value, _WORDS[field])
        return word
    if word == "me":
        return context.me
    found = id_of(value.text)
    if found is None:
        raise BadQuery("malformed_id", f"`{value.text}` is no id, and none of: me, none", value.at)
    return found


def _status(value: Text) -> words.StatusFilter:
    found = words.status_filter(value.text)
    if found is None:
        raise _unknown(value, _STATUS_WORDS)
    return found


def _is(value: Text) -> Condition:
    found = _IS.get(words.plain(value.text))
    if found is None:
        raise _unknown(value, tuple(_IS))
    return found


def _priorities(operator: str, value: Text) -> Sequence[str]:
    """One word, or those beyond it; `low..high` and every word between."""
    first, dots, last = value.text.partition("..")
    if dots and not operator:
        start, end = _rank(value, first, 0), _rank(value, last, len(words.PRIORITIES) - 1)
        return words.PRIORITIES[start : end + 1]
    rank = _rank(value, value.text)
    match operator:
        case ">":
            return words.PRIORITIES[rank + 1 :]
        case ">=":
            return words.PRIORITIES[rank:]
        case "<":
            return words.PRIORITIES[:rank]
        case "<=":
            return words.PRIORITIES[: rank + 1]
        case _:
            return words.PRIORITIES[rank : rank + 1]


def _rank(value: Text, word: str, of_a_star: int | None = None) -> int:
    if of_a_star is not None and word in ("", "*"):
        return of_a_star
    found = words.priority(word)
    if found is None:
        raise _unknown(value, words.PRIORITIES)
    return words.PRIORITIES.index(found)


def _span(field: Field, operator: str, value: Text, context: Context) -> Condition:
    """A time or a number with what it covers, one that is compared, or `from..to` (`*` or nothing: no bound)."""
    first, dots, last = value.text.partition("..")
    if dots and not operator:
        start = None if first in ("", "*") else _bounds(field, first, value, context)[0]
        end = None if last in ("", "*") else _bounds(field, last, value, context)[1]
        return Between(field, start, end)
    begin, until = _bounds(field, value.text, value, context)
    match operator:
        case ">":
            return Between(field, _next(until, 1, value), None)
        case ">=":
            return Between(field, begin, None)
        case "<":
            return Between(field, None, _next(begin, -1, value))
        case "<=":
            return Between(field, None, until)
        case _:
            return Between(field, begin, until)


def _bounds(field: Field, text: str, value: Text, context: Context) -> tuple[Bound, Bound]:
    if field is Field.NUMBER:
        number = number_of(text)
        if number is None:
            raise BadQuery("malformed_number", f"`{text}` is no ticket's number", value.at)
        return number
    time = time_of(text, context.now)
    if time is None:
        message = f"`{text}` is no time: write 2026-01-31, an ISO 8601 time, today, or -7d"
        raise BadQuery("malformed_time", message, value.at)
    return time


def _next(bound: Bound, step: int, value: Text) -> Bound:
    """The neighbour of a bound."""
    try:
        return bound + timedelta(microseconds=step) if isinstance(bound, datetime) else (bound or 0) + step
    except OverflowError:
        raise BadQuery("malformed_time", "nothing lies beyond this time", value.at) from None


def _unknown(value: Text, known: Sequence[str]) -> BadQuery:
    close = get_close_matches(words.plain(value.text), known, 1)
    message = f"`{value.text}` is none of: {', '.join(known)}"
    return BadQuery("unknown_word", message, value.at, close[0] if close else None)


def _any(conditions: Sequence[Condition]) -> Condition:
    return conditions[0] if len(conditions) == 1 else AnyOf(tuple(conditions))
