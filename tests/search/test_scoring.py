"""The order that scores give."""

from __future__ import annotations

from elva.search.scoring import best_first, with_cosines


def test_the_best_score_comes_first_and_a_tie_is_told_by_id() -> None:
    ids = ["c", "a", "b", "d"]
    assert best_first(ids, [-1.0, -1.0, -0.5, -1.0000001]) == [2, 1, 0, 3], "equal to a millionth is a tie"
    assert best_first([], []) == []


def test_a_cosine_counts_in_nats() -> None:
    assert with_cosines([-3.0, -2.0], [0.5, 0.25], 20) == [7.0, 3.0]
    assert with_cosines([-3.0, -2.0], [0.5, 0.25], 0) == [-3.0, -2.0]
