"""Who is nearer to a query: the order of candidates by how probable the base finds the query's words behind each.

Soft where `order.GrainOrder` is hard: no caption of a candidate is parsed, and a grain that the base is unsure of
weighs little. No label is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


class LikelihoodOrder:
    """Log-likelihoods of queries behind candidates, in nats: higher is nearer.

    Args:
        scores: qid -> did -> log-likelihood, such as `elva.data.scores.Scores` of what `elva likelihood` wrote.
    """

    def __init__(self, scores: Mapping[str, Mapping[str, float]]) -> None:
        self._scores = scores

    def queries(self, qids: Sequence[str], dids: Sequence[str]) -> Tensor:
        """(Q, C) float32 log-likelihoods; NaN where the pair was not scored."""
        known = [self._scores.get(qid, {}) for qid in qids]
        return torch.tensor([[scores.get(did, torch.nan) for did in dids] for scores in known]).view(
            len(qids), len(dids)
        )
