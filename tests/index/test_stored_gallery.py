"""Ranking block by block gives what ranking all at once gives, ties and ranks of wanted ids included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elva.index import stored_gallery
from elva.index.gallery import Gallery, VectorError
from elva.index.stacked import Stacked
from elva.index.stored_gallery import StoredGallery

DIMENSION = 3


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, list[int], int, int]:
    """Candidates from few directions, so that ties abound; queries; a size of blocks and a depth."""
    generator = np.random.default_rng(draw(st.integers(0, 2**16)))
    size, few = draw(st.integers(1, 40)), draw(st.integers(1, 6))
    directions = generator.standard_normal((few, DIMENSION))
    queries = generator.standard_normal((draw(st.integers(1, 5)), DIMENSION))
    candidates = directions[generator.integers(0, few, size)]
    cuts = sorted(generator.integers(0, size + 1, 2).tolist())
    return _unit(candidates), _unit(queries), cuts, draw(st.integers(1, 60)), draw(st.integers(1, 50))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def stack(vectors: np.ndarray, cuts: list[int] | None = None) -> Stacked:
    stacked = Stacked(vectors.shape[1])
    for part in np.split(vectors, cuts or []):
        stacked.append(part)
    return stacked


@given(problems())
def test_lists_cosines_and_ranks_are_those_of_the_whole(problem: tuple) -> None:
    candidates, queries, cuts, entries, depth = problem
    generator = np.random.default_rng(len(candidates))
    rows = generator.permutation(len(candidates))
    ids = [f"9:{number}" for number in generator.permutation(len(candidates))]
    wanted = [[ids[int(place)] for place in generator.integers(0, len(ids), 2)] + ["9:none"] for _ in queries]
    wanted[0] = []
    expected = Gallery.of(ids, candidates[rows]).rank(queries, depth, wanted)
    stored = StoredGallery.of(ids, rows, stack(candidates, cuts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored_gallery, "BLOCK_ENTRIES", entries)
        found = stored.rank(queries, depth, wanted)
    assert found.columns.tolist() == expected.columns.tolist()
    assert found.micro.tolist() == expected.micro.tolist()
    assert found.best_wanted == expected.best_wanted


def test_vectors_in_several_blocks_are_taken_in_any_order() -> None:
    vectors = np.arange(12, dtype=np.float32).reshape(6, 2)
    stacked = stack(vectors, [1, 1, 4])
    rows = np.array([5, 0, 3, 3, 1])
    assert len(stacked) == 6
    assert stacked.take(rows).tolist() == vectors[rows].tolist()
    assert stacked.take(np.zeros(0, np.int64)).shape == (0, 2)


def test_what_cannot_be_ranked_is_named() -> None:
    vectors = np.eye(3, dtype=np.float32)
    with pytest.raises(VectorError, match="'a' occurs twice"):
        StoredGallery.of(["a", "a", "b"], np.arange(3), stack(vectors))
    with pytest.raises(VectorError, match="2 ids for 3 vectors"):
        StoredGallery.of(["a", "b"], np.arange(3), stack(vectors))
    with pytest.raises(VectorError, match="ask for 1 or more"):
        StoredGallery.of(["a", "b", "c"], np.arange(3), stack(vectors)).rank(vectors, 0)
    vectors[1, 1] = np.nan
    with pytest.raises(VectorError, match="the vector of 'b' holds NaN"):
        StoredGallery.of(["a", "b", "c"], np.arange(3), stack(vectors)).rank(vectors[:1], 1)
