"""Ranking objectives that follow NDCG: the order at the top of a ranking weighs most.

NDCG is the sum over candidates of gain / log2(1 + rank), divided by that of the best order. The gain of a candidate h
grains away is exp(-h / grain_temperature), the weight that `listwise_reward` aims at before it is made to sum to one: 1
for what is the same, halved every log(2) * grain_temperature grains. NDCG moves only when ranks change; each of the two
below makes something smooth of it. NaN means unknown: such a candidate has no gain and takes no rank.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def approx_ndcg(
    similarity: Tensor, differences: Tensor, grain_temperature: float = 0.5, temperature: float = 0.05
) -> Tensor:
    """1 - NDCG at smooth ranks (ApproxNDCG: Qin, Liu and Li, 2010), in (..., A), from 0 to 1; 0 where nothing is known.

    The rank of i is 1 + the sum over the others of sigmoid((s_j - s_i) / temperature): with a low temperature the count
    of those above it, with a high one nearly the same for all.

    Args:
        similarity: (..., A, C) cosines s of anchors and candidates.
        differences: (..., A, C) h, in grains; NaN pairs are left out.
        grain_temperature: of the gains, in grains.
        temperature: of the cosines.
    """
    known = ~differences.isnan()
    gains = _gains(differences, grain_temperature)
    above = ((similarity.unsqueeze(-2) - similarity.unsqueeze(-1)) / temperature).sigmoid()  # (..., A, i, j)
    rank = 0.5 + (above * known.unsqueeze(-2)).sum(-1)  # a known candidate counts half of itself among the others
    found = (gains * _discount(rank)).sum(-1)
    return (1.0 - found / _best(gains)) * known.any(-1)


def lambda_rank(
    similarity: Tensor, differences: Tensor, grain_temperature: float = 0.5, temperature: float = 0.05
) -> Tensor:
    """LambdaRank (Burges, Ragno and Le, 2006) as a loss, in (..., A), at least 0.

    The sum over all pairs, i nearer than j, of |change of NDCG if they exchanged their ranks| times
    log(1 + exp((s_j - s_i) / temperature)). The first factor is a constant to the gradient; it follows the ranks as
    they are, so the value may rise where the ranking gets better. Equal cosines rank in the order of the row.

    Args:
        similarity: (..., A, C) cosines s of anchors and candidates.
        differences: (..., A, C) h, in grains; NaN pairs are left out.
        grain_temperature: of the gains, in grains.
        temperature: of the cosines.
    """
    gains = _gains(differences, grain_temperature)
    with torch.no_grad():
        ranked = similarity.masked_fill(differences.isnan(), float("-inf"))
        order = ranked.argsort(dim=-1, descending=True, stable=True)
        discount = _discount(1.0 + order.argsort(-1).to(similarity.dtype))
        change = (_gaps(gains) * _gaps(discount)).abs() / _best(gains)[..., None, None]
    nearer = differences.unsqueeze(-1) < differences.unsqueeze(-2)  # never where one of them is unknown
    return (change * nearer * F.softplus(-_gaps(similarity) / temperature)).sum((-2, -1))


def _gains(differences: Tensor, grain_temperature: float) -> Tensor:
    return (-differences / grain_temperature).exp().nan_to_num(0.0)


def _discount(rank: Tensor) -> Tensor:
    return 1.0 / (1.0 + rank).log2()


def _best(gains: Tensor) -> Tensor:
    """The sum of discounted gains in the best order, (..., A); never 0."""
    ranks = torch.arange(1, gains.shape[-1] + 1, device=gains.device, dtype=gains.dtype)
    ideal = gains.sort(-1, descending=True).values * _discount(ranks)
    return ideal.sum(-1).clamp_min(torch.finfo(gains.dtype).tiny)


def _gaps(values: Tensor) -> Tensor:
    """(..., C, C): what i has more than j."""
    return values.unsqueeze(-1) - values.unsqueeze(-2)
