"""Conditions, words and versions as filter expressions of Milvus, over the columns of milvus_rows.py.

Values that are compared for equality are digests, and words hold letters and digits only, so nothing of a user's is
quoted but the texts of <, <=, > and >=. NOT never stands before a comparison of something that may be missing, where
Milvus knows a third truth value: a negation is brought to the comparisons first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from elva.index.condition import And, Compare, Condition, Not, Or
from elva.index.milvus_rows import fact, key_of, token

ALWAYS, NEVER = "born >= 0", "born < 0"
_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def visible(version: int) -> str:
    """Rows that this version holds."""
    return f"(born <= {version} and died > {version})"


def expression(condition: Condition, fields: Mapping[str, int], *, negated: bool = False) -> str:
    """Rows whose metadata satisfy a condition, or do not where `negated`; `fields` numbers those that there are."""
    match condition:
        case Compare():
            return _comparison(condition, fields, negated)
        case Not(part):
            return expression(part, fields, negated=not negated)
        case And(parts) | Or(parts):
            word = " and " if isinstance(condition, And) is not negated else " or "
            return f"({word.join(expression(each, fields, negated=negated) for each in parts)})"
    raise TypeError(f"{condition!r} is no condition that condition.py knows")


def _comparison(asked: Compare, fields: Mapping[str, int], negated: bool) -> str:
    if asked.field not in fields:
        return ALWAYS if negated else NEVER
    i = fields[asked.field]
    if asked.sign == "=":
        return f"{'not ' if negated else ''}{_holds('facts', fact(i, asked.value))}"
    text = isinstance(asked.value, str)
    literal = quoted(str(asked.value)) if text else repr(asked.value)
    kind, side = "t" if text else "n", "least" if asked.sign.startswith("<") else "greatest"
    there, end = _holds("facts", f"{kind}{i}"), f'ranges["{kind}{i}_{side}"]'
    if negated:
        return f"(not {there} or {end} {_OPPOSITE[asked.sign]} {literal})"
    return f"({there} and {end} {asked.sign} {literal})"


def holding(words: Iterable[str]) -> str:
    """Rows that hold all of some words, at least one."""
    return f"({' and '.join(_holds('words', token(each)) for each in words)})"


def of_ids(ids: Sequence[str]) -> str:
    """Rows of these ids, at least one, in all versions."""
    return f"key in [{', '.join(quoted(key_of(each)) for each in ids)}]"


def quoted(text: str) -> str:
    """A text as a literal: what is folded holds no line break, so only these two mean something."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _holds(column: str, element: str) -> str:
    return f'array_contains({column}, "{element}")'
