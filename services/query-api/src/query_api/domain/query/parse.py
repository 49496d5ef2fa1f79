"""From tokens to a condition: terms that all hold, `OR`, `-`, parentheses (behaviours §4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from query_api.domain.query.bad import BadQuery
from query_api.domain.query.fields import Context, condition
from query_api.domain.query.tokens import Asked, Mark, Text, Token, tokens
from query_api.domain.query.tree import AllOf, AnyOf, Condition, Contains, Equals, Field, Not
from query_api.domain.query.values import number_of

DEEPEST: Final = 20


@dataclass(frozen=True, slots=True)
class Query:
    """A query as it was written, by whom, and what it comes to."""

    text: str
    me: UUID
    condition: Condition


def parse(text: str, *, me: UUID, now: datetime) -> Query:
    """The query that `text` is. Raises BadQuery, which says where it stops to be one."""
    return Query(text, me, _Parser(tokens(text), len(text), Context(me, now)).whole())


class _Parser:
    """Recursive descent over the tokens; `end` is where a missing one would stand."""

    def __init__(self, found: Sequence[Token], end: int, context: Context) -> None:
        self._tokens, self._end, self._context = found, end, context
        self._next = 0

    def whole(self) -> Condition:
        if not self._tokens:
            return AllOf(())
        found = self._either(0)
        if (left := self._peek()) is not None:
            raise BadQuery("unbalanced_parenthesis", "this parenthesis was never opened", left.at)
        return found

    def _either(self, depth: int) -> Condition:
        branches = [self._all(depth)]
        while self._takes("OR"):
            branches.append(self._all(depth))
        return branches[0] if len(branches) == 1 else AnyOf(tuple(branches))

    def _all(self, depth: int) -> Condition:
        terms: list[Condition] = []
        while (token := self._peek()) is not None and not (isinstance(token, Mark) and token.mark in (")", "OR")):
            terms.append(self._term(depth))
        if not terms:
            at = self._end if token is None else token.at
            raise BadQuery("missing_term", "here something to look for is missing", at)
        return terms[0] if len(terms) == 1 else AllOf(tuple(terms))

    def _term(self, depth: int) -> Condition:
        negated = False
        while self._takes("-"):
            negated = not negated
        found = self._plain(depth)
        return Not(found) if negated else found

    def _plain(self, depth: int) -> Condition:
        match token := self._peek():
            case Mark(mark="("):
                return self._group(token, depth)
            case Asked():
                self._next += 1
                return condition(token, self._context)
            case Text():
                self._next += 1
                return _text(token)
            case _:
                at = self._end if token is None else token.at
                raise BadQuery("missing_term", "here something to look for is missing", at)

    def _group(self, opened: Mark, depth: int) -> Condition:
        if depth == DEEPEST:
            raise BadQuery("too_complex", f"parentheses go {DEEPEST} deep", opened.at)
        self._next += 1
        found = self._either(depth + 1)
        if not self._takes(")"):
            raise BadQuery("unbalanced_parenthesis", "this parenthesis is never closed", opened.at)
        return found

    def _peek(self) -> Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _takes(self, mark: str) -> bool:
        token = self._peek()
        if isinstance(token, Mark) and token.mark == mark:
            self._next += 1
            return True
        return False


def _text(token: Text) -> Condition:
    number = number_of(token.text) if token.text.startswith("#") and not token.quoted else None
    return Equals(Field.NUMBER, (number[0],)) if number else Contains(token.text)
