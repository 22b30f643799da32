"""The pairings of rollouts on a toy whose outcomes are all enumerated: means and variances are exact.

A query, its positive and two negatives are each written in one of three words; each word of an item has a known
embedding. With G = 2 there are 3^8 outcomes.
"""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor

from elva.objectives.policy import crossed_advantages, group_advantage, policy_loss
from elva.objectives.rewards import reward_total

ITEMS, WORDS, GROUP = 4, 3, 2
RANDOM = torch.Generator().manual_seed(3)
LOGPROBS = torch.randn(ITEMS, WORDS, generator=RANDOM, dtype=torch.float64).log_softmax(-1)
EMBEDDINGS = torch.nn.functional.normalize(torch.randn(ITEMS, WORDS, 2, generator=RANDOM, dtype=torch.float64), dim=-1)
OWN = torch.arange(ITEMS)


def rewards(query: Tensor, candidates: Tensor) -> Tensor:
    """(...) of a query's word (...) among the words (..., 3) of positive and negatives."""
    vectors = EMBEDDINGS[OWN[1:], candidates]
    return reward_total((EMBEDDINGS[0][query].unsqueeze(-2) * vectors).sum(-1), gamma=0.1).total


def scores(words: Tensor) -> Tensor:
    """d log p / d logits, (..., 4, 3), of the words (..., 4) of all items."""
    return torch.nn.functional.one_hot(words, WORDS) - LOGPROBS.exp()


def exchanged(query: Tensor, candidates: Tensor, n: int) -> Tensor:
    """(O, G, G) rewards where all is of the first index, but candidate n of the second."""
    words = candidates[:, :, None].repeat(1, 1, GROUP, 1)
    words[..., n] = candidates[:, None, :, n]
    return rewards(query[:, :, None].expand(-1, -1, GROUP), words)


def true_gradient() -> Tensor:
    """(4, 3) of the expected reward, over all 3^4 outcomes."""
    words = torch.tensor(list(product(range(WORDS), repeat=ITEMS)))
    chance = LOGPROBS[OWN, words].sum(-1).exp()
    return torch.einsum("o,o,oiw->iw", chance, rewards(words[:, 0], words[:, 1:]), scores(words))


def estimated(pairings: str, scale_by_std: bool = False) -> tuple[Tensor, float]:
    """Mean (4, 3) and total variance of the estimator that `policy_loss` gives, over all outcomes of two rollouts."""
    words = torch.tensor(list(product(range(WORDS), repeat=ITEMS * GROUP))).view(-1, ITEMS, GROUP)
    chance = LOGPROBS[OWN[:, None], words].sum((1, 2)).exp()
    query, candidates = words[:, 0], words[:, 1:].transpose(1, 2)  # (O, G), (O, G, 3)
    crossed = rewards(query[:, :, None].expand(-1, -1, GROUP), candidates[:, None].expand(-1, GROUP, -1, -1))
    asking, found = crossed_advantages(crossed, scale_by_std)
    if pairings == "all":
        advantage = torch.stack([asking, *[found] * 3], 1)
    elif pairings == "single":
        alone = [crossed_advantages(exchanged(query, candidates, n), scale_by_std)[1] for n in range(3)]
        advantage = torch.stack([asking, *alone], 1)
    else:
        advantage = group_advantage(crossed.diagonal(dim1=1, dim2=2), scale_by_std).unsqueeze(1)
    logprob = LOGPROBS[OWN[:, None], words].unsqueeze(-1).requires_grad_()
    mask = torch.ones_like(logprob, dtype=torch.bool)
    policy_loss(logprob, logprob.detach(), None, advantage, mask, max_new_tokens=1).loss.backward()
    # the loss is a mean over outcomes, items and rollouts; ascent on the sum over items, mean over rollouts
    weight = -logprob.grad.squeeze(-1) * len(words) * ITEMS
    gradient = torch.einsum("oig,oigw->oiw", weight, scores(words.transpose(1, 2)).transpose(1, 2))
    mean = torch.einsum("o,oiw->iw", chance, gradient)
    return mean, float((chance * ((gradient - mean) ** 2).sum((1, 2))).sum())


@pytest.mark.parametrize("pairings", ["diagonal", "all", "single"])
def test_all_pairings_have_the_true_gradient_for_a_mean(pairings: str) -> None:
    assert true_gradient().abs().max() > 0.01, "there is a gradient to estimate"
    mean, _ = estimated(pairings)
    torch.testing.assert_close(mean, (1 - 1 / GROUP) * true_gradient())


def test_more_pairings_have_less_variance() -> None:
    diagonal, everything, single = (estimated(pairings)[1] for pairings in ("diagonal", "all", "single"))
    assert single < 0.9 * everything < 0.81 * diagonal


@pytest.mark.parametrize("pairings", ["diagonal", "all", "single"])
def test_dividing_by_the_deviation_turns_the_mean(pairings: str) -> None:
    mean, _ = estimated(pairings, scale_by_std=True)
    assert torch.cosine_similarity(mean.flatten(), true_gradient().flatten(), 0) < 0.999


def test_crossed_advantages_by_hand() -> None:
    reward = torch.tensor([[1.0, 2.0], [3.0, 6.0]])  # mean 3, deviation sqrt(14 / 3)
    query, candidates = crossed_advantages(reward, scale_by_std=False)
    assert query.tolist() == [-1.5, 1.5]
    assert candidates.tolist() == [-1.0, 1.0]
    scaled, _ = crossed_advantages(reward)
    torch.testing.assert_close(scaled, query / ((14 / 3) ** 0.5 + 1e-4))


def test_summaries_that_do_not_count_are_left_out_of_a_mean_over_all() -> None:
    logprob, mask = torch.zeros(1, 2, 2, 1, requires_grad=True), torch.ones(1, 2, 2, 1, dtype=torch.bool)
    reference = torch.ones(1, 2, 2, 1)
    counted = torch.tensor([[[True, True], [False, True]]])
    for aggregation in ("grpo", "dapo", "dr_grpo"):
        result = policy_loss(
            logprob,
            logprob.detach(),
            reference,
            torch.tensor([[[4.0, 1.0]]]),
            mask,
            max_new_tokens=1,
            kl_beta=0.2,
            aggregation=aggregation,
            counted=counted,
        )
        kl = torch.e - 2
        assert result.loss.item() == pytest.approx((-4 - 1 - 1 + 3 * 0.2 * kl) / 4)
        assert result.kl.item() == pytest.approx(kl)
        (gradient,) = torch.autograd.grad(result.loss, logprob)
        assert gradient.flatten().ne(0).tolist() == counted.flatten().tolist()
