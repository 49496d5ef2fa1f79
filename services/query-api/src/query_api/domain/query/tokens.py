"""From characters to tokens: text, `field:value,value`, parentheses, minus, OR."""

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from query_api.domain.query.bad import BadQuery

_FIELD: Final = re.compile(r"([^\W\d](?:[\w.-]*\w)?)(:(?:[<>]=?)?|[<>]=?)")
_WORD: Final = re.compile(r"[^\s()\"]+")
_VALUE: Final = re.compile(r"[^\s(),\"]+")
MOST: Final = 100
"""So many tokens a query has at most."""


@dataclass(frozen=True, slots=True)
class Text:
    """A word, or what stood in quotes."""

    at: int
    text: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """`field:value`, or with another operator (`<`, `<=`, `>`, `>=`; "" for the colon)."""

    at: int
    name: str
    operator: str
    values: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """One of `(`, `)`, `-`, `OR`."""

    at: int
    mark: str


Token: TypeAlias = Text | Asked | Mark


def tokens(text: str) -> list[Token]:
    """The tokens of a query. Raises BadQuery."""
    found: list[Token] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        token, at = _token(text, at)
        found.append(token)
        if len(found) > MOST:
            raise BadQuery("too_complex", f"a query has at most {MOST} parts", token.at)
    return found


def _token(text: str, at: int) -> tuple[Token, int]:
    following = text[at + 1 : at + 2]
    if text[at] in "()" or (text[at] == "-" and following and not following.isspace() and following != ")"):
        return Mark(at, text[at]), at + 1
    if text[at] == '"':
        return _quoted(text, at)
    if asked := _FIELD.match(text, at):
        values, end = _values(text, asked.end(), asked[1])
        return Asked(at, asked[1], asked[2].removeprefix(":"), values), end
    word = _WORD.match(text, at)
    assert word is not None  # noqa: S101 - whatever it would not match was taken above
    if word[0] == "OR":
        return Mark(at, "OR"), word.end()
    return Text(at, word[0]), word.end()


def _values(text: str, at: int, name: str) -> tuple[tuple[Text, ...], int]:
    values: list[Text] = []
    while True:
        if text[at : at + 1] == '"':
            value, at = _quoted(text, at)
        elif found := _VALUE.match(text, at):
            value, at = Text(at, found[0]), found.end()
        else:
            raise BadQuery("missing_value", f"after `{name}` a value is missing", at)
        values.append(value)
        if len(values) > MOST:
            raise BadQuery("too_complex", f"a field has at most {MOST} values", at)
        if text[at : at + 1] != ",":
            return tuple(values), at
        at += 1


def _quoted(text: str, at: int) -> tuple[Text, int]:
    end = text.find('"', at + 1)
    if end < 0:
        raise BadQuery("unclosed_quote", "this quotation mark is never closed", at)
    if not text[at + 1 : end].strip():
        raise BadQuery("missing_value", "between these quotation marks there is nothing", at)
    return Text(at, text[at + 1 : end], quoted=True), end + 1
