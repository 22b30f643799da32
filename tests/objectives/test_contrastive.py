"""InfoNCE by hand, and what it must leave out."""

from __future__ import annotations

from math import exp, log

import pytest
import torch

from elva.objectives.contrastive import info_nce

AXES = torch.eye(3)


def test_by_hand():
    queries, candidates = AXES[:2], AXES
    loss = info_nce(queries, candidates, torch.tensor([0, 1]), temperature=0.5)
    # each row: logits 2, 0, 0
    assert loss.item() == pytest.approx(log(exp(2) + 2) - 2, abs=1e-6)


def test_other_positives_are_left_out():
    candidates = torch.stack([AXES[0], AXES[0], AXES[1]])
    ignore = torch.tensor([[True, True, False]])  # the positive itself is never ignored
    loss = info_nce(AXES[:1], candidates, torch.tensor([0]), 1.0, ignore=ignore)
    assert loss.item() == pytest.approx(log(exp(1) + 1) - 1, abs=1e-6)


def test_queries_that_share_a_positive_are_no_negatives_of_each_other():
    queries = torch.stack([AXES[0], AXES[0], AXES[1]])
    positive = torch.tensor([0, 0, 1])
    loss = info_nce(queries, AXES[:2], positive, 1.0, symmetric=True)
    against_one, against_two = log(exp(1) + 1) - 1, log(exp(1) + 2) - 1
    backward = (against_one + against_one + against_two) / 3  # the first two don't see each other
    assert loss.item() == pytest.approx(0.5 * (against_one + backward), abs=1e-6)


def test_gradient_pulls_the_positive():
    queries = torch.nn.functional.normalize(torch.tensor([[1.0, 1.0, 0.0]]), dim=-1).requires_grad_()
    info_nce(queries, AXES, torch.tensor([0]), 0.1).backward()
    assert queries.grad[0, 0] < 0 < queries.grad[0, 1]
