"""Ranking objectives on the embedding itself: gradients flow through the cosine, not through sampled tokens.

The target order comes from h, a count of grains on which two items differ (`elva.training.order` says who
counts). Small h means near. NaN means unknown: such a pair is left out.
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
        differences: (A, C) h, in grains; NaN pairs are left out of both distributions.
        grain_temperature: in grains; a candidate one grain off has exp(-1 / grain_temperature) the target's weight.
        temperature: of the cosines.
    """
    unknown = differences.isnan()
    empty = unknown.all(-1, keepdim=True)
    left_out = unknown & ~empty  # a row without any known pair would make softmax NaN: computed, then dropped
    target = (-differences / grain_temperature).nan_to_num(0.0).masked_fill(left_out, float("-inf"))
    model = (similarity / temperature).masked_fill(left_out, float("-inf"))
    log_target = F.log_softmax(target, -1).masked_fill(left_out, 0.0)
    log_model = F.log_softmax(model, -1).masked_fill(left_out, 0.0)
    weight = log_target.exp().masked_fill(unknown, 0.0)
    return -(weight * (log_target - log_model)).sum(-1)


def regression_loss(similarity: Tensor, differences: Tensor, slope: float = 0.1) -> Tensor:
    """Weighted mean of (cos - (1 - slope * h))^2, in (); near pairs weigh most, by 1 / (1 + h)^2.

    Args:
        similarity: (A, C) cosines.
        differences: (A, C) h, in grains; NaN pairs are left out.
        slope: cosine lost per grain.
    """
    known = ~differences.isnan()
    h = differences.nan_to_num(0.0)
    weight = known.to(similarity.dtype) / (1.0 + h) ** 2
    error = (similarity - (1.0 - slope * h)) ** 2
    return (weight * error).sum() / weight.sum().clamp_min(torch.finfo(similarity.dtype).tiny)
