"""The paper's rewards against numbers worked by hand (section 4)."""

from __future__ import annotations

from math import log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from elva.objectives.rewards import positive_rank, reward_margin, reward_rank, reward_total

SIMILARITY = torch.tensor([0.6, 0.8, 0.2])  # the positive is second of three


def test_margin_pays_the_gap_to_the_hardest_negative():
    assert reward_margin(torch.tensor([0.9, 0.5, 0.7])).item() == pytest.approx(0.2)
    assert reward_margin(torch.tensor([0.9, 0.5, 0.7]), delta=0.05).item() == pytest.approx(0.15)
    assert reward_margin(SIMILARITY).item() == 0.0


def test_clipped_margin_costs_what_a_ranking_is_lost_by():
    assert reward_margin(SIMILARITY, margin="clipped").item() == pytest.approx(-0.2)
    assert reward_margin(torch.tensor([0.9, 0.5, 0.7]), margin="clipped").item() == 0.0
    assert reward_margin(torch.tensor([0.9, 0.5, 0.7]), delta=0.1, margin="clipped").item() == pytest.approx(0.1)
    assert reward_margin(torch.tensor([0.9, 0.5, 0.7]), delta=0.3, margin="clipped").item() == pytest.approx(0.2)


def test_rank_of_the_positive_counts_from_one_and_ties_against_it():
    assert positive_rank(SIMILARITY).item() == 2
    assert positive_rank(torch.tensor([0.9, 0.8, 0.2])).item() == 1
    assert positive_rank(torch.tensor([0.8, 0.8, 0.2])).item() == 2


def test_rank_reward_as_printed_by_hand():
    # s_(2) / (1 + ln 2) - gamma * [0.8 (ln 1 - 1) + 0.2 (ln 3 - 1)]
    expected = 0.6 / (1 + log(2)) - 0.1 * (0.8 * -1.0 + 0.2 * (log(3) - 1))
    assert reward_rank(SIMILARITY, gamma=0.1).item() == pytest.approx(expected, abs=1e-6)


def test_rank_reward_with_base_two():
    expected = 0.6 / (1 + 1) - 0.1 * (0.8 * -1.0 + 0.2 * (log(3, 2) - 1))
    assert reward_rank(SIMILARITY, gamma=0.1, log_base=2).item() == pytest.approx(expected, abs=1e-6)


def test_printed_reward_pays_the_negative_at_rank_one():
    nearer = torch.tensor([0.6, 0.9, 0.2])
    assert reward_rank(nearer, gamma=0.1) > reward_rank(SIMILARITY, gamma=0.1)


def test_printed_reward_can_pay_for_a_worse_rank():
    # Exchanging the positive at rank 2 with its neighbour above is rewarded only while gamma < .28.
    better, worse = torch.tensor([0.5, 0.499]), torch.tensor([0.5, 0.501])
    assert reward_rank(better, gamma=0.1) > reward_rank(worse, gamma=0.1)
    assert reward_rank(better, gamma=1.0) < reward_rank(worse, gamma=1.0)


def test_normalised_shape_charges_the_nearest_most():
    # ranks of the negatives are 1 and 3: weights 1 and 1/9, scaled to sum to one
    expected = 0.6 / (1 + log(2)) - (0.8 * 0.9 + 0.2 * 0.1)
    assert reward_rank(SIMILARITY, gamma=1.0, shape="normalised").item() == pytest.approx(expected, abs=1e-6)


def test_total_is_the_weighted_sum():
    similarity = torch.tensor([[0.9, 0.5, 0.7], [0.6, 0.8, 0.2]])
    rewards = reward_total(similarity, gamma=0.1)
    expected = 0.4 * reward_margin(similarity) + 0.6 * reward_rank(similarity, gamma=0.1)
    assert torch.equal(rewards.total, expected)
    assert rewards.total.shape == (2,)


def test_a_reward_without_negatives_is_refused():
    with pytest.raises(ValueError, match="at least one negative"):
        reward_total(torch.tensor([[0.5]]))


@given(st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=20), st.randoms())
def test_the_order_of_the_negatives_does_not_matter(values, random):
    shuffled = values[1:]
    random.shuffle(shuffled)
    a, b = torch.tensor(values), torch.tensor([values[0], *shuffled])
    torch.testing.assert_close(reward_total(a).total, reward_total(b).total, atol=1e-5, rtol=0)


@given(st.lists(st.floats(-1, 1, width=32), min_size=3, max_size=20), st.floats(0, 0.5))
def test_margin_never_falls_when_the_positive_rises(values, lift):
    low = torch.tensor(values)
    high = low.clone()
    high[0] += lift
    assert reward_margin(high) >= reward_margin(low)
