"""Scores that were computed before, by what was scored: the same pair is not read twice."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping

from elva.clips import visual_key
from elva.items import Item

Name = tuple[str | None, str | None, str | None]
"""What an item says: its text, its instruction, and the digest of what it shows, or of its turns."""
Pair = tuple[Name, Name]
"""A candidate, and what it is scored by: words, or a query."""


def name_of(item: Item) -> Name:
    """By content: a picture that was replaced under its path has another name.

    Raises:
        MediaError: a picture can't be read.
    """
    if item.turns is not None:
        turns = repr([name_of(turn) for turn in item.turns])
        return None, item.instruction, hashlib.sha256(turns.encode()).hexdigest()
    return item.text, item.instruction, None if item.shown is None else visual_key(item.shown)


class Remembered:
    """Scores of the pairs that were last used, so many at most; a pair takes about 500 bytes."""

    def __init__(self, most: int) -> None:
        self._most, self._scores = most, OrderedDict[Pair, float]()

    def __len__(self) -> int:
        return len(self._scores)

    def get(self, pair: Pair) -> float | None:
        """The score, or None where it is not known or was forgotten."""
        if pair in self._scores:
            self._scores.move_to_end(pair)
        return self._scores.get(pair)

    def add(self, scores: Mapping[Pair, float]) -> None:
        """Take new scores, and forget those that were not used for longest."""
        self._scores.update(scores)
        while len(self._scores) > self._most:
            self._scores.popitem(last=False)
