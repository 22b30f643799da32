"""Metadata as conditions see it: any JSON object becomes fields with texts and numbers."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from elva.index.words import folded

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Fact:
    """What one field of one entry says.

    Attributes:
        texts: its values, folded; those of a list one by one.
        numbers: those of them that are numbers or read as such.
    """

    texts: tuple[str, ...]
    numbers: tuple[float, ...]


def facts(metadata: Mapping[str, Any]) -> dict[str, Fact]:
    """Field -> what it says.

    A dot reaches into objects: {"size": {"width": 3}} is the field "size.width". A list says all its elements; null,
    and an empty list or object, say nothing, so the field is missing. A number is also a text, as JSON writes it, and
    a text that reads as a number is also a number: the cells of a CSV file are texts.
    """
    values: dict[str, list[str]] = {}
    for field, value in scalars(metadata):
        values.setdefault(field, []).append(_text(value))
    return {
        field: Fact(tuple(texts), tuple(each for each in map(number, texts) if each is not None))
        for field, texts in values.items()
    }


def number(text: str) -> float | None:
    """The number that a text reads as, or None: decimal digits, perhaps with a point, a sign or an exponent."""
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value + 0.0 if math.isfinite(value) else None  # -0.0 becomes 0.0: stores needn't agree on the sign


def scalars(value: Any, field: str = "") -> Iterator[tuple[str, Any]]:
    """Field and value of all that metadata says: objects are reached into by dots, lists gone through."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from scalars(inner, f"{field}.{key}" if field else str(key))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from scalars(each, field)
    elif value is not None:
        yield field, value


def _text(value: Any) -> str:
    return folded(value if isinstance(value, str) else json.dumps(value))
