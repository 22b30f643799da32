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


def crossed_advantages(reward: Tensor, scale_by_std: bool = True) -> tuple[Tensor, Tensor]:
    """Advantages of a query's rollouts, and of its candidates', where each of the former ranks each of the latter.

    The candidates' summaries of one index stay together: R(g, h) is what query rollout g gets for ranking all
    candidates as rollout h wrote them. Query rollout g is paid by the mean over h, rollout h of the candidates by the
    mean over g, both less the mean of all pairs.

    Before the division this estimates the same gradient as the diagonal g = h does. Query and candidates are sampled
    apart, so every pair is a draw of the same law, and the score of q_g times R(g, h) has one mean for all h;
    likewise for the candidates. The baseline is not independent of what it is taken from: q_g has a part in G of the
    G * G rewards, and c_h in another G, so 1 / G of the gradient goes, on both sides, as with the group mean of the
    diagonal. (A baseline for c_h out of its own pairs, the mean over g of R(g, h), would take all of it away.) The
    division is by a deviation that comes from the same rollouts, which makes both forms biased.

    None of this needs the two sides to be query and candidates: with everything but one candidate's summary, all of
    index g, on one side and that summary, of index h, on the other, the second result pays the summary for what it
    changes by itself. The noise that the others bring is in R(g, h) and in its mean over h alike, and goes.

    Args:
        reward: (..., G, G) of query rollout g (first) among candidate rollouts h, or of any other two sides.
        scale_by_std: divide by the deviation of all pairs + 1e-4: of one pair's reward, as on the diagonal.

    Returns:
        (..., G) for the summaries of the first side, (..., G) for those of the second.
    """
    flat = reward.flatten(-2)
    advantage = (reward - flat.mean(-1)[..., None, None]) / (
        flat.std(-1)[..., None, None] + 1e-4 if scale_by_std else 1.0
    )
    return advantage.mean(-1), advantage.mean(-2)


def zero_variance_share(reward: Tensor, tolerance: float = 1e-6) -> Tensor:
    """Share of groups, in (), whose rewards are all alike: they teach nothing and must be counted.

    Args:
        reward: (..., G).
        tolerance: a standard deviation up to this counts as none.
    """
    # Equal rollouts stand at different places of one forward: where a kernel rounds by place, their embeddings, and so
    # their rewards, agree to about 2e-7 and not to the bit.
    return (reward.std(-1) <= tolerance).to(reward.dtype).mean()


def kl_k3(logprob: Tensor, reference: Tensor, limit: float | None = None) -> Tensor:
    """k3 estimate of KL(policy || reference) per token: exp(ref - lp) - (ref - lp) - 1, never negative.

    Args:
        logprob: (...) log-probabilities of the sampled tokens under the policy.
        reference: (...) the same under the frozen reference.
        limit: the log-ratio is clamped to plus or minus this, beyond which a token has no gradient; None leaves it.
    """
    difference = reference - logprob
    if limit is not None:
        difference = difference.clamp(-limit, limit)
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
    kl_limit: float | None = None,
    aggregation: Aggregation = "grpo",
    counted: Tensor | None = None,
) -> PolicyLoss:
    """Clipped policy loss with a KL penalty per token.

    Args:
        logprob: (Q, M, G, T) log-probabilities, with gradient, of the tokens of M summaries per query and rollout.
        sampled_logprob: (Q, M, G, T) the same at sampling time.
        reference_logprob: (Q, M, G, T) the same under the frozen reference, or None where kl_beta is 0.
        advantage: (Q, M or 1, G), see `group_advantage` and `crossed_advantages`.
        mask: (Q, M, G, T) bool, True for tokens that carry credit (not padding, not a forced [RET]).
        max_new_tokens: longest summary that may be written: the constant of "dr_grpo".
        clip_low: lower clip of the ratio, 1 - clip_low.
        clip_high: upper clip of the ratio, 1 + clip_high.
        kl_beta: weight of the KL penalty (paper: 0.2).
        kl_limit: see `kl_k3`.
        aggregation: "grpo" means over a summary's tokens, then over summaries; "dapo" over all tokens;
            "dr_grpo" sums tokens over `max_new_tokens` per summary, whatever was written.
        counted: (Q, M, G) bool, the summaries whose terms are kept; None for all. Means stay those over all, so that
            what is kept weighs what it weighed; `kl` and `clip_share` are of what is kept.
    """
    weight = advantage.detach().unsqueeze(-1)
    ratio = (logprob - sampled_logprob).exp()
    clipped = ratio.clamp(1.0 - clip_low, 1.0 + clip_high)
    loss = -torch.minimum(ratio * weight, clipped * weight)
    kl = torch.zeros_like(logprob) if reference_logprob is None else kl_k3(logprob, reference_logprob, kl_limit)
    live = mask.to(logprob.dtype)
    is_clipped = ((ratio * weight) > (clipped * weight)).to(logprob.dtype)
    kept = live if counted is None else live * counted.unsqueeze(-1)
    tokens = kept.sum().clamp_min(1.0)
    return PolicyLoss(
        loss=_aggregate((loss + kl_beta * kl) * kept, live, aggregation, max_new_tokens),
        kl=((kl * kept).sum() / tokens).detach(),
        clip_share=((is_clipped * kept).sum() / tokens).detach(),
    )


def _aggregate(per_token: Tensor, live: Tensor, aggregation: Aggregation, max_new_tokens: int) -> Tensor:
    """The mean of what is 0 wherever `live` is."""
    if aggregation == "grpo":
        length = live.sum(-1)
        per_summary = per_token.sum(-1) / length.clamp_min(1.0)
        return per_summary.sum() / (length > 0).to(per_token.dtype).sum().clamp_min(1.0)
    if aggregation == "dapo":
        return per_token.sum() / live.sum().clamp_min(1.0)
    return per_token.sum() / (live[..., 0].numel() * max_new_tokens)
