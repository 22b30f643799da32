"""Exact ranking of vectors that do not fit into memory: as `Gallery`, block by block.

All queries meet a block of candidates before the next block is read, so each vector comes from disk once. What a query
keeps between blocks is its best k so far, by exact cosine and id, and how many candidates stand before its best wanted
one. Held at a time are one block of vectors and one of cosines, whatever the number of candidates.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from elva.encoding import Vectors
from elva.index.gallery import (
    MARGIN,
    MICRO,
    Ints,
    Ranked,
    VectorError,
    cosines_micro,
    kth,
    require_finite,
    require_unique,
)
from elva.index.stacked import Stacked

BLOCK_ENTRIES = 1 << 25
"""Numbers in a block of vectors, and in a block of cosines: 128 MB each."""

_WIDER = 8
"""Products in float64 take more room: so many times fewer are held."""

_NONE = np.iinfo(np.int64).min
"""Stands for the cosine of a place in a list that nothing has taken yet."""


@dataclass(frozen=True, slots=True)
class StoredGallery:
    """Candidates by their rows in a stack. Make one with `StoredGallery.of`.

    Attributes:
        ids: m ids, ascending.
        rows: int64 [m], the row of each in `vectors`.
        vectors: unit vectors.
    """

    ids: tuple[str, ...]
    rows: Ints
    vectors: Stacked

    @classmethod
    def of(cls, ids: Sequence[str], rows: Ints, vectors: Stacked) -> StoredGallery:
        """Take m ids in any order with the rows of their vectors; VectorError for a repeated id."""
        if len(ids) != len(rows):
            raise VectorError(f"{len(ids)} ids for {len(rows)} vectors")
        require_unique(ids)
        order = sorted(range(len(ids)), key=ids.__getitem__)
        return cls(tuple(ids[i] for i in order), np.asarray(rows, np.int64)[order], vectors)

    def rank(self, queries: Vectors, k: int, wanted: Sequence[Iterable[str]] | None = None) -> Ranked:
        """Rank all candidates for each query, exactly; arguments as in `Gallery.rank`.

        Raises:
            VectorError: k is below 1, or a candidate's vector is not finite.
        """
        if k < 1:
            raise VectorError(f"lists of length {k} were asked for: ask for 1 or more")
        lists = _Lists(queries, min(k, len(self.ids)), *self._best_wanted(queries, wanted))
        by_row = np.argsort(self.rows, kind="stable")
        width = max(1, BLOCK_ENTRIES // max(1, self.vectors.dimension))
        for start in range(0, len(by_row), width):
            columns = by_row[start : start + width]
            block = self.vectors.take(self.rows[columns])
            require_finite([self.ids[column] for column in columns], block)
            lists.meet(columns, block)
        return lists.ranked()

    def _best_wanted(self, queries: Vectors, wanted: Sequence[Iterable[str]] | None) -> tuple[Ints, Ints]:
        """Cosine in millionths and column of the best wanted candidate of each query; `_NONE` where there is none."""
        micro, column = np.full(len(queries), _NONE), np.zeros(len(queries), np.int64)
        named = {each for every in wanted or () for each in every}
        place = {each: column for column, each in enumerate(self.ids) if each in named}
        for number, ids in enumerate(wanted or ()):
            columns = np.array(sorted(place[each] for each in ids if each in place), np.int64)
            if len(columns):
                cosines = cosines_micro(self.vectors.take(self.rows[columns]), queries[number])
                best = int(np.argmax(cosines))  # the first of equal ones, whose id is the least
                micro[number], column[number] = cosines[best], columns[best]
        return micro, column


class _Lists:
    """The lists of n queries while the candidates pass by.

    Args:
        queries: unit vectors, float32 [n, d].
        k: length of a list.
        wanted_micro: int64 [n], the exact cosine of each query's best wanted candidate, or `_NONE`.
        wanted_column: int64 [n], its column.
    """

    def __init__(self, queries: Vectors, k: int, wanted_micro: Ints, wanted_column: Ints) -> None:
        self._queries, self._k = queries, k
        self._micro, self._columns = np.full((len(queries), k), _NONE), np.zeros((len(queries), k), np.int64)
        self._wanted_micro, self._wanted_column = wanted_micro, wanted_column
        self._before = np.zeros(len(queries), np.int64)

    def meet(self, columns: Ints, block: Vectors) -> None:
        """Let all queries look at some more candidates: their columns, int64 [b], and vectors, float32 [b, d]."""
        at_once = max(1, BLOCK_ENTRIES // len(columns))
        room = np.empty((min(at_once, len(self._queries)), len(columns)), np.float32)
        for start in range(0, len(self._queries), at_once):
            some = self._queries[start : start + at_once]
            for number, cosines in enumerate(np.matmul(some, block.T, out=room[: len(some)]), start):
                self._keep_best(number, cosines, columns, block)
                if self._wanted_micro[number] != _NONE:
                    self._count_before(number, cosines, columns, block)

    def ranked(self) -> Ranked:
        """What `Gallery.rank` gives."""
        ranks = zip(self._before.tolist(), (self._wanted_micro != _NONE).tolist(), strict=True)
        return Ranked(self._columns, self._micro, tuple(before + 1 if there else None for before, there in ranks))

    def _keep_best(self, number: int, cosines: Vectors, columns: Ints, block: Vectors) -> None:
        last = self._micro[number, -1]
        if last != _NONE:
            least = np.float32(last / MICRO)
        else:
            least = kth(cosines, self._k) if self._k < len(cosines) else np.float32(-np.inf)
        near = np.flatnonzero(cosines >= least - MARGIN)
        if not len(near):
            return
        micro = np.concatenate([self._micro[number], _exact(self._queries[number], block, near)])
        places = np.concatenate([self._columns[number], columns[near]])
        order = np.lexsort((places, -micro.astype(np.float64)))[: self._k]  # -_NONE is no int64
        self._micro[number], self._columns[number] = micro[order], places[order]

    def _count_before(self, number: int, cosines: Vectors, columns: Ints, block: Vectors) -> None:
        """Add how many of these candidates stand before the best wanted one."""
        micro, column = self._wanted_micro[number], self._wanted_column[number]
        low, high = np.float32(micro / MICRO) - MARGIN, np.float32(micro / MICRO) + MARGIN
        sure = np.count_nonzero(cosines > high)
        self._before[number] += sure
        if np.count_nonzero(cosines >= low) > sure:
            near = np.flatnonzero((cosines >= low) & (cosines <= high))
            exact = _exact(self._queries[number], block, near)
            self._before[number] += ((exact > micro) | ((exact == micro) & (columns[near] < column))).sum()


def _exact(query: Vectors, block: Vectors, places: npt.NDArray[np.intp]) -> Ints:
    """Exact cosines of one query and these rows of a block, int64, in millionths."""
    rows = max(1, BLOCK_ENTRIES // _WIDER // max(1, len(query)))
    parts = [cosines_micro(block[places[start : start + rows]], query) for start in range(0, len(places), rows)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)
