"""Measures against numbers worked by hand and against counting."""

from __future__ import annotations

import itertools
from statistics import fmean

import pytest

from elva.evaluation.unseen.measures import chance, value


def test_average_precision_divides_by_what_could_be_found() -> None:
    dids = ["a", "x", "b", "y", "z"]
    assert value("map@5", dids, {"a", "b", "c"}) == pytest.approx((1 + 2 / 3) / 3)
    assert value("map@2", dids, {"a", "b", "c"}) == pytest.approx(1 / 2)
    assert value("map@25", dids, {"y"}) == pytest.approx(1 / 4)
    assert value("map@5", dids, {"c"}) == 0.0


def test_a_hit_is_any_answer_among_the_first() -> None:
    assert value("hit@2", ["x", "a", "b"], {"a", "b"}) == 1.0
    assert value("hit@1", ["x", "a", "b"], {"a", "b"}) == 0.0
    assert value("accuracy", ["a", "x"], {"a"}) == 1.0


@pytest.mark.parametrize("measure", ["hit@1", "hit@3", "map@2", "map@5", "map@10", "accuracy"])
@pytest.mark.parametrize("answers", [1, 2, 3])
def test_chance_is_the_mean_over_all_orders(measure: str, answers: int) -> None:
    every = [value(measure, order, set(range(answers))) for order in itertools.permutations(range(6))]  # type: ignore[arg-type]
    assert chance(measure, 6, answers) == pytest.approx(fmean(every))
