"""What stage 3 learns from: the loss of a step, out of embeddings and log-probabilities alone.

The objectives share one set of cosines, or one for each length of `nested`; a recipe weighs them. Nothing here samples,
reads a file or runs a model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from elva.model.rollout import Rollouts
from elva.objectives.contrastive import info_nce
from elva.objectives.listwise import cosent, list_mle, listwise_reward, regression_loss
from elva.objectives.ndcg import approx_ndcg, lambda_rank
from elva.objectives.nested import nested_mean
from elva.objectives.policy import crossed_advantages, group_advantage, policy_loss, zero_variance_share
from elva.objectives.rewards import Rewards, positive_rank, reward_total
from elva.training.likelihood_order import LikelihoodOrder
from elva.training.order import GrainOrder
from elva.training.recipe import Recipe
from elva.training.scenes import Scene

Order = GrainOrder | LikelihoodOrder
"""Who says how far candidates are."""


def judge(
    recipe: Recipe,
    scene: Scene,
    read: Rollouts,
    first: Rollouts,
    reference: Tensor | None,
    order: Order | None,
    max_new_tokens: int,
    counted: Tensor | None = None,
    speaking: Tensor | None = None,
) -> tuple[Tensor, dict[str, float]]:
    """The loss of one step, from embeddings and log-probabilities alone, and what is logged.

    Args:
        recipe: weights and settings of the objectives.
        scene: Q queries and C candidates.
        read: (Q + C, G', ...) rollouts with gradient; the last of G' is the own caption where the recipe adds it. Here
            and below those of the queries alone, (Q, ...), where the scene has the candidates' vectors.
        first: the same at their first reading, before any update on them, without gradient: what they are rewarded
            by and their ratio is taken against, so that both are the same in every update.
        reference: (Q + C, G', T) log-probabilities under the frozen reference, or None.
        order: h between candidates, where `weights.order` needs it.
        max_new_tokens: longest summary that could be sampled.
        counted: from `learning`: the summaries that the policy's gradient is of; None for all.
        speaking: (Q + C,) bool: whose own captions the language-model loss counts; None for all.
    """
    stage, weights, device = recipe.reinforce, recipe.reinforce.weights, read.embeddings.device
    asked = len(scene.queries)
    groups = stage.rollouts.group_size
    reward = _rewards(recipe, scene, first)
    metrics = _ranking_metrics(_own_cosines(recipe, scene, first), reward)
    if groups:
        writers = slice(None) if stage.rollouts.of == "all" else slice(asked)
        metrics |= _writing_metrics(first.mask[writers, :groups], first.forced[writers, :groups])
    loss = torch.zeros((), device=device)
    if weights.policy:
        pairs = summaries(scene)[:, : None if stage.rollouts.of == "all" else 1].to(device)
        frozen = None if reference is None else reference[pairs][:, :, :groups]
        policy = policy_loss(
            read.logprobs[pairs][:, :, :groups],
            first.logprobs[pairs][:, :, :groups],
            frozen,
            _advantage(recipe, scene, first, reward, order),
            first.credit[pairs][:, :, :groups],
            max_new_tokens=max_new_tokens,
            clip_low=stage.policy.clip_low,
            clip_high=stage.policy.clip_high,
            kl_beta=stage.policy.kl_beta,
            kl_limit=stage.policy.kl_limit,
            aggregation=stage.policy.aggregation,
            counted=counted,
        )
        loss = loss + weights.policy * policy.loss
        metrics |= {"kl": policy.kl.item(), "clip_share": policy.clip_share.item()}
    if weights.path:
        loss = loss - weights.path * _rewards(recipe, scene, read).total.mean()
    if weights.order:
        assert order is not None
        ordering = _nested(recipe, partial(_order_loss, recipe, order), scene, read)
        loss = loss + weights.order * ordering
        metrics["order"] = ordering.item()
    if weights.infonce:
        contrast = _nested(recipe, partial(_contrast, recipe), scene, read)
        loss = loss + weights.infonce * contrast
        metrics["infonce"] = contrast.item()
    if weights.lm:
        told = first.credit[:, -1] if speaking is None else first.credit[:, -1] & speaking[:, None]
        writing = -(read.logprobs[:, -1] * told).sum() / told.sum()
        loss = loss + weights.lm * writing
        metrics["lm_loss"] = writing.item()
    return loss, metrics


def summaries(scene: Scene) -> Tensor:
    """(Q, M = 2 + N) int64 into queries and candidates: a query, its positive, its negatives."""
    return torch.cat([torch.arange(len(scene.queries))[:, None], len(scene.queries) + scene.sets], 1)


def learning(recipe: Recipe, scene: Scene, sampled: Rollouts) -> Tensor | None:
    """(Q, M, G) bool: which summaries the policy's gradient is of; None for all.

    Args:
        recipe: its `reinforce.policy.gradient_negatives`.
        scene: Q queries and C candidates.
        sampled: (Q + C, G', ...) rollouts, as sampling read them.
    """
    nearest = recipe.reinforce.policy.gradient_negatives
    if nearest is None:
        return None
    negatives = _own_cosines(recipe, scene, sampled)[..., 1:]
    places = negatives.topk(min(nearest, negatives.shape[-1]), -1).indices
    near = torch.zeros_like(negatives, dtype=torch.bool).scatter(-1, places, True)
    return F.pad(near, (2, 0), value=True).transpose(1, 2)


def _nested(recipe: Recipe, score: Callable[[Scene, Rollouts], Tensor], scene: Scene, rollouts: Rollouts) -> Tensor:
    """The mean of a score over the whole vectors and the recipe's prefixes of them, constant ones included."""
    constant = () if scene.vectors is None else (scene.vectors,)

    def at(embeddings: Tensor, vectors: Tensor | None = None) -> Tensor:
        return score(replace(scene, vectors=vectors), replace(rollouts, embeddings=embeddings))

    return nested_mean(at, (rollouts.embeddings, *constant), recipe.nested.lengths, recipe.nested.weights)


def _rewards(recipe: Recipe, scene: Scene, rollouts: Rollouts) -> Rewards:
    """(Q, G) of each sampled rollout, or of the one given where none is."""

    def parts(scene: Scene, rollouts: Rollouts) -> Tensor:
        reward = reward_total(_own_cosines(recipe, scene, rollouts), **_reward_settings(recipe))
        return torch.stack([reward.margin, reward.rank, reward.total])

    return Rewards(*_nested(recipe, parts, scene, rollouts))


def _contrast(recipe: Recipe, scene: Scene, read: Rollouts) -> Tensor:
    """InfoNCE of each rollout, its mean in ()."""
    ignore = scene.ignore if scene.elsewhere is None else scene.ignore | scene.elsewhere
    queries, candidates = read.embeddings[: len(scene.queries)], _candidates(scene, read)
    positive, ignore = scene.sets[:, 0].to(queries.device), ignore.to(queries.device)
    losses = [
        info_nce(q, c, positive, recipe.reinforce.infonce_temperature, ignore=ignore)
        for q, c in zip(queries.unbind(1), candidates.unbind(1), strict=True)
    ]
    return torch.stack(losses).mean()


def _advantage(recipe: Recipe, scene: Scene, first: Rollouts, reward: Rewards, order: Order | None) -> Tensor:
    """(Q, M or 1, G), from rewards (Q, G) on the diagonal, or from other pairings of rollouts."""
    settings = recipe.reinforce.policy
    if settings.reward == "order":
        assert order is not None
        rewards = _nested(recipe, partial(_order_rewards, recipe, order), scene, first)
        return group_advantage(rewards, settings.scale_by_std).unsqueeze(1)
    if settings.pairings == "diagonal":
        return group_advantage(reward.total, settings.scale_by_std).unsqueeze(1)
    rewards = _nested(recipe, partial(_crossed_rewards, recipe), scene, first)
    query, candidate = crossed_advantages(rewards, settings.scale_by_std)
    candidate = candidate.unsqueeze(1).expand(-1, scene.sets.shape[1], -1)
    if settings.pairings == "single":
        exchanged = _nested(recipe, partial(_exchanged_rewards, recipe), scene, first)
        candidate = crossed_advantages(exchanged, settings.scale_by_std)[1]
    return torch.cat([query.unsqueeze(1), candidate], 1)


def _order_rewards(recipe: Recipe, order: Order, scene: Scene, first: Rollouts) -> Tensor:
    """(Q, G): how near each rollout's ranking is to the order of the candidates."""
    sampled = _cosines(scene, first)[: recipe.reinforce.rollouts.group_size]
    h = _differences(scene, order).to(sampled.device).expand(len(sampled), -1, -1)
    softness = recipe.reinforce.order
    return listwise_reward(sampled, h, softness.grain_temperature, softness.temperature).T


def _crossed(recipe: Recipe, scene: Scene, first: Rollouts) -> Tensor:
    """(Q, G, G, 1 + N) cosines of each query rollout with each rollout of the query's own candidates."""
    asked, groups = len(scene.queries), recipe.reinforce.rollouts.group_size
    queries, candidates = first.embeddings[:asked, :groups], first.embeddings[asked:, :groups]
    return torch.einsum("qgd,qnhd->qghn", queries, candidates[scene.sets.to(queries.device)])


def _crossed_rewards(recipe: Recipe, scene: Scene, first: Rollouts) -> Tensor:
    """(Q, G, G) of each query rollout among each rollout of the candidates."""
    return reward_total(_crossed(recipe, scene, first), **_reward_settings(recipe)).total


def _exchanged_rewards(recipe: Recipe, scene: Scene, first: Rollouts) -> Tensor:
    """(Q, 1 + N, G, G) of `_exchanged`; one query at a time, for memory."""
    return torch.stack([_exchanged(recipe, own) for own in _crossed(recipe, scene, first)])


def _exchanged(recipe: Recipe, crossed: Tensor) -> Tensor:
    """(1 + N, G, G) rewards of one query where all is of rollout h (first), but candidate n of rollout g.

    Args:
        recipe: settings of the rewards.
        crossed: (G, G, 1 + N) cosines of query rollout h and rollout g of candidate n.
    """
    groups, size = crossed.shape[1:]
    cosines = crossed.diagonal().T[:, None, None].repeat(1, groups, size, 1)  # (h, g, n, 1 + N)
    cosines.diagonal(dim1=-2, dim2=-1).copy_(crossed)
    return reward_total(cosines, **_reward_settings(recipe)).total.movedim(-1, 0)


def _order_loss(recipe: Recipe, order: Order, scene: Scene, read: Rollouts) -> Tensor:
    """How far the cosines of each rollout are from the order of the candidates, in ()."""
    settings, candidates = recipe.reinforce.order, _candidates(scene, read)
    h = _differences(scene, order)
    similarity = _cosines(scene, read)
    if settings.anchors == "all" and isinstance(order, GrainOrder):
        h = torch.cat([h, order.candidates(scene.dids)])
        similarity = torch.cat([similarity, torch.einsum("agd,cgd->gac", candidates, candidates)], 1)
    h = h.to(similarity.device).expand(len(similarity), -1, -1)
    gains, heat = settings.grain_temperature, settings.temperature
    match settings.loss:
        case "listwise":
            return -listwise_reward(similarity, h, gains, heat).mean()
        case "regression":
            return regression_loss(similarity, h, settings.slope)
        case "listmle":
            return list_mle(similarity, h, heat).mean()
        case "approx_ndcg":
            return approx_ndcg(similarity, h, gains, heat).mean()
        case "lambda_rank":
            return lambda_rank(similarity, h, gains, heat).mean()
        case "cosent":
            return cosent(similarity, h, heat).mean()


def _differences(scene: Scene, order: Order) -> Tensor:
    """(Q, C) h between queries and candidates; NaN where one is of another pool than the query's."""
    if isinstance(order, LikelihoodOrder):
        h = order.differences([query.qid for query in scene.queries], scene.dids, scene.ignore)
    else:
        h = order.queries([scene.dids[int(own_set[0])] for own_set in scene.sets], scene.dids, scene.ignore)
    return h if scene.elsewhere is None else h.masked_fill(scene.elsewhere, torch.nan)


def _own_cosines(recipe: Recipe, scene: Scene, rollouts: Rollouts) -> Tensor:
    """(Q, G, 1 + N): each query's own candidates inside each sampled rollout, or in the one given where none is."""
    ranked = _cosines(scene, rollouts)[: recipe.reinforce.rollouts.group_size or None]
    return ranked.gather(2, scene.sets.to(ranked.device).expand(len(ranked), -1, -1)).transpose(0, 1)


def _cosines(scene: Scene, rollouts: Rollouts) -> Tensor:
    """(G', Q, C) of all queries and candidates, inside each rollout."""
    queries = rollouts.embeddings[: len(scene.queries)]
    return torch.einsum("qgd,cgd->gqc", queries, _candidates(scene, rollouts))


def _candidates(scene: Scene, rollouts: Rollouts) -> Tensor:
    """(C, G', D) of the candidates: read, or the constants that stand beside every rollout of the queries."""
    if scene.vectors is None:
        return rollouts.embeddings[len(scene.queries) :]
    return scene.vectors[:, None].expand(-1, rollouts.embeddings.shape[1], -1)


def _reward_settings(recipe: Recipe) -> dict[str, Any]:
    reward = recipe.reinforce.reward
    return {
        "alpha": reward.alpha,
        "epsilon": reward.epsilon,
        "delta": reward.delta,
        "margin": reward.margin,
        "gamma": reward.gamma,
        "log_base": None if reward.log_base == "e" else float(reward.log_base),
        "shape": reward.shape,
    }


def _writing_metrics(mask: Tensor, forced: Tensor) -> dict[str, float]:
    """Of the sampled summaries alone: (..., G, T) mask of tokens, (..., G) where [RET] was forced."""
    return {
        "summary_length": mask.sum(-1).float().mean().item(),
        "missing_ret_rate": forced.float().mean().item(),
    }


def _ranking_metrics(own: Tensor, reward: Rewards) -> dict[str, float]:
    """What tells learning from hacking: rewards beside ranks and cosines, of (Q, G, 1 + N) cosines."""
    metrics = {
        "reward/total": reward.total.mean().item(),
        "reward/margin": reward.margin.mean().item(),
        "reward/rank": reward.rank.mean().item(),
        "positive_rank": positive_rank(own).float().mean().item(),
        "cos/positive": own[..., 0].mean().item(),
        "cos/hardest_negative": own[..., 1:].amax(-1).mean().item(),
        "cos/mean_negative": own[..., 1:].mean().item(),
    }
    if reward.total.shape[1] > 1:
        metrics |= {
            "reward_std": reward.total.std(1).mean().item(),
            "reward_std/margin": reward.margin.std(1).mean().item(),
            "reward_std/rank": reward.rank.std(1).mean().item(),
            "zero_variance_share": zero_variance_share(reward.total).item(),
        }
    return metrics
