"""The paper's idea: rule-based rewards that pay a rollout for how well it ranks (paper, section 4).

Inside one rollout every candidate has a similarity to the query, s_i = cos(q, c_i). Sorted by s, ranks start
at 1, and r is the rank of the positive p:

    R_margin = max(0, s_p - max_n s_n - delta)
    R_rank   = s_(r) / (1 + log r)  -  gamma * sum_{k != r} s_(k) (log k - 1)
    R_total  = alpha * R_margin + epsilon * R_rank

What the printed R_rank does that its text does not say: log k - 1 is negative for k < e, so negatives at ranks 1
and 2 are *paid* for their similarity, and the heaviest charge falls on the easiest negative. Exchanging the
positive at rank r + 1 with its neighbour is rewarded only while gamma < 1 / ((1 + ln r) (1 + ln(r + 1))), which is
.59 at rank 1 and .032 at rank 100: keep gamma at or below .01 for 100 negatives. `shape="normalised"` repairs it:
negatives are charged k^-2, the nearest the most, with weights that sum to one.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Literal

import torch
from torch import Tensor

Shape = Literal["printed", "normalised"]
Margin = Literal["printed", "clipped"]


@dataclass(frozen=True, slots=True)
class Rewards:
    """The parts of a reward, each of shape (...) like the similarities without their last axis."""

    margin: Tensor
    rank: Tensor
    total: Tensor


def positive_rank(similarity: Tensor) -> Tensor:
    """Rank of the positive, from 1, in (...) int64; a tie with a negative counts against the positive.

    Args:
        similarity: (..., 1 + N) cosines, the positive first.
    """
    return 1 + (similarity[..., 1:] >= similarity[..., :1]).sum(-1)


def reward_margin(similarity: Tensor, delta: float = 0.0, margin: Margin = "printed") -> Tensor:
    """R_margin = max(0, s_p - max_n s_n - delta), in (...).

    Args:
        similarity: (..., 1 + N) cosines, the positive first, N >= 1.
        delta: margin below which nothing is paid; the paper leaves it open. Zero, because every positive delta
            takes the reward (and with it the variance of a group) away exactly where the ranking is wrong.
        margin: "clipped" turns it round, min(s_p - max_n s_n, delta): a lost ranking costs what it is lost by, and
            what is won by delta has nothing more to gain.
    """
    gap = similarity[..., 0] - similarity[..., 1:].amax(-1)
    return (gap - delta).clamp_min(0.0) if margin == "printed" else gap.clamp_max(delta)


def reward_rank(
    similarity: Tensor, gamma: float = 0.005, log_base: float | None = None, shape: Shape = "printed"
) -> Tensor:
    """R_rank = s_(r) / (1 + log r) - gamma * (charge of the negatives), in (...).

    Args:
        similarity: (..., 1 + N) cosines, the positive first.
        gamma: weight of the negatives' term; the paper leaves it open.
        log_base: None for the natural logarithm, or the base; the paper leaves it open.
        shape: "printed" charges the negative at rank k with s_(k) (log k - 1); "normalised" with s_(k) k^-2,
            the weights scaled to sum to one over the negatives.
    """
    scale = 1.0 if log_base is None else log(log_base)
    rank = positive_rank(similarity)
    # The positive sits at rank r, so the sorted negatives take the ranks 1..N+1 that are left.
    negatives = similarity[..., 1:].sort(dim=-1, descending=True).values
    order = torch.arange(1, negatives.shape[-1] + 1, device=similarity.device)
    k = (order + (order >= rank.unsqueeze(-1))).to(similarity.dtype)
    nearest_first = k**-2 / (k**-2).sum(-1, keepdim=True)
    weights = k.log() / scale - 1.0 if shape == "printed" else nearest_first
    paid = similarity[..., 0] / (1.0 + rank.to(similarity.dtype).log() / scale)
    return paid - gamma * (weights * negatives).sum(-1)


def reward_total(
    similarity: Tensor,
    *,
    alpha: float = 0.4,
    epsilon: float = 0.6,
    delta: float = 0.0,
    margin: Margin = "printed",
    gamma: float = 0.005,
    log_base: float | None = None,
    shape: Shape = "printed",
) -> Rewards:
    """R_total = alpha * R_margin + epsilon * R_rank with its parts (paper, section 4).

    Args:
        similarity: (..., 1 + N) cosines inside one rollout, the positive first.
        alpha: weight of R_margin (paper: 0.4).
        epsilon: weight of R_rank (paper: 0.6).
        delta: see `reward_margin`.
        margin: see `reward_margin`.
        gamma: see `reward_rank`.
        log_base: see `reward_rank`.
        shape: see `reward_rank`.

    Raises:
        ValueError: there is no negative.
    """
    if similarity.shape[-1] < 2:
        raise ValueError(
            f"a reward needs a positive and at least one negative, got similarity of shape {tuple(similarity.shape)}"
        )
    gap = reward_margin(similarity, delta, margin)
    rank = reward_rank(similarity, gamma, log_base, shape)
    return Rewards(gap, rank, alpha * gap + epsilon * rank)
