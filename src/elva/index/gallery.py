"""Exact ranking by cosine, and the one rule for ties that every ranked list in the project obeys.

Cosines are compared after rounding to a millionth. Equal vectors can differ in the last bit of
their float32 product, depending on where a matrix multiplication happens to place them; rounded,
they tie, and a tie is ranked by id, ascending.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from elva.encoding import Vectors
from elva.errors import InputError

MICRO = 1_000_000
"""Cosines are ranked as whole numbers of millionths."""

_BLOCK_ENTRIES = 1 << 23
"""Cosines held at a time: 64 MB of int64 keys."""

Ints = npt.NDArray[np.int64]


class VectorError(InputError):
    """Vectors that can't be ranked: not finite, or ids that don't fit them."""


def to_micro(cosines: npt.NDArray[np.floating]) -> Ints:
    """Cosines as whole millionths, the resolution at which they are compared."""
    micro: Ints = np.rint(cosines * MICRO).astype(np.int64)
    return micro


def require_finite(ids: Sequence[str], vectors: Vectors) -> None:
    """Raise VectorError naming the first item whose vector holds NaN or infinity."""
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise VectorError(
            f"the vector of {ids[int(bad[0])]!r} holds NaN or infinity "
            f"({len(bad)} of {len(ids)} items do): "
            "the model is broken, look at its training loss"
        )


def require_unique(ids: Iterable[str]) -> None:
    """Raise VectorError naming the first id that occurs twice."""
    seen: set[str] = set()
    for each in ids:
        if each in seen:
            raise VectorError(f"id {each!r} occurs twice: ids must be unique")
        seen.add(each)


@dataclass(frozen=True, slots=True)
class Ranked:
    """The best k of a gallery for each of n queries, best first.

    Attributes:
        columns: int64 [n, k], positions in `Gallery.ids`.
        micro: int64 [n, k], cosines in millionths.
        best_wanted: for each query the rank, from 1, of its best wanted id in the whole gallery, or
            None when the gallery holds none of them.
    """

    columns: Ints
    micro: Ints
    best_wanted: tuple[int | None, ...]

    @property
    def scores(self) -> npt.NDArray[np.float64]:
        """Cosines, float64 [n, k], rounded to a millionth."""
        return np.asarray(self.micro / MICRO)


@dataclass(frozen=True, slots=True)
class Gallery:
    """Vectors to be searched, held in ascending order of id. Make one with `Gallery.of`."""

    ids: tuple[str, ...]
    vectors: Vectors

    @classmethod
    def of(cls, ids: Sequence[str], vectors: Vectors) -> Gallery:
        """Take unit vectors float32 [m, d] with their ids; VectorError on NaN or a repeated id."""
        if len(ids) != len(vectors):
            raise VectorError(f"{len(ids)} ids for {len(vectors)} vectors")
        require_unique(ids)
        require_finite(ids, vectors)
        order = sorted(range(len(ids)), key=ids.__getitem__)
        return cls(tuple(ids[i] for i in order), np.ascontiguousarray(vectors[order], np.float32))

    def rank(self, queries: Vectors, k: int, wanted: Sequence[Iterable[str]] | None = None) -> Ranked:
        """Rank the gallery for each query, exactly.

        Args:
            queries: unit vectors, float32 [n, d], finite.
            k: length of each list; no more than the gallery holds are given.
            wanted: for each query the ids whose best rank is asked for.
        """
        k = min(k, len(self.ids))
        column = {each: i for i, each in enumerate(self.ids)}
        targets = [[column[w] for w in each if w in column] for each in wanted or [()] * len(queries)]
        best = np.empty((len(queries), k), np.int64)
        ranks: list[int | None] = []
        for start, keys in self._keys(queries):
            best[start : start + len(keys)] = _largest(keys, k)
            block = targets[start : start + len(keys)]
            ranks += [_rank_of(row, columns) for row, columns in zip(keys, block, strict=True)]
        size = max(1, len(self.ids))
        return Ranked(size - 1 - best % size, best // size, tuple(ranks))

    def _keys(self, queries: Vectors) -> Iterator[tuple[int, Ints]]:
        """Blocks of int64 keys [b, m], all distinct in a row, that order it as the rule does."""
        size = len(self.ids)
        last_first = size - 1 - np.arange(size)
        rows = max(1, _BLOCK_ENTRIES // max(1, size))
        for start in range(0, len(queries), rows):
            micro = to_micro(queries[start : start + rows] @ self.vectors.T)
            yield start, micro * size + last_first


def _largest(keys: Ints, k: int) -> Ints:
    """The k largest of each row, descending."""
    size = keys.shape[1]
    if k < size:
        keys = np.partition(keys, size - k, axis=1)[:, size - k :]
    return np.sort(keys, axis=1)[:, ::-1]


def _rank_of(keys: Ints, columns: list[int]) -> int | None:
    if not columns:
        return None
    return int((keys > keys[columns].max()).sum()) + 1
