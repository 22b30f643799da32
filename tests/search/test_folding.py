"""Near-duplicates among results."""

from __future__ import annotations

import numpy as np

from elva.encoding import Vectors
from elva.index.protocol import Entry, Hit
from elva.search.folding import SAME, fold


def turned(*degrees: float) -> Vectors:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def hits(count: int) -> list[Hit]:
    return [Hit(rank, 1.0, Entry(str(rank))) for rank in range(1, count + 1)]


STEP = float(np.degrees(np.arccos(SAME)))
"""Degrees between two vectors that are just near enough."""


def test_a_hit_joins_the_best_that_it_is_nearly_equal_to() -> None:
    vectors = turned(0, 0.5 * STEP, 30, 30.2, 0.9 * STEP)
    assert fold(hits(5), vectors, [""] * 5, 5) == [(0, 1, 4), (2, 3)]


def test_small_differences_make_no_chain() -> None:
    vectors = turned(*(0.9 * STEP * each for each in range(4)))
    assert fold(hits(4), vectors, [""] * 4, 4) == [(0, 1), (2, 3)]


def test_the_same_content_is_the_same_whatever_its_vector() -> None:
    assert fold(hits(3), turned(0, 40, 80), ["a", "b", "a"], 3) == [(0, 2), (1,)]


def test_beyond_the_wanted_groups_only_copies_are_taken() -> None:
    assert fold(hits(4), turned(0, 40, 80, 40.1), [""] * 4, 2) == [(0,), (1, 3)]
    assert fold([], turned(), [], 2) == []
