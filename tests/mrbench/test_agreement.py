"""Acceptance and kappa, against figures worked by hand and another library's."""

from __future__ import annotations

import random

import pytest
from sklearn.metrics import cohen_kappa_score

from elva.mrbench.agreement import Agreement, wilson
from elva.mrbench.decisions import Review


def review(name: str, *verdicts: bool | None) -> Review:
    return Review(name, {(f"9:{n}", "x"): each for n, each in enumerate(verdicts) if each is not None})


def test_two_people_by_hand() -> None:
    # both accept 20, both reject 15, one accepts alone 5, the other alone 10: chance .5 * .6 + .5 * .4 = .5
    one = [True] * 25 + [False] * 25
    other = [True] * 20 + [False] * 5 + [True] * 10 + [False] * 15
    agreement = Agreement.of([review("first", *one), review("second", *other)])
    assert agreement.observed == pytest.approx(0.7)
    assert agreement.kappa == pytest.approx(0.4)
    assert (agreement.samples, agreement.kept, agreement.acceptance) == (50, 20, 0.4), "a tie is no majority"
    assert agreement.reviewers == (("first", 25 + 25, 25), ("second", 50, 30))
    assert "Cohen's kappa 0.40" in "\n".join(agreement.lines())


def test_three_people_by_hand() -> None:
    # accepting 3, 2, 0, 3 of 3: pairs that agree 1, 1/3, 1, 1; rate 8/12, so chance 4/9 + 1/9
    agreement = Agreement.of([review("a", 1, 1, 0, 1), review("b", 1, 1, 0, 1), review("c", 1, 0, 0, 1)])  # type: ignore[arg-type]
    assert agreement.observed == pytest.approx(5 / 6)
    assert agreement.kappa == pytest.approx((5 / 6 - 5 / 9) / (4 / 9))
    assert agreement.kept == 3


def test_cohen_s_kappa_is_scikit_learn_s() -> None:
    chance = random.Random(0)
    for _ in range(50):
        one, other = ([chance.random() < 0.7 for _ in range(40)] for _ in range(2))
        agreement = Agreement.of([review("a", *one), review("b", *other)])
        assert agreement.kappa == pytest.approx(cohen_kappa_score(one, other))


def test_only_what_two_decided_counts_for_agreement() -> None:
    agreement = Agreement.of([review("a", True, True, None, False), review("b", True, None, False, False)])
    assert (agreement.samples, agreement.shared, agreement.observed, agreement.kappa) == (4, 2, 1.0, 1.0)


def test_where_everybody_always_says_the_same_there_is_no_kappa() -> None:
    agreement = Agreement.of([review("a", True, True), review("b", True, True)])
    assert (agreement.observed, agreement.kappa) == (1.0, None)
    assert "always says the same" in agreement.lines()[-1]


def test_one_person_alone_agrees_with_nobody() -> None:
    agreement = Agreement.of([review("a", True, False)])
    assert (agreement.acceptance, agreement.observed, agreement.kappa) == (0.5, None, None)
    assert Agreement.of([]).acceptance is None
    assert Agreement.of([review("a")]).lines()[-1] == "nothing was decided"


def test_wilson_s_interval_by_hand() -> None:
    low, high = wilson(8, 10)
    assert (low, high) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(10, 10)[1] == pytest.approx(1)
