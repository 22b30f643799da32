"""Who is nearer to the positive: the order of candidates, verified by the base model's own words.

A blind model's similarity can't say which negative is near, but the base names grains well when asked to write.
So each candidate's caption is parsed into facts, and h counts the grains, named by both, on which two candidates
differ. A text candidate speaks for itself. No label is used but the query's positive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from elva.data.mbeir import Candidate
from elva.errors import InputError
from elva.grains import FactTable, Lexicon
from elva.training.prepared import candidate_key


class GrainOrder:
    """h between queries and candidates, in grains.

    Args:
        candidates: every candidate that may occur.
        captions: what the base wrote about them, by library key.
        lexicon: parses captions.
        other_offset: grains added for every candidate but a query's right answers: what the query's label knows.
    """

    def __init__(
        self, candidates: Iterable[Candidate], captions: Mapping[str, str], lexicon: Lexicon, other_offset: float
    ) -> None:
        if not lexicon.kinds:
            raise InputError(
                "the data root has no grains.json, so captions can't be parsed into grains; add one (docs/formats.md), "
                "or set reinforce.weights.listwise and regression to 0"
            )
        once = {c.did: c.text if c.image is None and c.text else captions[candidate_key(c.did)] for c in candidates}
        self._row = {did: row for row, did in enumerate(once)}
        self._table = FactTable.encode([lexicon.parse(text) for text in once.values()], lexicon)
        self._offset = other_offset

    def candidates(self, dids: Sequence[str]) -> Tensor:
        """(C, C) h between candidates; NaN where nothing is shared, and on the diagonal (a self-match says nothing)."""
        rows = self._table.take(np.array([self._row[did] for did in dids]))
        h = rows.distance(rows)
        np.fill_diagonal(h, np.nan)
        return torch.from_numpy(h)

    def queries(self, positives: Sequence[str], dids: Sequence[str], right: Tensor) -> Tensor:
        """(Q, C) h between each query's labelled positive and the candidates, plus the offset for all but right ones.

        Args:
            positives: Q dids.
            dids: C dids.
            right: (Q, C) bool: candidates as good as the positive, which get its target (`Scene.ignore`).
        """
        near = self._table.take(np.array([self._row[did] for did in positives]))
        h = near.distance(self._table.take(np.array([self._row[did] for did in dids]))) + np.float32(self._offset)
        return torch.from_numpy(h).masked_fill(right, 0.0)
