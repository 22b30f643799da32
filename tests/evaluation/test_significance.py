"""Tests and intervals against numbers worked by hand, and what must hold for any arms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elva.errors import InputError
from elva.evaluation.significance import (
    Values,
    bootstrap_interval,
    compare,
    f1_interval,
    hit_interval,
    hits,
    holm,
    randomisation_p,
    task_mean,
)

NEAR = 0.01  # 100,000 drawn flips lie within it of what all flips together give


def values(**tasks: list[float]) -> Values:
    return {task: np.array(each, float) for task, each in tasks.items()}


def ranks(*each: int | None) -> dict[str, list[int | None]]:
    return {"t": list(each)}


def test_hits_are_averaged_over_seeds() -> None:
    found = hits([ranks(1, 2, None, 6), ranks(1, 1, 3, None)])
    assert found["t"].tolist() == [1.0, 0.5, 0.0, 0.0]
    assert hits([ranks(1, 2, None, 6)], 5)["t"].tolist() == [1.0, 1.0, 0.0, 0.0]


def test_four_gains_in_a_row_are_two_of_sixteen_flips() -> None:
    assert randomisation_p(values(t=[1, 1, 1, 1])) == pytest.approx(2 / 16, abs=NEAR)


def test_two_gains_for_a_loss_are_no_evidence() -> None:
    assert randomisation_p(values(t=[1, 1, 0, -1])) == 1.0  # any of the eight flips is at least as far from 0


def test_queries_of_one_product_are_one_piece_of_evidence() -> None:
    pairs = {"t": [7, 7, 9, 9]}
    assert randomisation_p(values(t=[1, 1, 1, 1]), pairs) == pytest.approx(2 / 4, abs=NEAR)
    assert randomisation_p(values(t=[1, 1], u=[1, 1]), {"t": [7, 9], "u": [7, 9]}) == pytest.approx(2 / 4, abs=NEAR)


def test_tasks_weigh_the_same_whatever_their_size() -> None:
    uneven = values(t=[1, 1], u=[-1])
    assert task_mean(uneven) == 0.0
    assert randomisation_p(uneven) == 1.0
    # 1/4 from each query of t, 1/2 from u's: of eight flips, only the two without a change of sign reach 1
    assert randomisation_p(values(t=[1, 1], u=[1])) == pytest.approx(2 / 8, abs=NEAR)


def test_p_is_never_zero() -> None:
    assert randomisation_p(values(t=[1] * 60), flips=999) == 1 / 1000


def test_the_interval_of_two_queries() -> None:
    # drawn twice with replacement: 0, 1/2 or 1 with chances 1/4, 1/2, 1/4
    assert bootstrap_interval(values(t=[1, 0])) == (0.0, 1.0)
    assert bootstrap_interval(values(t=[1, 1])) == (1.0, 1.0)
    # together they are drawn together
    assert bootstrap_interval(values(t=[1, 0]), {"t": [3, 3]}) == (0.5, 0.5)


def test_the_interval_of_many_queries_is_two_standard_errors_wide() -> None:
    low, high = bootstrap_interval(values(t=[1, 0] * 200))
    assert (low, high) == (pytest.approx(0.5 - 1.96 * 0.025, abs=0.005), pytest.approx(0.5 + 1.96 * 0.025, abs=0.005))


def test_a_task_that_a_draw_leaves_empty_is_left_out() -> None:
    low, high = bootstrap_interval(values(t=[1.0], u=[0.0]))
    assert (low, high) == (0.0, 1.0)


def test_a_comparison_worked_by_hand() -> None:
    one = [ranks(1, 1, 1, 2), ranks(1, 1, 3, 1)]
    other = [ranks(1, 2, 2, 2), ranks(2, 1, 3, 1)]
    found = compare(one, other)  # per query +1/2, +1/2, +1/2, 0; hits of the other 1/2, 1/2, 0, 1/2
    assert found.difference == pytest.approx(0.375)
    assert found.relative == pytest.approx(0.375 / 0.375)
    assert found.standardised == pytest.approx(0.375 / 0.25)
    assert found.by_seed == pytest.approx((0.5, 0.25))
    assert (found.same_sign, found.queries, found.clusters) == (2, 4, 4)
    assert found.seed_spread == pytest.approx(0.25 / 2**0.5)
    assert found.p == pytest.approx(2 / 8, abs=NEAR)
    assert found.low <= found.difference <= found.high


def test_the_interval_over_seeds_is_student_s() -> None:
    one = [ranks(1, 1, 1, 2), ranks(1, 1, 2, 2), ranks(1, 1, 1, 1)]
    found = compare(one, [ranks(1, 2, 2, 2)] * 3, flips=10, draws=10)
    assert found.by_seed == (0.5, 0.25, 0.75)
    low, high = found.seed_interval or (0, 0)
    assert (low, high) == (pytest.approx(0.5 - 4.303 * 0.25 / 3**0.5), pytest.approx(0.5 + 4.303 * 0.25 / 3**0.5))
    assert compare(one[:1], [ranks(1, 2, 2, 2)], flips=10, draws=10).seed_interval is None


def test_effects_that_can_not_be_told_are_none() -> None:
    found = compare([ranks(1, 1)], [ranks(2, 2)], draws=100, flips=100)
    assert (found.standardised, found.relative, found.seed_spread) == (None, None, None)


def test_other_queries_are_refused() -> None:
    with pytest.raises(InputError, match="same queries"):
        compare([ranks(1)], [ranks(1, 2)])
    with pytest.raises(InputError, match="same queries and seeds"):
        compare([ranks(1)], [ranks(1), ranks(2)])
    with pytest.raises(InputError, match="different queries"):
        hits([ranks(1), {"u": [1]}])


def test_holm_worked_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_keeps_the_order_and_never_lowers(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert all(p <= c <= 1 for p, c in zip(p_values, corrected, strict=True))
    assert [c for _, c in sorted(zip(p_values, corrected, strict=True))] == sorted(corrected)


arms = st.lists(
    st.tuples(st.lists(st.integers(1, 3), min_size=6, max_size=6), st.lists(st.integers(1, 3), min_size=6, max_size=6)),
    min_size=1,
    max_size=3,
)


@settings(max_examples=30)
@given(arms, st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_swapped_arms_give_the_opposite(pairs: list[tuple[list[int], list[int]]], groups: list[int]) -> None:
    one, other = [ranks(*a) for a, _ in pairs], [ranks(*b) for _, b in pairs]
    there = compare(one, other, {"t": groups}, flips=500, draws=200)
    back = compare(other, one, {"t": groups}, flips=500, draws=200)
    assert back.difference == pytest.approx(-there.difference)
    assert back.p == there.p
    assert (back.low, back.high) == (pytest.approx(-there.high), pytest.approx(-there.low))
    assert back.same_sign == there.same_sign


@settings(max_examples=30)
@given(arms)
def test_clusters_of_one_change_nothing(pairs: list[tuple[list[int], list[int]]]) -> None:
    one, other = [ranks(*a) for a, _ in pairs], [ranks(*b) for _, b in pairs]
    alone = {"t": [10, 20, 30, 40, 50, 60]}
    assert compare(one, other, alone, flips=200, draws=200) == compare(one, other, flips=200, draws=200)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=9))
def test_no_difference_is_no_evidence(each: list[int]) -> None:
    found = compare([ranks(*each)], [ranks(*each)], flips=200, draws=50)
    assert (found.difference, found.p, found.low, found.high, found.same_sign) == (0, 1, 0, 0, 0)


def test_the_interval_of_a_share_is_that_of_drawing_its_queries() -> None:
    hits = np.repeat([1.0, 0.0], [30, 70])
    low, high = hit_interval({"a": (30, 100)})
    slow = bootstrap_interval({"a": hits})
    assert abs(low - slow[0]) <= 0.011 and abs(high - slow[1]) <= 0.011
    assert hit_interval({"a": (0, 9)}) == (0, 0)
    assert hit_interval({"a": (9, 9), "b": (0, 0)}) == (0.5, 0.5)


def test_the_interval_of_a_mean_over_tasks_is_narrower_than_that_of_each() -> None:
    one, mean = hit_interval({"a": (30, 100)}), hit_interval({name: (30, 100) for name in "abcd"})
    assert one[0] < mean[0] < 0.3 < mean[1] < one[1]
    assert (one[1] - one[0]) / (mean[1] - mean[0]) == pytest.approx(2, rel=0.1)


def test_the_interval_of_an_f1_holds_it_and_leaves_out_what_an_item_lacks() -> None:
    generator = np.random.default_rng(1)
    precision, recall = generator.random((2, 200))
    precision[:50] = np.nan
    one, other = np.nanmean(precision), recall.mean()
    low, high = f1_interval(precision, recall)
    assert low < 2 * one * other / (one + other) < high
    assert high - low < 0.15
    assert f1_interval(np.full(3, np.nan), np.ones(3)) == (0.0, 0.0)
    assert f1_interval(np.ones(3), np.ones(3)) == (1.0, 1.0)
