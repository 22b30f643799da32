"""Ranking objectives that follow NDCG, by hand."""

from __future__ import annotations

from math import exp, log, log2

import pytest
import torch

from elva.objectives.ndcg import approx_ndcg, lambda_rank

NAN = float("nan")
HALVING = 1 / log(2)
"""A grain temperature at which each grain halves the gain."""


def sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x))


def test_approx_ndcg_by_hand():
    # gains 1, 1/2, 1/4; scores 0, 1, 2: the worst order
    loss = approx_ndcg(torch.tensor([[0.0, 1.0, 2.0]]), torch.tensor([[0.0, 1.0, 2.0]]), HALVING, 1.0)
    ranks = [1 + sigmoid(1) + sigmoid(2), 1 + sigmoid(-1) + sigmoid(1), 1 + sigmoid(-2) + sigmoid(-1)]
    found = sum(gain / log2(1 + rank) for gain, rank in zip((1, 0.5, 0.25), ranks, strict=True))
    best = 1 + 0.5 / log2(3) + 0.25 / log2(4)
    assert loss.item() == pytest.approx(1 - found / best, abs=1e-6)


def test_at_a_low_temperature_it_is_ndcg_itself():
    h = torch.tensor([[0.0, 1.0, 2.0]])
    assert approx_ndcg(-h, h, temperature=1e-3).item() == pytest.approx(0.0, abs=1e-6)
    best = 1 + 0.5 / log2(3) + 0.25 / log2(4)
    worst = 0.25 + 0.5 / log2(3) + 1 / log2(4)
    assert approx_ndcg(h, h, HALVING, 1e-3).item() == pytest.approx(1 - worst / best, abs=1e-6)


def test_lambda_rank_by_hand():
    # gains 1, 1/2, 1/4 at ranks 2, 1, 3
    loss = lambda_rank(torch.tensor([[0.5, 0.7, 0.1]]), torch.tensor([[0.0, 1.0, 2.0]]), HALVING, 1.0)
    first, second, third = (1 / log2(1 + rank) for rank in (1, 2, 3))
    best = first + 0.5 * second + 0.25 * third
    pairs = [
        0.5 * (first - second) * log(1 + exp(0.2)),
        0.75 * (second - third) * log(1 + exp(-0.4)),
        0.25 * (first - third) * log(1 + exp(-0.6)),
    ]
    assert loss.item() == pytest.approx(sum(pairs) / best, abs=1e-6)


def test_lambda_rank_lifts_the_nearer_of_two_most_where_most_is_to_gain():
    h = torch.tensor([[0.0, 1.0, 1.0, 1.0]])
    cosine = torch.tensor([[0.5, 0.6, 0.4, 0.3]], requires_grad=True)
    lambda_rank(cosine, h).sum().backward()
    assert cosine.grad[0, 0] < 0 < cosine.grad[0, 1]
    assert cosine.grad[0, 1] > cosine.grad[0, 2:].max(), "the one that stands above it"


def test_the_best_order_beats_the_worst_one():
    h = torch.tensor([[0.0, 1.0, 2.0, 3.0]])
    assert lambda_rank(-0.1 * h, h).item() < lambda_rank(0.1 * h, h).item()


def test_a_row_that_knows_nothing_teaches_nothing():
    cosine = torch.tensor([[0.3, 0.1], [0.3, 0.1]], requires_grad=True)
    h = torch.tensor([[NAN, NAN], [0.0, NAN]])
    for loss in (approx_ndcg(cosine, h), lambda_rank(cosine, h)):
        assert torch.allclose(loss, torch.zeros(2), atol=1e-6)
        (gradient,) = torch.autograd.grad(loss.sum(), cosine)
        assert torch.isfinite(gradient).all()
