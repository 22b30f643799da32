"""Ranking objectives on the embedding, by hand."""

from __future__ import annotations

from math import log

import pytest
import torch

from elva.objectives.listwise import listwise_reward, regression_loss

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
