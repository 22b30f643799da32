"""The loss of a stage-3 step against numbers worked by hand: 2 queries, 3 candidates, G = 2."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import exp, log, sqrt

import pytest
import torch
import torch.nn.functional as F

from elva.items import Item
from elva.model.embedder import Embedder
from elva.model.inputs import Inputs
from elva.model.rollout import Rollouts, replay, sample
from elva.objectives.listwise import cosent, list_mle, listwise_reward, regression_loss
from elva.objectives.ndcg import approx_ndcg, lambda_rank
from elva.objectives.rewards import reward_total
from elva.training.judge import judge, learning
from elva.training.recipe import Budget, Nested, Optimizer, Order, Policy, Recipe, Reinforce, Reward, Weights
from elva.training.recipe import (
    Rollouts as RolloutSettings,
)
from ranking import order, scene, unit, written


def recipe(group_size: int = 2, own_caption: bool = False, **parts: object) -> Recipe:
    stage = Reinforce(rollouts=RolloutSettings(group_size=group_size, own_caption=own_caption), **parts)
    return Recipe(stage="reinforce", budget=Budget(steps=1), optimizer=Optimizer(lr=1e-3), reinforce=stage)


def rollouts(logprobs: torch.Tensor | None = None) -> Rollouts:
    """In the first rollout every query lies on its positive; in the second between the first two candidates.

    Candidates are the axes x, y and z in both, so a query's cosines are its coordinates.
    """
    x, y, z = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]
    first, second = unit([x, y, x, y, z]), unit([[0.8, 0.6, 0.0], [0.8, 0.6, 0.0], x, y, z])
    return written(torch.stack([first, second], 1), logprobs)


def leaf(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().clone().requires_grad_()


def reading(logprobs: torch.Tensor | None = None) -> Rollouts:
    read = rollouts(logprobs)
    return Rollouts(read.tokens, read.mask, read.forced, leaf(read.logprobs), leaf(read.embeddings))


# Rewards with alpha .4, epsilon .6, delta 0, gamma .01, by hand. Negatives at ranks k charge s_(k) (log k - 1).
GAMMA = 0.01
REWARD = Reward(gamma=GAMMA)
ON_POSITIVE = 0.4 * 1.0 + 0.6 * 1.0  # rank 1; both negatives have cosine 0
SECOND_0 = 0.4 * (0.8 - 0.6) + 0.6 * (0.8 - GAMMA * 0.6 * (log(2) - 1))  # rank 1, negative .6 at rank 2
SECOND_1 = 0.6 * (0.6 / (1 + log(2)) - GAMMA * 0.8 * (log(1) - 1))  # rank 2, negative .8 at rank 1
REWARDS = [[ON_POSITIVE, SECOND_0], [ON_POSITIVE, SECOND_1]]


def advantages() -> torch.Tensor:
    gaps = [a - b for a, b in REWARDS]
    return torch.tensor([[gap / 2 / (gap / sqrt(2) + 1e-4), -gap / 2 / (gap / sqrt(2) + 1e-4)] for gap in gaps])


def test_rewards_ranks_and_cosines_are_logged_as_worked_by_hand() -> None:
    _, metrics = judge(recipe(reward=REWARD), scene(), reading(), rollouts(), None, None, 2)
    flat = [each for row in REWARDS for each in row]
    assert metrics["reward/total"] == pytest.approx(sum(flat) / 4, abs=1e-6)
    assert metrics["reward/margin"] == pytest.approx((1 + 1 + 0.2 + 0) / 4, abs=1e-6)
    assert metrics["positive_rank"] == pytest.approx((1 + 1 + 1 + 2) / 4)
    assert metrics["cos/positive"] == pytest.approx((1 + 1 + 0.8 + 0.6) / 4)
    assert metrics["cos/hardest_negative"] == pytest.approx((0 + 0 + 0.6 + 0.8) / 4)
    assert metrics["cos/mean_negative"] == pytest.approx((0.3 + 0.4) / 4)
    gaps = [(a - b) / sqrt(2) for a, b in REWARDS]
    assert metrics["reward_std"] == pytest.approx(sum(gaps) / 2, abs=1e-6)
    assert metrics["zero_variance_share"] == 0.0
    assert metrics["summary_length"] == 2.0
    assert metrics["missing_ret_rate"] == 0.0


def test_the_policy_pushes_every_token_of_a_rollout_by_its_advantage() -> None:
    read = reading()
    loss, metrics = judge(recipe(reward=REWARD), scene(), read, rollouts(), torch.zeros(5, 2, 2), None, 2)
    loss.backward()
    advantage = advantages()
    # mean over 2 tokens, then over 2 queries x 4 summaries x 2 rollouts; candidates collect from both queries
    share = -advantage / 2 / 16
    expected = torch.stack([share[0], share[1], *[share.sum(0)] * 3])[..., None].expand(-1, -1, 2)
    torch.testing.assert_close(read.logprobs.grad, expected, atol=1e-6, rtol=1e-4)
    assert read.embeddings.grad is None, "the paper's gradient goes through the tokens only"
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
    assert metrics["kl"] == 0.0
    assert metrics["clip_share"] == 0.0


def test_where_all_rollouts_are_paired_each_side_is_paid_for_its_own_part() -> None:
    # Candidates are written alike in both rollouts, so which one a query meets does not matter.
    policy = Policy(pairings="all", scale_by_std=False)
    read = reading()
    loss, _ = judge(recipe(reward=REWARD, policy=policy), scene(), read, rollouts(), None, None, 2)
    loss.backward()
    share = torch.tensor([[-(a - b) / 2, (a - b) / 2] for a, b in REWARDS]) / 2 / 16
    torch.testing.assert_close(read.logprobs.grad[:2], share[..., None].expand(-1, -1, 2), atol=1e-7, rtol=1e-4)
    assert read.logprobs.grad[2:].abs().max() < 1e-8


def test_a_single_summary_is_paid_for_what_it_changes_itself() -> None:
    """One query in one place; its positive is nearer in the second rollout, the first negative the same in both."""
    policy = Policy(pairings="single", scale_by_std=False)
    ask, near, far = [1.0, 0.0, 0.0], [0.8, 0.6, 0.0], [0.6, 0.8, 0.0]
    first, second = unit([ask, ask, far, far, [0.0, 0.0, 1.0]]), unit([ask, ask, near, far, [0.0, 0.6, 0.8]])
    texts = written(torch.stack([first, second], 1))
    alone = replace(scene(), queries=scene().queries[:1], sets=scene().sets[:1], ignore=scene().ignore[:1])
    texts = texts.rows(torch.tensor([0, 2, 3, 4]))
    read = replace(texts, logprobs=leaf(texts.logprobs))
    judge(recipe(reward=Reward(gamma=0.0), policy=policy), alone, read, texts, None, None, 2)[0].backward()
    # the positive at .6, in a tie, or at .8, first by .2: rank 2 or 1, whatever the rest is
    lost, won = 0.6 * 0.6 / (1 + log(2)), 0.4 * 0.2 + 0.6 * 0.8
    share = torch.tensor([0.0, (won - lost) / 2, 0.0, 0.0]) / 2 / 8
    expected = torch.stack([share, -share], 1)[..., None].expand(-1, -1, 2)
    torch.testing.assert_close(read.logprobs.grad, expected, atol=1e-7, rtol=1e-4)


def near_and_far() -> Rollouts:
    """Nearest to query 0 is candidate 1, then 2; to query 1 candidate 2 in the first rollout and 0 in the second."""
    x, y, z = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]
    first, second = unit([[3, 2, 1], [1, 3, 2], x, y, z]), unit([[4, 2, 1], [2, 4, 1], x, y, z])
    return written(torch.stack([first, second], 1))


def test_the_policy_learns_from_the_nearest_negatives_of_each_rollout() -> None:
    wanted = recipe(reward=REWARD, policy=Policy(gradient_negatives=1))
    counted = learning(wanted, scene(), near_and_far())
    # query, positive, then negatives as they stand in the sets: (1, 2) of query 0, (0, 2) of query 1
    assert counted.tolist() == [[[True] * 2] * 3 + [[False] * 2], [[True] * 2] * 2 + [[False, True], [True, False]]]
    gradients = []
    for chosen in (None, counted):
        read = near_and_far()
        read = replace(read, logprobs=leaf(read.logprobs))
        loss, metrics = judge(wanted, scene(), read, near_and_far(), None, None, 2, chosen)
        loss.backward()
        gradients.append(read.logprobs.grad)
        assert metrics["positive_rank"] == 1.0, "all are ranked"
    whole, cut = gradients
    assert torch.equal(cut[:2], whole[:2]), "what is kept weighs what it weighed"
    assert not torch.equal(cut[4], whole[4])


def test_a_cut_beyond_the_last_negative_cuts_nothing() -> None:
    assert learning(recipe(), scene(), rollouts()) is None
    assert learning(recipe(policy=Policy(gradient_negatives=9)), scene(), rollouts()).all()


def test_the_policy_is_held_by_the_reference() -> None:
    read = reading(torch.full((5, 2, 2), -1.0))
    reference = torch.full((5, 2, 2), -1.5)
    _, metrics = judge(recipe(), scene(), read, rollouts(torch.full((5, 2, 2), -1.0)), reference, None, 2)
    assert metrics["kl"] == pytest.approx(exp(-0.5) + 0.5 - 1, abs=1e-6)


def test_far_ratios_are_clipped_and_counted() -> None:
    read = reading(torch.full((5, 2, 2), 1.0))  # e times as likely as when sampled
    loss, metrics = judge(recipe(reward=REWARD), scene(), read, rollouts(), None, None, 2)
    loss.backward()
    advantage = advantages()
    assert metrics["clip_share"] == pytest.approx(0.5), "the tokens with a positive advantage"
    assert (read.logprobs.grad[0, 0] == 0).all()
    assert (read.logprobs.grad[0, 1] > 0).all()
    expected = -(1.2 * advantage.clamp_min(0) + exp(1.0) * advantage.clamp_max(0)).mean()
    assert loss.item() == pytest.approx(float(expected), abs=1e-5)


def test_later_updates_are_paid_by_the_first_reading() -> None:
    moved = reading(torch.full((5, 2, 2), 0.1))
    moved.embeddings.data[:2] = unit([[0.0, 0.0, 1.0]])[0]  # by now every query is as far as can be from its positive
    loss, metrics = judge(recipe(reward=REWARD), scene(), moved, rollouts(), None, None, 2)
    loss.backward()
    _, first = judge(recipe(reward=REWARD), scene(), reading(), rollouts(), None, None, 2)
    assert metrics["reward/total"] == first["reward/total"]
    assert metrics["positive_rank"] == first["positive_rank"]
    share = -advantages() * exp(0.1) / 2 / 16
    torch.testing.assert_close(moved.logprobs.grad[0], share[0][:, None].expand(-1, 2), atol=1e-6, rtol=1e-4)


def test_equal_rollouts_are_a_group_without_variance_whatever_rounding_makes_of_them(embedder: Embedder) -> None:
    inputs = Inputs(embedder.backbone, embedder.processor, embedder.features)
    items = [Item(text=f"a red circle {number}") for number in range(5)]
    prefix = inputs.collate(inputs.prepare(items, "generative"))
    sampled = sample(embedder.backbone, embedder.processor, prefix, group_size=8, temperature=0.0, max_tokens=6)
    assert (sampled.tokens == sampled.tokens[:, :1]).all()
    read = replay(embedder.backbone, embedder.processor, prefix, sampled).detached()
    for rollout in (sampled, read):
        _, metrics = judge(recipe(group_size=8), scene(), rollout, rollout, None, None, 6)
        assert metrics["reward_std"] < 1e-6
        assert metrics["zero_variance_share"] == 1.0


def test_a_group_whose_rewards_are_alike_teaches_nothing() -> None:
    x, y, z = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]
    alike = torch.stack([unit([x, y, x, y, z])] * 2, 1)
    read = written(alike, leaf(torch.zeros(5, 2, 2)))
    loss, metrics = judge(recipe(), scene(), read, written(alike), None, None, 2)
    loss.backward()
    assert metrics["zero_variance_share"] == 1.0
    assert (read.logprobs.grad == 0).all()


def h() -> torch.Tensor:
    found, grains = scene(), order()
    return torch.cat([grains.queries(["100:1", "100:2"], found.dids, found.ignore), grains.candidates(found.dids)])


def kl(target: list[float], model: list[float]) -> float:
    p = torch.tensor(target).softmax(0)
    q = torch.tensor(model).softmax(0)
    return float((p * (p / q).log()).sum())


def test_listwise_is_the_kl_of_the_two_orders() -> None:
    weights = Weights(policy=0.0, order=2.0)
    settings = Order(anchors="queries", grain_temperature=0.5, temperature=0.1)
    read = reading()
    loss, metrics = judge(recipe(weights=weights, order=settings), scene(), read, rollouts(), None, order(), 2)
    grains = (-h()[:2] / 0.5).tolist()
    cosines = [[[1, 0, 0], [0.8, 0.6, 0]], [[0, 1, 0], [0.8, 0.6, 0]]]
    rows = [kl(grains[q], [cosine / 0.1 for cosine in cosines[q][g]]) for q in range(2) for g in range(2)]
    assert metrics["order"] == pytest.approx(sum(rows) / 4, rel=1e-4)
    assert loss.item() == pytest.approx(2.0 * sum(rows) / 4, rel=1e-4)
    loss.backward()
    assert read.embeddings.grad.abs().max() > 0
    assert read.logprobs.grad is None


def test_with_all_anchors_candidates_rank_each_other_too() -> None:
    weights = Weights(policy=0.0, order=1.0)
    _, metrics = judge(recipe(weights=weights), scene(), reading(), rollouts(), None, order(), 2)
    settings = Order()
    grains = h()
    assert grains[2:].diagonal().isnan().all()
    cosines = torch.cat([torch.tensor([[1.0, 0, 0], [0, 1.0, 0]]), torch.eye(3)])
    second = torch.cat([torch.tensor([[0.8, 0.6, 0], [0.8, 0.6, 0]]), torch.eye(3)])
    rows = []
    for similarity in (cosines, second):
        for row in range(5):
            known = ~grains[row].isnan()
            target = (-grains[row][known] / settings.grain_temperature).tolist()
            rows.append(kl(target, (similarity[row][known] / settings.temperature).tolist()))
    assert metrics["order"] == pytest.approx(sum(rows) / 10, rel=1e-4)


def test_a_right_answer_has_the_target_of_the_positive() -> None:
    weights = Weights(policy=0.0, order=1.0)
    queries = Order(loss="regression", anchors="queries", slope=0.2)
    both = replace(scene(), ignore=torch.tensor([[True, True, False], [True, True, False]]))
    read = reading()
    loss, _ = judge(recipe(weights=weights, order=queries), both, read, rollouts(), None, order(), 2)
    loss.backward()
    # cosines 1 of (query 0, candidate 0) and 0 of (query 0, candidate 1), both asked for 1: only the second one pulls
    assert read.embeddings.grad[0, 0, 0] == 0
    assert read.embeddings.grad[0, 0, 1] < 0


def test_regression_is_the_weighted_square_of_what_the_cosine_should_be() -> None:
    weights = Weights(policy=0.0, order=1.0)
    settings = Order(loss="regression", anchors="queries", slope=0.2)
    loss, _ = judge(recipe(weights=weights, order=settings), scene(), reading(), rollouts(), None, order(), 2)
    grains = h()[:2].expand(2, -1, -1)
    cosines = torch.tensor([[[1.0, 0, 0], [0, 1.0, 0]], [[0.8, 0.6, 0], [0.8, 0.6, 0]]])
    weight = 1 / (1 + grains) ** 2
    expected = (weight * (cosines - 1 + 0.2 * grains) ** 2).sum() / weight.sum()
    assert loss.item() == pytest.approx(float(expected), rel=1e-4)


LOSSES = {
    "listwise": lambda similarity, h: -listwise_reward(similarity, h),
    "regression": regression_loss,
    "listmle": list_mle,
    "approx_ndcg": approx_ndcg,
    "lambda_rank": lambda_rank,
    "cosent": cosent,
}


@pytest.mark.parametrize("group_size", [2, 0])
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_on_the_order_is_the_mean_over_rollouts_and_anchors(name: str, group_size: int) -> None:
    wanted = recipe(group_size, not group_size, weights=Weights(policy=0.0, order=1.0), order=Order(loss=name))
    read = reading()
    loss, metrics = judge(wanted, scene(), read, rollouts(), None, order(), 2)
    both = read.embeddings.detach().transpose(0, 1)
    cosines = both @ both[:, 2:].mT  # of all items with the candidates
    expected = LOSSES[name](cosines, h().expand(2, -1, -1)).mean()
    assert loss.item() == metrics["order"] == pytest.approx(float(expected), rel=1e-5)
    loss.backward()
    assert 0 < read.embeddings.grad.abs().max() < float("inf")


def test_the_path_is_the_gradient_of_the_reward_through_the_embeddings() -> None:
    # second rollout, by hand: query 0 has rank 1 (cosines .8, .6, 0), query 1 rank 2 (positive .6, negatives .8, 0)
    read = reading()
    wanted = recipe(reward=REWARD, weights=Weights(policy=0, path=2))
    loss, metrics = judge(wanted, scene(), read, rollouts(), None, None, 2)
    assert loss.item() == pytest.approx(-2 * metrics["reward/total"], rel=1e-5)
    loss.backward()
    own, other = 0.4 + 0.6, -0.4 - 0.6 * GAMMA * (log(2) - 1)  # of the positive, and of the negative at rank 2
    last = -0.6 * GAMMA * (log(3) - 1)
    expected = -2 / 4 * torch.tensor([own, other, last])
    torch.testing.assert_close(read.embeddings.grad[0, 1], expected, atol=1e-6, rtol=1e-4)
    lost = torch.tensor([0.6 * GAMMA, 0.6 / (1 + log(2)), last])  # its first negative, its positive, its last one
    torch.testing.assert_close(read.embeddings.grad[1, 1], -2 / 4 * lost, atol=1e-6, rtol=1e-4)
    assert read.logprobs.grad is None


def test_a_clipped_margin_pulls_where_the_printed_one_does_not() -> None:
    pulls = {}
    for margin in ("printed", "clipped"):
        read, alone = reading(), Reward(alpha=1.0, epsilon=0.0, delta=0.1, margin=margin)
        wanted = recipe(reward=alone, weights=Weights(policy=0, path=1))
        judge(wanted, scene(), read, rollouts(), None, None, 2)[0].backward()
        pulls[margin] = read.embeddings.grad[:2].abs().amax(-1) > 0
    # query 0 wins by 1 and .2, query 1 wins by 1 and loses by .2
    assert pulls["printed"].tolist() == [[True, True], [True, False]]
    assert pulls["clipped"].tolist() == [[False, False], [False, True]]


def test_path_and_policy_together_are_the_gradient_of_the_expected_reward() -> None:
    """All that three items of two possible words can write, twice, each pair as often as the policy writes it."""
    groups, drawn = 2, torch.Generator().manual_seed(3)
    logits = torch.randn(3, 2, generator=drawn).requires_grad_()
    vectors = torch.randn(3, 2, 4, generator=drawn).requires_grad_()  # of each item behind each word
    only = replace(scene(), queries=scene().queries[:1], dids=scene().dids[:2], sets=torch.tensor([[0, 1]]))
    only = replace(only, ignore=torch.tensor([[True, False]]))
    size = {"policy": 3 * 2 * groups / (groups - 1), "path": 1.0}  # summaries, most tokens, what the group mean takes
    settings = Policy(scale_by_std=False, aggregation="dr_grpo", kl_beta=0.0)
    wanted = recipe(groups, reward=REWARD, policy=settings, weights=Weights(**size))
    texts = [torch.tensor(words) for words in product((0, 1), repeat=3)]
    items = torch.arange(3)

    def chance(words: torch.Tensor) -> torch.Tensor:
        return logits.log_softmax(-1)[items, words].sum().exp()

    def embedded(words: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(vectors[items, words], dim=-1)

    rewards = torch.stack([embedded(words)[1:] @ embedded(words)[0] for words in texts])
    expected = (torch.stack([chance(words) for words in texts]) * reward_total(rewards, gamma=GAMMA).total).sum()
    right = torch.autograd.grad(expected, (logits, vectors))
    found = [torch.zeros_like(each) for each in right]
    for pair in product(texts, repeat=groups):
        logprobs = torch.stack([logits.log_softmax(-1)[items, words] for words in pair], 1)
        read = written(torch.stack([embedded(words) for words in pair], 1), F.pad(logprobs.unsqueeze(-1), (0, 1)))
        loss, _ = judge(wanted, only, read, read.detached(), None, None, 2)
        weight = torch.stack([chance(words) for words in pair]).prod().detach()
        for total, part in zip(found, torch.autograd.grad(loss, (logits, vectors)), strict=True):
            total -= weight * part
    for ours, true in zip(found, right, strict=True):
        torch.testing.assert_close(ours, true, atol=1e-6, rtol=1e-4)


def test_infonce_is_the_cross_entropy_of_each_rollout() -> None:
    weights = Weights(policy=0.0, infonce=1.0)
    loss, metrics = judge(
        recipe(weights=weights, infonce_temperature=0.5), scene(), reading(), rollouts(), None, None, 2
    )
    cosines = torch.tensor([[[1.0, 0, 0], [0, 1.0, 0]], [[0.8, 0.6, 0], [0.8, 0.6, 0]]]) / 0.5
    expected = -torch.stack([cosines[g, q].log_softmax(0)[q] for g in range(2) for q in range(2)]).mean()
    assert loss.item() == pytest.approx(float(expected), rel=1e-5)
    assert metrics["infonce"] == pytest.approx(loss.item())


def test_the_own_caption_is_written_but_never_rewarded() -> None:
    logprobs = torch.full((5, 3, 2), -2.0)
    x, y, z = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]
    both = rollouts().embeddings
    own = unit([z, z, x, y, z])[:, None]
    read = written(leaf(torch.cat([both, own], 1)), leaf(logprobs))
    sampled = written(torch.cat([both, own], 1), logprobs)
    wanted = recipe(own_caption=True, reward=REWARD, weights=Weights(policy=1.0, lm=0.5))
    loss, metrics = judge(wanted, scene(), read, sampled, logprobs, None, 2)
    loss.backward()
    assert metrics["reward/total"] == pytest.approx(sum(sum(row) for row in REWARDS) / 4, abs=1e-6)
    assert metrics["lm_loss"] == pytest.approx(2.0)
    torch.testing.assert_close(read.logprobs.grad[:, 2], torch.full((5, 2), -0.5 / 10))


def test_what_is_logged_is_of_the_sampled_summaries_alone() -> None:
    x, y, z = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]
    own = unit([z, z, x, y, z])[:, None]
    both = written(torch.cat([rollouts().embeddings, own], 1))
    both.forced[:, 2], both.mask[:, 2, 1] = True, False  # the own caption is shorter and was cut
    weights = Weights(policy=0.0, lm=1.0)
    _, metrics = judge(recipe(own_caption=True, reward=REWARD, weights=weights), scene(), both, both, None, None, 2)
    _, alone = judge(recipe(reward=REWARD, weights=Weights(policy=0.0)), scene(), rollouts(), rollouts(), None, None, 2)
    assert {key: metrics[key] for key in alone} == pytest.approx(alone)


def test_where_nothing_is_sampled_the_caption_is_ranked_and_no_length_is_logged() -> None:
    x, y, z = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]
    caption = written(unit([x, y, x, y, z])[:, None])
    weights = Weights(policy=0.0, infonce=1.0)
    _, metrics = judge(
        recipe(group_size=0, own_caption=True, reward=REWARD, weights=weights), scene(), caption, caption, None, None, 2
    )
    assert metrics["positive_rank"] == 1.0
    assert metrics["reward/total"] == pytest.approx(ON_POSITIVE)
    assert not {"summary_length", "missing_ret_rate", "reward_std"} & metrics.keys()


def test_objectives_add_up() -> None:
    parts = [
        judge(recipe(weights=Weights(**{"policy": 0.0, name: 1.0})), scene(), reading(), rollouts(), None, order(), 2)[
            0
        ]
        for name in ("path", "order", "infonce")
    ]
    weights = Weights(policy=0.0, path=0.5, order=2.0, infonce=3.0)
    whole, _ = judge(recipe(weights=weights), scene(), reading(), rollouts(), None, order(), 2)
    expected = 0.5 * parts[0] + 2 * parts[1] + 3 * parts[2]
    assert whole.item() == pytest.approx(expected.item(), rel=1e-5)


NESTED = Nested(lengths=(2,), weights=(0.5,))
"""Of the candidates x, y and z the first two numbers keep x and y as they are, and nothing of z."""


def tilted() -> Rollouts:
    """Query 0 lies on x and z, query 1 on y and z, as a whole nearer to z; by the first two numbers on x and y."""
    x, y, z = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]
    both = unit([[0.6, 0.0, 0.8], [0.0, 0.6, 0.8], x, y, z])
    return written(torch.stack([both, both], 1))


def test_rewards_are_the_mean_over_whole_and_prefix() -> None:
    wanted = replace(recipe(reward=Reward(gamma=0.0)), nested=NESTED)
    _, metrics = judge(wanted, scene(), tilted(), tilted(), None, None, 2)
    whole = 0.6 * 0.6 / (1 + log(2))  # rank 2 behind z, no margin
    alone = 0.4 * 1.0 + 0.6 * 1.0
    assert metrics["reward/total"] == pytest.approx((whole + 0.5 * alone) / 1.5, abs=1e-6)
    assert metrics["reward/margin"] == pytest.approx(0.5 / 1.5, abs=1e-6)
    assert metrics["positive_rank"] == 2.0, "ranks and cosines that are logged are those of the whole"


@pytest.mark.parametrize(
    "stage",
    [
        {"weights": Weights(policy=0, path=1)},
        {"weights": Weights(policy=0, order=1)},
        {"weights": Weights(policy=0, infonce=1)},
    ],
)
def test_each_objective_is_the_mean_over_whole_and_prefix(stage: dict[str, Weights]) -> None:
    def loss(vectors: torch.Tensor, nested: Nested) -> float:
        texts = written(vectors)
        wanted = replace(recipe(reward=REWARD, **stage), nested=nested)
        return float(judge(wanted, scene(), texts, texts, None, order(), 2)[0])

    whole = tilted().embeddings
    short = torch.nn.functional.normalize(whole[..., :2], dim=-1)
    both = loss(whole, NESTED)
    assert both == pytest.approx((loss(whole, Nested()) + 0.5 * loss(short, Nested())) / 1.5, rel=1e-5)
    assert both != pytest.approx(loss(whole, Nested()))


@pytest.mark.parametrize("settings", [{"pairings": "all"}, {"pairings": "single"}, {"reward": "order"}])
def test_every_pairing_pays_by_all_lengths(settings: dict[str, str]) -> None:
    """What pays a rollout is linear in the rewards where nothing is divided, and so in those of whole and prefix."""
    policy = Policy(scale_by_std=False, kl_beta=0.0, **settings)

    def gradient(vectors: torch.Tensor, nested: Nested) -> torch.Tensor:
        texts, read = written(vectors), leaf(torch.zeros(5, 2, 2))
        wanted = replace(recipe(reward=REWARD, policy=policy), nested=nested)
        judge(wanted, scene(), written(vectors, read), texts, None, order(), 2)[0].backward()
        return read.grad

    whole = torch.nn.functional.normalize(torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(1)), dim=-1)
    short = torch.nn.functional.normalize(whole[..., :2], dim=-1)
    expected = (gradient(whole, Nested()) + 0.5 * gradient(short, Nested())) / 1.5
    torch.testing.assert_close(gradient(whole, NESTED), expected, atol=1e-7, rtol=1e-4)
    assert not torch.allclose(gradient(whole, NESTED), gradient(whole, Nested()), atol=1e-4)


def test_constant_vectors_of_candidates_are_cut_with_the_queries() -> None:
    vectors = tilted().embeddings
    known = replace(scene(), vectors=vectors[2:, 0])
    wanted = replace(recipe(reward=REWARD, weights=Weights(policy=0, infonce=1)), nested=NESTED)
    constant = judge(wanted, known, written(vectors[:2]), written(vectors[:2]), None, None, 2)[0]
    read = judge(wanted, scene(), written(vectors), written(vectors), None, None, 2)[0]
    assert constant.item() == pytest.approx(read.item(), rel=1e-6)
