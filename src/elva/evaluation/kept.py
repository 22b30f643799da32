"""Where vectors and summaries are kept while a model is judged: in memory here, on disk in cache.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from elva.encoding import Encoder, Encoding, Progress
from elva.index.gallery import Ints
from elva.index.stacked import Stacked
from elva.items import Item


@dataclass(frozen=True, slots=True)
class Taken:
    """What n items came to.

    Attributes:
        rows: int64 [n], where each vector stands.
        forced_ret: for how many a summary did not end in [RET] by itself.
        truncated: how many texts were cut.
    """

    rows: Ints
    forced_ret: int
    truncated: int


class Keep(Protocol):
    """Keeps what an encoder gives."""

    @property
    def vectors(self) -> Stacked:
        """All that are kept, by row."""

    def take(self, encoder: Encoder, items: Sequence[Item], progress: Progress | None = None) -> Taken:
        """Have items embedded, or find what was kept of them."""

    def summary(self, row: int) -> str:
        """What the model wrote."""


class InMemory:
    """Keeps all in memory, for one evaluation.

    Args:
        dimension: length of a vector.
    """

    def __init__(self, dimension: int) -> None:
        self.vectors = Stacked(dimension)
        self._summaries: list[str] = []

    def take(self, encoder: Encoder, items: Sequence[Item], progress: Progress | None = None) -> Taken:
        """Embed all items anew."""
        return self.put(encoder.embed(items, progress=progress))

    def put(self, encoding: Encoding) -> Taken:
        """Keep what an encoder gave."""
        start = len(self.vectors)
        self.vectors.append(np.asarray(encoding.vectors, np.float32))
        self._summaries.extend(encoding.summaries)
        return Taken(np.arange(start, len(self.vectors)), encoding.forced_ret, encoding.truncated)

    def summary(self, row: int) -> str:
        """What the model wrote."""
        return self._summaries[row]
