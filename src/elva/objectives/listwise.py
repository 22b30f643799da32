"""Ranking objectives on the embedding itself: gradients flow through the cosine, not through sampled tokens.

The target order comes from h, a count of grains on which two items differ (`elva.training.order` says who
counts). Small h means near. NaN means unknown: such a pair is left out. Infinite means farther than all that can be
counted: such a candidate is a rival of those nearer, and nothing is asked of it. A row without any finite h is 0.

`listwise_reward` and `regression_loss` also ask how far apart candidates lie, `list_mle` and `cosent` only which is
nearer; so do those of `elva.objectives.ndcg`, which weigh the top more.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def listwise_reward(
    similarity: Tensor, differences: Tensor, grain_temperature: float = 0.5, temperature: float = 0.05
) -> Tensor:
    """R = -KL(softmax(-h / grain_temperature) || softmax(cos / temperature)) per row, in (A,), at most 0.

    Args:
        similarity: (A, C) cosines of anchors and candidates.
        differences: (A, C) h, in grains; NaN pairs are left out of both distributions, infinite ones have no weight in
            the target and keep theirs in the model's.
        grain_temperature: in grains; a candidate one grain off has exp(-1 / grain_temperature) the target's weight.
        temperature: of the cosines.
    """
    aimed = differences.isfinite()
    empty = ~aimed.any(-1, keepdim=True)  # such a row would make softmax NaN: computed, then dropped
    left_out = differences.isnan() & ~empty
    target = (-differences / grain_temperature).masked_fill(~aimed, float("-inf")).masked_fill(empty, 0.0)
    model = (similarity / temperature).masked_fill(left_out, float("-inf"))
    log_target = F.log_softmax(target, -1).masked_fill(~aimed, 0.0)
    log_model = F.log_softmax(model, -1).masked_fill(~aimed, 0.0)
    weight = log_target.exp().masked_fill(~aimed, 0.0)
    return -(weight * (log_target - log_model)).sum(-1)


def regression_loss(similarity: Tensor, differences: Tensor, slope: float = 0.1) -> Tensor:
    """Weighted mean of (cos - (1 - slope * h))^2, in (); near pairs weigh most, by 1 / (1 + h)^2.

    Args:
        similarity: (A, C) cosines.
        differences: (A, C) h, in grains; NaN and infinite pairs are left out.
        slope: cosine lost per grain.
    """
    known = differences.isfinite()
    h = differences.masked_fill(~known, 0.0)
    weight = known.to(similarity.dtype) / (1.0 + h) ** 2
    error = (similarity - (1.0 - slope * h)) ** 2
    return (weight * error).sum() / weight.sum().clamp_min(torch.finfo(similarity.dtype).tiny)


def list_mle(similarity: Tensor, differences: Tensor, temperature: float = 0.05) -> Tensor:
    """ListMLE (Xia et al., 2008): -log likelihood of choosing the candidates nearest first, in (..., A), at least 0.

    Every choice is a softmax of cos / temperature over a candidate and those that are farther. Candidates of one h are
    not ordered among each other: neither stands among the other's rivals. The mean over the choices where the paper has
    the sum, so that long rows weigh no more than short ones.

    Args:
        similarity: (..., A, C) cosines of anchors and candidates.
        differences: (..., A, C) h, in grains; NaN pairs are neither chosen nor rivals, infinite ones rivals
            alone.
        temperature: of the cosines.
    """
    scores = similarity / temperature
    chosen = differences.isfinite()
    surprise = F.softplus(_farther(scores, differences) - scores).masked_fill(~chosen, 0.0)
    return surprise.sum(-1) / chosen.sum(-1).clamp_min(1)


def cosent(similarity: Tensor, differences: Tensor, temperature: float = 0.05) -> Tensor:
    """CoSENT (Su, 2022): log(1 + sum of exp((s_j - s_i) / temperature) over all i nearer than j), in (..., A).

    A smooth maximum: mostly the pair that is most wrong counts. Pairs of one h are left out.

    Args:
        similarity: (..., A, C) cosines s of anchors and candidates.
        differences: (..., A, C) h, in grains; NaN pairs are left out.
        temperature: of the cosines.
    """
    scores = similarity / temperature
    wrong = (_farther(scores, differences) - scores).masked_fill(differences.isnan(), float("-inf"))
    return F.pad(wrong, (1, 0)).logsumexp(-1)  # the pad's exp(0) is the 1


def _farther(scores: Tensor, differences: Tensor) -> Tensor:
    """Log-sum-exp of the scores of all that are farther than each candidate, (..., C); -inf where none is.

    One sort in place of all pairs: what is farther than a candidate is the end of the row behind its h.
    """
    h = differences.nan_to_num(float("-inf")).contiguous()  # the unknown come first, and so behind nobody
    ascending, places = h.sort(-1)
    ends = scores.gather(-1, places).flip(-1).logcumsumexp(-1).flip(-1)
    return F.pad(ends, (0, 1), value=float("-inf")).gather(-1, torch.searchsorted(ascending, h, right=True))
