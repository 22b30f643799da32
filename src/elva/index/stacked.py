"""Vectors in several blocks, in memory or mapped from files, addressed as if they stood one after the other."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from elva.encoding import Vectors
from elva.index.gallery import Ints


class Stacked:
    """A growing stack of blocks.

    Args:
        dimension: length of a vector.
    """

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._blocks: list[Vectors] = []
        self._starts = [0]

    def __len__(self) -> int:
        """How many vectors there are."""
        return self._starts[-1]

    def append(self, block: Vectors) -> None:
        """Put float32 [n, dimension] on top; it is not copied."""
        self._blocks.append(block)
        self._starts.append(len(self) + len(block))

    def take(self, rows: Ints) -> Vectors:
        """A copy of these vectors, float32 [n, dimension]; ascending rows are read from disk in one sweep."""
        taken = np.empty((len(rows), self.dimension), np.float32)
        block_of = np.searchsorted(self._starts, rows, side="right") - 1
        by_block = np.argsort(block_of, kind="stable")
        for first, last in pairwise([0, *(np.flatnonzero(np.diff(block_of[by_block])) + 1), len(rows)]):
            places = by_block[first:last]
            if len(places):
                number = int(block_of[places[0]])
                taken[places] = self._blocks[number][rows[places] - self._starts[number]]
        return taken
