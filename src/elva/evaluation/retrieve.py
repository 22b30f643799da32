"""One task: query vectors against a pool, as a run and as ranks of the best positives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from elva.encoding import Vectors
from elva.evaluation.trec import Run, strictly_falling
from elva.index.gallery import Gallery, require_finite
from elva.index.stored_gallery import StoredGallery


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The outcome of one task, in ascending order of qid.

    Attributes:
        run: the top of each ranked list.
        ranks: the rank, from 1, of the best positive in the whole pool; None when the pool holds
            none.
    """

    run: Run
    ranks: tuple[int | None, ...]


def retrieve(
    qids: Sequence[str],
    queries: Vectors,
    gallery: Gallery | StoredGallery,
    positives: Mapping[str, Sequence[str]],
    depth: int = 100,
) -> Retrieval:
    """Rank `gallery` for each query by cosine, ties by did ascending.

    Args:
        qids: n query ids.
        queries: unit vectors, float32 [n, d]; NaN raises VectorError naming the query.
        gallery: the pool.
        positives: query id -> ids of its relevant candidates.
        depth: how many candidates of each list the run keeps.
    """
    require_finite(qids, queries)
    order = sorted(range(len(qids)), key=qids.__getitem__)
    names = tuple(qids[i] for i in order)
    ranked = gallery.rank(queries[order], depth, [positives.get(qid, ()) for qid in names])
    dids = tuple(tuple(gallery.ids[c] for c in row) for row in ranked.columns.tolist())
    micro = tuple(tuple(row) for row in strictly_falling(ranked.micro).tolist())
    return Retrieval(Run(names, dids, micro), ranked.best_wanted)
