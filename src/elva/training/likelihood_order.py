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
        nats: log-likelihood that one grain costs: the unit of `differences`.
        other_offset: grains added for every candidate but a query's right answers: what the query's label knows.
        whole_pool: the candidates are a whole pool, of which a shortlist was scored.
    """

    def __init__(
        self,
        scores: Mapping[str, Mapping[str, float]],
        nats: float = 1.0,
        other_offset: float = 0.0,
        whole_pool: bool = False,
    ) -> None:
        self._scores, self._nats, self._offset, self._whole_pool = scores, nats, other_offset, whole_pool

    def differences(self, qids: Sequence[str], dids: Sequence[str], right: Tensor) -> Tensor:
        """(Q, C) h in grains: how much less probable a query is behind a candidate than behind its best one.

        A pair that was not scored counts as the least probable of its query: the shortlist had nearer ones. In a whole
        pool it is infinitely far: thousands of the least probable would share most of what a softmax aims at. NaN where
        nothing of a query was scored.

        Args:
            qids: Q queries.
            dids: C candidates.
            right: (Q, C) bool: right answers, whose h is 0.
        """
        scores = self.queries(qids, dids)
        worst = scores.nan_to_num(torch.inf).amin(-1, keepdim=True)
        unscored = torch.full_like(worst, -torch.inf) if self._whole_pool else worst
        scores = scores.where(~scores.isnan(), unscored.masked_fill(worst.isinf(), torch.nan))
        h = (scores.amax(-1, keepdim=True) - scores) / self._nats + self._offset
        return h.masked_fill(right, 0.0)

    def queries(self, qids: Sequence[str], dids: Sequence[str]) -> Tensor:
        """(Q, C) float32 log-likelihoods; NaN where the pair was not scored."""
        known = [self._scores.get(qid, {}) for qid in qids]
        return torch.tensor([[scores.get(did, torch.nan) for did in dids] for scores in known]).view(
            len(qids), len(dids)
        )
