"""Several rankings of the same things become one."""

from __future__ import annotations

from collections.abc import Sequence

CONSTANT = 60
"""The larger, the less the first places count beside those behind them (Cormack, Clarke and Büttcher 2009)."""


def fused(rankings: Sequence[Sequence[str]]) -> list[str]:
    """The ids of all rankings by reciprocal rank fusion, best first, ties by id.

    Each ranking gives the id at its place r, from 1, 1 / (60 + r); what it doesn't hold gets nothing from it. Scores
    are not looked at: cosines and those of BM25 have no measure in common.
    """
    scores: dict[str, float] = {}
    for ranking in rankings:
        for place, each in enumerate(ranking, start=1):
            scores[each] = scores.get(each, 0.0) + 1 / (CONSTANT + place)
    return sorted(scores, key=lambda each: (-scores[each], each))
