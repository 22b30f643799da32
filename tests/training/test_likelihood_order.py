"""Likelihoods as the target of a step."""

from __future__ import annotations

import torch

from elva.training.likelihood_order import LikelihoodOrder


def test_likelihoods_of_a_step_and_nan_where_a_pair_was_not_scored() -> None:
    order = LikelihoodOrder({"1:1": {"2:1": -3.5, "2:2": -4.0}, "1:2": {"2:2": -1.0}})
    found = order.queries(["1:2", "1:1", "1:9"], ["2:1", "2:2", "2:3"])
    nan = torch.nan
    expected = torch.tensor([[nan, -1.0, nan], [-3.5, -4.0, nan], [nan, nan, nan]])
    torch.testing.assert_close(found, expected, equal_nan=True)
    assert found.dtype == torch.float32


def test_no_queries_and_no_candidates_are_an_empty_target() -> None:
    order = LikelihoodOrder({})
    assert order.queries([], ["2:1"]).shape == (0, 1)
    assert order.queries(["1:1"], []).shape == (1, 0)


def test_differences_are_grains_below_the_best_and_right_answers_have_none() -> None:
    order = LikelihoodOrder({"1:1": {"2:1": -3.0, "2:2": -1.0, "2:3": -9.0}}, nats=2.0, other_offset=1.0)
    right = torch.tensor([[True, False, False, False], [False, False, False, True]])
    found = order.differences(["1:1", "1:2"], ["2:1", "2:2", "2:3", "2:4"], right)
    # the best is 2:2; 2:4 was not scored and counts as 2:3, the least probable; nothing of 1:2 was scored
    nan = torch.nan
    torch.testing.assert_close(found, torch.tensor([[0, 1.0, 5.0, 5.0], [nan, nan, nan, 0]]), equal_nan=True)


def test_in_a_whole_pool_a_pair_that_was_not_scored_is_infinitely_far() -> None:
    order = LikelihoodOrder({"1:1": {"2:1": -3.0, "2:2": -1.0}}, nats=2.0, other_offset=1.0, whole_pool=True)
    right = torch.tensor([[True, False, False], [False, False, True]])
    found = order.differences(["1:1", "1:2"], ["2:1", "2:2", "2:3"], right)
    nan = torch.nan
    torch.testing.assert_close(found, torch.tensor([[0, 1.0, torch.inf], [nan, nan, 0]]), equal_nan=True)
