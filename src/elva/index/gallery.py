"""Exact ranking by cosine, and the one rule for ties that every ranked list in the project obeys.

Cosines are compared after rounding to a millionth, and a tie is ranked by id, ascending. Equal vectors can differ in
the last bits of their float32 product, depending on where a matrix multiplication happens to place them, and rounding
can drive them further apart. So float32 only chooses who is near enough to matter; these are compared by a float64
product that is the same wherever a vector stands.
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

MARGIN = np.float32(2e-6)
"""How far apart two float32 cosines of unit vectors are when their order is sure.

Half a millionth for the error of each, and one for the rounding.
"""

_BLOCK_ENTRIES = 1 << 26
"""Cosines held at a time: 256 MB. With fewer queries at a time each waits for all vectors to come from memory."""

_WIDER = 8
"""Of what takes more room, such as products in float64, so many times fewer are held: 64 MB."""

Ints = npt.NDArray[np.int64]


class VectorError(InputError):
    """Vectors that can't be ranked: not finite, or ids that don't fit them."""


def cosines_micro(left: Vectors, right: Vectors) -> Ints:
    """Row-wise cosines of unit vectors [n, d], or of one and n, in whole millionths: as everywhere they are compared.

    Each row is multiplied and summed by itself in float64, so equal rows give equal numbers.
    """
    micro: Ints = np.rint((left.astype(np.float64) * right).sum(axis=-1) * MICRO).astype(np.int64)
    return micro


def require_finite(ids: Sequence[str], vectors: Vectors) -> None:
    """Raise VectorError naming the first item whose vector holds NaN or infinity."""
    rows = max(1, _BLOCK_ENTRIES // _WIDER // max(1, vectors.shape[1]))
    blocks = [np.isfinite(vectors[start : start + rows]).all(axis=1) for start in range(0, len(vectors), rows)]
    bad = np.flatnonzero(~np.concatenate([np.ones(0, bool), *blocks]))
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
    def of(cls, ids: Sequence[str], vectors: Vectors, rows: Ints | None = None) -> Gallery:
        """Take unit vectors with their ids.

        Args:
            ids: m ids.
            vectors: float32 [n, d], perhaps on disk; those that are taken are copied once.
            rows: which of them are those of the ids, int64 [m]; all, in their order, by default.

        Raises:
            VectorError: NaN, or a repeated id.
        """
        rows = np.arange(len(vectors)) if rows is None else rows
        if len(ids) != len(rows):
            raise VectorError(f"{len(ids)} ids for {len(rows)} vectors")
        require_unique(ids)
        order = sorted(range(len(ids)), key=ids.__getitem__)
        ids = tuple(ids[i] for i in order)
        vectors = np.ascontiguousarray(vectors[rows[order]], np.float32)
        require_finite(ids, vectors)
        return cls(ids, vectors)

    def rank(self, queries: Vectors, k: int, wanted: Sequence[Iterable[str]] | None = None) -> Ranked:
        """Rank the gallery for each query, exactly.

        Args:
            queries: unit vectors, float32 [n, d], finite.
            k: length of each list; no more than the gallery holds are given.
            wanted: for each query the ids whose best rank is asked for.

        Raises:
            VectorError: k is below 1.
        """
        if k < 1:
            raise VectorError(f"lists of length {k} were asked for: ask for 1 or more")
        k = min(k, len(self.ids))
        targets = self._columns_of(wanted) if wanted else [[]] * len(queries)
        columns, micro = np.empty((len(queries), k), np.int64), np.empty((len(queries), k), np.int64)
        ranks: list[int | None] = []
        for start, block in self.cosines(queries):
            for row, cosines in enumerate(block, start):
                columns[row], micro[row] = self.nearest(queries[row], cosines, k)
                ranks.append(self._best_rank(queries[row], cosines, columns[row], targets[row]))
        return Ranked(columns, micro, tuple(ranks))

    def _columns_of(self, wanted: Sequence[Iterable[str]]) -> list[list[int]]:
        """Where the ids of each stand; those that the gallery doesn't hold stand nowhere."""
        column = {each: i for i, each in enumerate(self.ids)}
        return [[column[w] for w in each if w in column] for each in wanted]

    def cosines(self, queries: Vectors) -> Iterator[tuple[int, Vectors]]:
        """Blocks of float32 cosines [b, m] with the number of their first query; the next one overwrites the last."""
        rows = max(1, _BLOCK_ENTRIES // max(1, len(self.ids)))
        block = np.empty((min(rows, len(queries)), len(self.ids)), np.float32)
        for start in range(0, len(queries), rows):
            some = queries[start : start + rows]
            yield start, np.matmul(some, self.vectors.T, out=block[: len(some)])

    def nearest(self, query: Vectors, cosines: Vectors, k: int) -> tuple[Ints, Ints]:
        """Columns of the k nearest to one query [d], best first, and their cosines in millionths.

        `cosines` are the query's, float32 [m], as `cosines` gives them; a column that must not be chosen holds -inf.
        """
        least = kth(cosines, k) if k < len(cosines) else -np.inf
        columns = np.flatnonzero(cosines >= least - MARGIN)
        micro = self.micro(query, columns)
        order = np.argsort(-micro, kind="stable")[:k]  # columns ascend, and so do their ids
        return columns[order], micro[order]

    def _best_rank(self, query: Vectors, cosines: Vectors, top: Ints, targets: Sequence[int]) -> int | None:
        """Rank, from 1, of the best of the columns `targets`; `top` are the query's best columns, in order."""
        if not targets:
            return None
        found = np.flatnonzero(np.isin(top, targets))
        if len(found):
            return int(found[0]) + 1
        best = max(zip(self.micro(query, np.array(targets)).tolist(), (-each for each in targets), strict=True))
        sure = np.count_nonzero(cosines > best[0] / MICRO + MARGIN)
        near = np.flatnonzero(np.abs(cosines - best[0] / MICRO) <= MARGIN)
        exact = self.micro(query, near)
        before = (exact > best[0]) | ((exact == best[0]) & (near < -best[1]))
        return int(sure + before.sum()) + 1

    def micro(self, query: Vectors, columns: Ints) -> Ints:
        """Exact cosines of one query [d] and these columns, in millionths."""
        rows = max(1, _BLOCK_ENTRIES // _WIDER // max(1, len(query)))
        micro = np.empty(len(columns), np.int64)
        for start in range(0, len(columns), rows):
            micro[start : start + rows] = cosines_micro(self.vectors[columns[start : start + rows]], query)
        return micro


def kth(cosines: Vectors, k: int) -> np.float32:
    """The k-th greatest of m > k cosines.

    The k-th greatest of the greatest of each of many groups is no greater: what lies below need not be sorted.
    """
    groups = 16 * k
    width = len(cosines) // groups if groups else 0
    if width > 1:
        greatest = cosines[: groups * width].reshape(groups, width).max(axis=1)
        cosines = cosines[cosines >= np.partition(greatest, -k)[-k]]
    least: np.float32 = np.partition(cosines, -k)[-k]
    return least
