"""Group-relative policy optimisation, in its standard form (the paper prints no equation of it).

Credit (paper, section 4): one advantage per (query, rollout), given to every sampled token of the 1 + 1 + N
summaries of that rollout; mean over a summary's tokens, then over summaries. On the first update after sampling
the ratio is exactly 1 and advantages have mean 0 in each group, so the loss VALUE is about 0 while its gradient
is not: judge a run by its rewards, not by this number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Aggregation = Literal["grpo", "dapo", "dr_grpo"]


@dataclass(frozen=True, slots=True)
class PolicyLoss:
    """`loss` is differentiable; `kl` (mean per token) and `clip_share` (of tokens) are for the log."""

    loss: Tensor
    kl: Tensor
    clip_share: Tensor


def group_advantage(reward: Tensor, scale_by_std: bool = True) -> Tensor:
    """(R_g - mean) / (std + 1e-4) over the last axis.

    Args:
        reward: (..., G) rewards of the G rollouts of one query, G >= 2.
        scale_by_std: False leaves the division out (Dr. GRPO).
    """
    centred = reward - reward.mean(-1, keepdim=True)
    return centred / (reward.std(-1, keepdim=True) + 1e-4) if scale_by_std else centred


def zero_variance_share(reward: Tensor, tolerance: float = 1e-6) -> Tensor:
    """Share of groups, in (), whose rewards are all alike: they teach nothing and must be counted.

    Args:
        reward: (..., G).
        tolerance: a standard deviation up to this counts as none.
    """
    # Equal rollouts stand at different places of one packed forward: their embeddings, and so their rewards,
    # agree to about 2e-7 and not to the bit.
    return (reward.std(-1) <= tolerance).to(reward.dtype).mean()


def kl_k3(logprob: Tensor, reference: Tensor) -> Tensor:
    """k3 estimate of KL(policy || reference) per token: exp(ref - lp) - (ref - lp) - 1, never negative.

    Args:
        logprob: (...) log-probabilities of the sampled tokens under the policy.
        reference: (...) the same under the frozen reference.
    """
    difference = reference - logprob
    return difference.exp() - difference - 1.0


def policy_loss(
    logprob: Tensor,
    sampled_logprob: Tensor,
    reference_logprob: Tensor | None,
    advantage: Tensor,
    mask: Tensor,
    *,
    max_new_tokens: int,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    kl_beta: float = 0.2,
    aggregation: Aggregation = "grpo",
) -> PolicyLoss:
    """Clipped policy loss with a KL penalty per token.

    Args:
        logprob: (Q, M, G, T) log-probabilities, with gradient, of the tokens of M summaries per query and rollout.
        sampled_logprob: (Q, M, G, T) the same at sampling time.
        reference_logprob: (Q, M, G, T) the same under the frozen reference, or None where kl_beta is 0.
        advantage: (Q, G), see `group_advantage`.
        mask: (Q, M, G, T) bool, True for tokens that carry credit (not padding, not a forced [RET]).
        max_new_tokens: longest summary that may be written: the constant of "dr_grpo".
        clip_low: lower clip of the ratio, 1 - clip_low.
        clip_high: upper clip of the ratio, 1 + clip_high.
        kl_beta: weight of the KL penalty (paper: 0.2).
        aggregation: "grpo" means over a summary's tokens, then over summaries; "dapo" over all tokens;
            "dr_grpo" sums tokens over `max_new_tokens` per summary, whatever was written.
    """
    weight = advantage.detach()[:, None, :, None]
    ratio = (logprob - sampled_logprob).exp()
    clipped = ratio.clamp(1.0 - clip_low, 1.0 + clip_high)
    loss = -torch.minimum(ratio * weight, clipped * weight)
    kl = torch.zeros_like(logprob) if reference_logprob is None else kl_k3(logprob, reference_logprob)
    live = mask.to(logprob.dtype)
    is_clipped = ((ratio * weight) > (clipped * weight)).to(logprob.dtype)
    tokens = live.sum().clamp_min(1.0)
    return PolicyLoss(
        loss=_aggregate(loss + kl_beta * kl, live, aggregation, max_new_tokens),
        kl=((kl * live).sum() / tokens).detach(),
        clip_share=((is_clipped * live).sum() / tokens).detach(),
    )


def _aggregate(per_token: Tensor, live: Tensor, aggregation: Aggregation, max_new_tokens: int) -> Tensor:
    if aggregation == "grpo":
        length = live.sum(-1)
        per_summary = (per_token * live).sum(-1) / length.clamp_min(1.0)
        written = (length > 0).to(per_token.dtype)
        return (per_summary * written).sum() / written.sum().clamp_min(1.0)
    if aggregation == "dapo":
        return (per_token * live).sum() / live.sum().clamp_min(1.0)
    return (per_token * live).sum() / (live[..., 0].numel() * max_new_tokens)
