"""What an index's metadata offers to filter by."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from elva.index.facts import number, scalars
from elva.index.protocol import Index

LOOKED_AT = 20_000
"""Entries whose metadata is read; facets of a larger index are those of its first entries by id."""

FEW = 24
"""A field of no more different values is shown with all of them."""

MANY, AGAIN = 200, 4
"""So is one of no more different words, where each comes up so often on average: kinds of things, not titles."""

BLOCK = 1_000


@dataclass(frozen=True, slots=True)
class Facet:
    """One field of the metadata.

    Attributes:
        name: of the field.
        values: its values with how many entries have each, most first; of a field of few different values.
        low: its least number; of a field of many numbers.
        high: its greatest number.
    """

    name: str
    values: tuple[tuple[str | int | float | bool, int], ...] = ()
    low: float | None = None
    high: float | None = None


def facets(index: Index) -> tuple[Facet, ...]:
    """The fields worth filtering by, in order of name, as conditions name them.

    A field of few different values, or of words that come up again and again, has them counted; one of many numbers, or
    of texts that read as such, has its range; one of many words, such as a title, is left out: the text of a query does
    better there. The elements of a list are values one by one.
    """
    columns: dict[str, list[Any]] = {}
    ids = list(islice(sorted(index.contents()), LOOKED_AT))
    for start in range(0, len(ids), BLOCK):
        for entry in index.get(ids[start : start + BLOCK]):
            for name, value in dict.fromkeys(scalars(entry.metadata)):
                columns.setdefault(name, []).append(value)
    found = (_facet(name, values) for name, values in sorted(columns.items()))
    return tuple(each for each in found if each is not None)


def _facet(name: str, values: Sequence[Any]) -> Facet | None:
    usable = [each for each in values if isinstance(each, str | int | float) and not _infinite(each)]
    counts: Mapping[Any, int] = Counter(usable)
    if 1 < len(counts) <= FEW:
        return _counted(name, counts)
    numbers = [number(each) if isinstance(each, str) else float(each) for each in counts]
    known = [each for each in numbers if each is not None]
    if len(counts) > FEW and len(known) == len(numbers):
        return Facet(name, low=min(known), high=max(known))
    if 1 < len(counts) <= MANY and len(usable) >= AGAIN * len(counts):
        return _counted(name, counts)
    return None


def _counted(name: str, counts: Mapping[Any, int]) -> Facet:
    return Facet(name, tuple(sorted(counts.items(), key=lambda each: (-each[1], str(each[0])))))


def _infinite(value: str | int | float) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
