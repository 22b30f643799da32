"""Scores of vectors and of their prefixes, by hand."""

from __future__ import annotations

from functools import partial
from math import exp, log, sqrt

import pytest
import torch

from elva.objectives.contrastive import info_nce
from elva.objectives.nested import nested_mean, prefix

QUERY = torch.tensor([[0.6, 0.0, 0.8, 0.0]])
CANDIDATES = torch.tensor([[0.0, 0.6, 0.8, 0.0], [0.8, 0.6, 0.0, 0.0]])
"""As a whole the query's cosines are .64 and .48; by the first two numbers, made unit again, 0 and .8."""


def dot(queries: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
    return queries @ candidates.T


def test_a_prefix_is_a_unit_vector_of_its_own():
    vectors = torch.tensor([[0.36, 0.48, 0.8], [0.0, 0.6, 0.8]])
    torch.testing.assert_close(prefix(vectors, 2), torch.tensor([[0.6, 0.8], [0.0, 1.0]]))


def test_the_mean_is_over_the_whole_and_each_prefix():
    mean = nested_mean(dot, (QUERY, CANDIDATES), [2])
    torch.testing.assert_close(mean, torch.tensor([[(0.64 + 0.0) / 2, (0.48 + 0.8) / 2]]))
    three = 0.64 / sqrt(0.6**2 + 0.8**2) ** 2  # the fourth number is 0, so three say what four do
    mean = nested_mean(dot, (QUERY, CANDIDATES), [3, 2], [2.0, 0.5])
    torch.testing.assert_close(mean[0, 0], torch.tensor((0.64 + 2 * three + 0.5 * 0.0) / 3.5))


def test_info_nce_of_two_lengths_by_hand():
    loss = partial(info_nce, positive=torch.tensor([0]), temperature=0.5)
    whole = log(exp(1.28) + exp(0.96)) - 1.28
    first = log(exp(0.0) + exp(1.6)) - 0.0
    assert nested_mean(loss, (QUERY, CANDIDATES), [2]).item() == pytest.approx((whole + first) / 2, abs=1e-6)


def test_without_lengths_the_score_is_what_it_was():
    assert torch.equal(nested_mean(dot, (QUERY, CANDIDATES)), dot(QUERY, CANDIDATES))


def test_the_gradient_also_orders_the_prefix():
    """The whole ranks rightly by far; only the prefix ranks the wrong candidate first."""
    loss = partial(info_nce, positive=torch.tensor([0]), temperature=0.01)
    pulls = {}
    for lengths in ([], [2]):
        query = QUERY.clone().requires_grad_()
        nested_mean(loss, (query, CANDIDATES), lengths).backward()
        pulls[len(lengths)] = query.grad[0]
    assert pulls[0].abs().max() < 1e-3, "the whole has nothing to learn"
    # of the unit prefix (1, 0): (c_2 - c_1) / T across it, half of the mean, over the prefix's length .6
    assert pulls[1][1].item() == pytest.approx((0.6 - 1.0) / 0.01 / 2 / 0.6, rel=1e-4)


def test_what_is_no_shorter_is_refused():
    with pytest.raises(ValueError, match="prefixes of 4 numbers"):
        nested_mean(dot, (QUERY, CANDIDATES), [4, 2])
