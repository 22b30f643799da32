"""Reciprocal rank fusion by hand."""

from __future__ import annotations

from elva.search.fusing import fused


def test_what_two_rankings_hold_goes_before_what_one_of_them_puts_first() -> None:
    assert fused([["a", "b", "c"], ["d", "c"]]) == ["c", "a", "d", "b"]  # 1/63 + 1/62, 1/61, 1/61, 1/62


def test_one_ranking_stays_as_it_is_and_none_gives_nothing() -> None:
    assert fused([["b", "a"], []]) == ["b", "a"]
    assert fused([]) == []
