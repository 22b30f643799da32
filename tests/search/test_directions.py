"""Vectors of queries made of several parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elva.encoding import Vectors
from elva.errors import InputError
from elva.search.directions import WEIGHT, mean_direction, without

SEEDS = st.integers(0, 10_000)


def unit(seed: int, count: int) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((count, 6))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


@given(SEEDS)
def test_a_query_goes_away_from_what_it_is_without_and_stays_a_unit_vector(seed: int) -> None:
    query, minus = unit(seed, 2)
    vector = without(query, minus[None])
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    assert vector @ minus <= query @ minus + 1e-6
    assert vector.dtype == np.float32


def test_the_weight_is_what_is_taken_away() -> None:
    query, minus = np.eye(2, dtype=np.float32)
    np.testing.assert_allclose(without(query, minus[None]), np.array([1, -WEIGHT]) / np.hypot(1, WEIGHT), atol=1e-6)


@given(SEEDS, st.integers(1, 5))
def test_the_middle_is_as_near_to_each_whatever_their_order(seed: int, count: int) -> None:
    vectors = unit(seed, count)
    np.testing.assert_allclose(mean_direction(vectors), mean_direction(vectors[::-1]), atol=1e-6)
    np.testing.assert_allclose(mean_direction(vectors[:1]), vectors[0], atol=1e-6)


def test_parts_that_leave_nothing_are_refused() -> None:
    one = unit(1, 1)
    with pytest.raises(InputError, match="opposite directions"):
        mean_direction(np.concatenate([one, -one]))
    with pytest.raises(InputError, match="nothing is left"):
        without(one[0], np.concatenate([one, one]))
