"""Ranking objectives on the embedding, by hand."""

from __future__ import annotations

from math import exp, log

import pytest
import torch

from elva.objectives.listwise import cosent, list_mle, listwise_reward, regression_loss

NAN = float("nan")


def test_listwise_is_zero_exactly_where_the_order_is_met():
    h = torch.tensor([[0.0, 1.0, 2.0]])
    cosine = -h / 0.5 * 0.05  # the same logits
    assert listwise_reward(cosine, h).item() == pytest.approx(0.0, abs=1e-6)
    assert listwise_reward(-cosine, h).item() < -1.0


def test_listwise_by_hand():
    # target (1/2, 1/2), model (3/4, 1/4): -KL = -[1/2 log(2/3) + 1/2 log 2]
    cosine = torch.tensor([[log(3.0), 0.0]])
    reward = listwise_reward(cosine, torch.zeros(1, 2), temperature=1.0)
    assert reward.item() == pytest.approx(-0.5 * (log(2 / 3) + log(2)), abs=1e-6)


def test_unknown_pairs_are_left_out_and_leave_the_gradient_finite():
    h = torch.tensor([[0.0, 1.0, NAN], [NAN, NAN, NAN]])
    cosine = torch.tensor([[0.3, 0.1, 0.9], [0.1, 0.2, 0.3]], requires_grad=True)
    reward = listwise_reward(cosine, h)
    assert reward[0].item() == pytest.approx(listwise_reward(cosine[:1, :2], h[:1, :2]).item(), abs=1e-6)
    assert reward[1].item() == 0.0
    reward.sum().backward()
    assert torch.isfinite(cosine.grad).all()
    assert cosine.grad[0, 2] == 0


def test_regression_by_hand():
    h = torch.tensor([[0.0, 1.0, NAN]])
    cosine = torch.tensor([[0.9, 0.9, 0.0]])
    # errors (-.1)^2 with weight 1, (0)^2 with weight 1/4
    assert regression_loss(cosine, h).item() == pytest.approx(0.01 / 1.25, abs=1e-6)


def test_list_mle_by_hand():
    # scores 1, 2, 0 in the target's order: chosen among three, then among two, then alone
    loss = list_mle(torch.tensor([[1.0, 2.0, 0.0]]), torch.tensor([[0.0, 1.0, 2.0]]), temperature=1.0)
    first = log(exp(1) + exp(2) + 1) - 1
    second = log(exp(2) + 1) - 2
    assert loss.item() == pytest.approx((first + second) / 3, abs=1e-6)


def test_list_mle_does_not_order_what_is_equally_far():
    loss = list_mle(torch.tensor([[1.0, 2.0, 0.0]]), torch.tensor([[1.0, 1.0, 2.0]]), temperature=1.0)
    expected = log(exp(1) + 1) - 1 + log(exp(2) + 1) - 2
    assert loss.item() == pytest.approx(expected / 3, abs=1e-6)
    assert list_mle(torch.rand(1, 4), torch.ones(1, 4)).item() == 0.0


def test_cosent_by_hand():
    # pairs (nearer, farther) with scores: (1, 2), (1, 0), (2, 0)
    loss = cosent(torch.tensor([[0.1, 0.2, 0.0]]), torch.tensor([[0.0, 1.0, 2.0]]), temperature=0.1)
    assert loss.item() == pytest.approx(log(1 + exp(1) + exp(-1) + exp(-2)), abs=1e-6)


def test_cosent_leaves_out_pairs_that_are_equally_far():
    loss = cosent(torch.tensor([[0.1, 0.2, 0.0]]), torch.tensor([[0.0, 0.0, 2.0]]), temperature=0.1)
    assert loss.item() == pytest.approx(log(1 + exp(-1) + exp(-2)), abs=1e-6)


def test_a_row_that_knows_nothing_is_0():
    cosine = torch.tensor([[0.3, 0.1]], requires_grad=True)
    for loss in (list_mle(cosine, torch.full((1, 2), NAN)), cosent(cosine, torch.full((1, 2), NAN))):
        assert loss.item() == 0.0
        (gradient,) = torch.autograd.grad(loss.sum(), cosine)
        assert (gradient == 0).all()


def test_the_infinitely_far_are_rivals_that_nothing_is_asked_of():
    similarity = torch.tensor([[0.2, 0.1, 0.3]], requires_grad=True)
    h = torch.tensor([[0.0, 1.0, torch.inf]])
    listwise = listwise_reward(similarity, h, 1.0, 0.1)
    target = [1 / (1 + exp(-1)), exp(-1) / (1 + exp(-1))]
    total = exp(2) + exp(1) + exp(3)  # with the third, which has no weight in the target
    expected = sum(p * (log(p) - log(e / total)) for p, e in zip(target, [exp(2), exp(1)], strict=True))
    assert listwise.item() == pytest.approx(-expected, abs=1e-5)
    listwise.sum().backward()
    assert similarity.grad.isfinite().all() and similarity.grad[0, 2] < 0
    # nearest first: the first against both others, the second against the third
    chosen = log(1 + (exp(1) + exp(3)) / exp(2)), log(1 + exp(3) / exp(1))
    assert list_mle(similarity, h, 0.1).item() == pytest.approx(sum(chosen) / 2, abs=1e-5)
    wrong = exp(-1) + exp(1) + exp(2)
    assert cosent(similarity, h, 0.1).item() == pytest.approx(log(1 + wrong), abs=1e-5)
    alone = regression_loss(similarity[:, :2], h[:, :2], 0.5)
    assert regression_loss(similarity, h, 0.5).item() == pytest.approx(alone.item(), abs=1e-6)
    nothing = torch.tensor([[torch.inf, torch.nan, torch.inf]])
    assert listwise_reward(similarity, nothing).item() == 0.0
