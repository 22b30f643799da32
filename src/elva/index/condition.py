"""Filters on metadata: a small language, read once and understood alike by every store.

    colour = red                        a field and a value; case makes no difference
    price < 40 and season in (Summer, Fall)
    not (brand = "New Balance" or year >= 2020)

Comparisons are `=`, `!=`, `<`, `<=`, `>`, `>=` and `in (..., ...)`; `not` binds closest, then `and`, then `or`. A name
or value of several words, or with signs of the language in it, stands in quotes, single or double; a quote inside is
doubled. A value that reads as a number is compared with the field's numbers, any other, and one in quotes, with its
texts, in the order of their characters: so dates written year first compare as dates.

A field that holds a list satisfies a comparison when one of its elements does. A missing field satisfies none: so
`not colour = red` and `colour != red` are true of an entry without a colour. See facts.py for what a field says.
"""

from __future__ import annotations

import difflib
import operator
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from elva.errors import InputError
from elva.index.facts import Fact, facts, number
from elva.index.words import folded

LONGEST = 4_000
"""Characters of a condition; nobody types more, and what is longer could be made to exhaust a store's parser."""
DEEPEST = 30
"""Levels of parentheses and nots."""
MOST = 100
"""Comparisons; a value of `in` counts as one."""

_TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*")|(?P<sign><=|>=|!=|==|[=<>(),])|(?P<word>[^\s'"=<>!(),]+))"""
)
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_SIGNS = (*_COMPARISONS, "==", "!=")

Columns = Mapping[str, tuple[str, str]]
"""Field -> the SQL columns of its texts and its numbers, both lists."""


class ConditionError(InputError):
    """A condition that can't be read, or that names an unknown field."""


class Condition(ABC):
    """What metadata must satisfy; `parse` makes one."""

    def holds(self, metadata: Mapping[str, Any]) -> bool:
        """Whether an entry's metadata satisfy it."""
        return self.true_of(facts(metadata))

    @abstractmethod
    def true_of(self, said: Mapping[str, Fact]) -> bool:
        """The same for metadata that went through `facts` before."""

    @abstractmethod
    def sql(self, columns: Columns) -> str:
        """The same as an expression of SQL that is never NULL; values are quoted, and names come from `columns`."""


@dataclass(frozen=True, slots=True)
class Compare(Condition):
    """A field beside a value.

    Attributes:
        field: the field's name.
        sign: "=", "<", "<=", ">" or ">=".
        value: a number, or a folded text.
    """

    field: str
    sign: str
    value: float | str

    def true_of(self, said: Mapping[str, Fact]) -> bool:
        """Whether one of the field's values compares so."""
        if self.field not in said:
            return False
        fact = said[self.field]
        values: Sequence[Any] = fact.texts if isinstance(self.value, str) else fact.numbers
        return any(_COMPARISONS[self.sign](each, self.value) for each in values)

    def sql(self, columns: Columns) -> str:
        """Of a list only its least or greatest element decides, so no element is looked at one by one."""
        if self.field not in columns:
            return "false"
        texts, numbers = columns[self.field]
        text = isinstance(self.value, str)
        column, value = (texts, quoted(str(self.value))) if text else (numbers, f"CAST('{self.value!r}' AS DOUBLE)")
        if self.sign == "=":
            return f"coalesce(array_has({column}, {value}), false)"
        extreme = "array_min" if self.sign.startswith("<") else "array_max"
        return f"coalesce({extreme}({column}) {self.sign} {value}, false)"


@dataclass(frozen=True, slots=True)
class Not(Condition):
    """The opposite."""

    part: Condition

    def true_of(self, said: Mapping[str, Fact]) -> bool:
        """Whether the part is false."""
        return not self.part.true_of(said)

    def sql(self, columns: Columns) -> str:
        """Beside false: LanceDB takes NOT before a NOT in parentheses for the name of a function."""
        return f"({self.part.sql(columns)} = false)"


@dataclass(frozen=True, slots=True)
class And(Condition):
    """All of several."""

    parts: tuple[Condition, ...]

    def true_of(self, said: Mapping[str, Fact]) -> bool:
        """Whether every part is true."""
        return all(each.true_of(said) for each in self.parts)

    def sql(self, columns: Columns) -> str:
        """AND."""
        return f"({' AND '.join(each.sql(columns) for each in self.parts)})"


@dataclass(frozen=True, slots=True)
class Or(Condition):
    """One of several."""

    parts: tuple[Condition, ...]

    def true_of(self, said: Mapping[str, Fact]) -> bool:
        """Whether a part is true."""
        return any(each.true_of(said) for each in self.parts)

    def sql(self, columns: Columns) -> str:
        """OR."""
        return f"({' OR '.join(each.sql(columns) for each in self.parts)})"


def quoted(text: str) -> str:
    """A text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def parse(text: str, fields: Collection[str] | None = None) -> Condition:
    """Read a condition.

    Args:
        text: see the module.
        fields: the fields that there are; None takes any name.

    Raises:
        ConditionError: names the column of the text, counted from 1, and what was expected there; suggests the nearest
            field where one is unknown.
    """
    if len(text) > LONGEST:
        raise ConditionError(f"the condition has {len(text):,} characters, the limit is {LONGEST:,}; shorten it")
    return _Parser(text, fields).whole()


@dataclass(frozen=True, slots=True)
class _Token:
    """A piece of the text: what it says, "" at the end; what it is; and where it begins, from 1."""

    text: str
    kind: str
    column: int

    def is_word(self, *words: str) -> bool:
        return self.kind == "word" and self.text.lower() in words


def _tokens(text: str) -> list[_Token]:
    tokens, at, end = [], 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            sign = text[at]
            reason = f"the quote {sign} is never closed" if sign in "'\"" else f"{sign!r} is no sign of the language"
            raise ConditionError(f"condition, column {at + 1}: {reason}; {_HELP}")
        kind, piece = found.lastgroup, found[found.lastgroup]
        if kind == "quoted":
            piece = piece[1:-1].replace(piece[0] * 2, piece[0])
        tokens.append(_Token(piece, kind, found.start(kind) + 1))
        at = found.end()
    return [*tokens, _Token("", "end", end + 1)]


_HELP = 'write it like: colour = red and price < 40 and not brand = "New Balance"'


class _Parser:
    """Recursive descent, one method for each level of binding."""

    def __init__(self, text: str, fields: Collection[str] | None) -> None:
        self._tokens, self._at, self._fields = _tokens(text), 0, fields
        self._depth = self._comparisons = 0

    def whole(self) -> Condition:
        condition = self._any()
        if self._next.kind != "end":
            raise self._expected("and, or, or the end (a value of several words stands in quotes)")
        return condition

    def _any(self) -> Condition:
        return self._joined("or", self._all, Or)

    def _all(self) -> Condition:
        return self._joined("and", self._one, And)

    def _joined(
        self, word: str, part: Callable[[], Condition], join: Callable[[tuple[Condition, ...]], Condition]
    ) -> Condition:
        parts = [part()]
        while self._next.is_word(word):
            self._take()
            parts.append(part())
        return parts[0] if len(parts) == 1 else join(tuple(parts))

    def _one(self) -> Condition:
        self._depth += 1
        if self._depth > DEEPEST:
            raise ConditionError(
                f"condition, column {self._next.column}: nested deeper than {DEEPEST}; write it flatter"
            )
        try:
            if self._next.is_word("not"):
                self._take()
                return Not(self._one())
            if self._is_sign("("):
                self._take()
                inner = self._any()
                self._close()
                return inner
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Condition:
        field = self._field()
        if self._next.is_word("in"):
            self._take()
            return self._among(field)
        if not self._is_sign(*_SIGNS):
            raise self._expected(f"one of {' '.join((*_COMPARISONS, '!=', 'in'))} behind {field!r}")
        sign = self._take().text
        value = self._value()
        if sign == "!=":
            return Not(Compare(field, "=", value))
        return Compare(field, "=" if sign == "==" else sign, value)

    def _among(self, field: str) -> Condition:
        if not self._is_sign("("):
            raise self._expected("( behind in")
        self._take()
        parts: list[Condition] = [Compare(field, "=", self._value())]
        while self._is_sign(","):
            self._take()
            parts.append(Compare(field, "=", self._value()))
        self._close()
        return Or(tuple(parts))

    def _field(self) -> str:
        if self._next.kind not in ("word", "quoted") or self._next.is_word("and", "or", "in"):
            raise self._expected("a field")
        token = self._take()
        if self._fields is not None and token.text not in self._fields:
            raise ConditionError(f"condition, column {token.column}: {_unknown(token.text, self._fields)}")
        return token.text

    def _value(self) -> float | str:
        if self._next.kind not in ("word", "quoted"):
            raise self._expected("a value")
        self._comparisons += 1
        if self._comparisons > MOST:
            raise ConditionError(f"condition, column {self._next.column}: more than {MOST} comparisons; ask for fewer")
        token = self._take()
        value = number(token.text) if token.kind == "word" else None
        return folded(token.text) if value is None else value

    def _close(self) -> None:
        if not self._is_sign(")"):
            raise self._expected(")")
        self._take()

    def _is_sign(self, *signs: str) -> bool:
        return self._next.kind == "sign" and self._next.text in signs

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _expected(self, what: str) -> ConditionError:
        found = "the end" if self._next.kind == "end" else repr(self._next.text)
        return ConditionError(f"condition, column {self._next.column}: found {found}, expected {what}; {_HELP}")


def _unknown(field: str, fields: Collection[str]) -> str:
    inside = sorted(each for each in fields if each.endswith(f".{field}"))
    near = inside or difflib.get_close_matches(field, fields, n=1)
    there = ", ".join(sorted(fields)[:20]) or "none"
    hint = f"did you mean {near[0]!r}?" if near else f"the fields are: {there}"
    return f"no entry has a field {field!r}; {hint}"
