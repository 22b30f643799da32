"""What was computed before, by what it was computed of: the same pair, or item, is not read twice."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

from elva.clips import visual_key
from elva.items import Item

Name = tuple[str | None, str | None, str | None]
"""What an item says: its text, its instruction, and the digest of what it shows, or of its turns."""
Pair = tuple[Name, Name]
"""A candidate, and what it is scored by: words, or a query."""
Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


def name_of(item: Item) -> Name:
    """By content: a picture that was replaced under its path has another name.

    Raises:
        MediaError: a picture can't be read.
    """
    if item.turns is not None:
        turns = repr([name_of(turn) for turn in item.turns])
        return None, item.instruction, hashlib.sha256(turns.encode()).hexdigest()
    return item.text, item.instruction, None if item.shown is None else visual_key(item.shown)


class Remembered(Generic[Key, Value]):
    """What was last used, so much at most; the score of a pair takes about 500 bytes."""

    def __init__(self, most: int) -> None:
        self._most, self._values = most, OrderedDict[Key, Value]()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Key) -> Value | None:
        """What was computed, or None where it is not known or was forgotten."""
        if key in self._values:
            self._values.move_to_end(key)
        return self._values.get(key)

    def add(self, values: Mapping[Key, Value]) -> None:
        """Take new ones, and forget those that were not used for longest."""
        self._values.update(values)
        while len(self._values) > self._most:
            self._values.popitem(last=False)
