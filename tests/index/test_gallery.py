"""Exact ranking: ties, blocks, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from elva.index import gallery as module
from elva.index.gallery import Gallery, VectorError


def test_equal_vectors_tie_and_rank_by_id() -> None:
    vector = np.random.default_rng(0).standard_normal(33).astype(np.float32)
    vector /= np.linalg.norm(vector)
    ids = [f"1:{i}" for i in range(203)]
    ranked = Gallery.of(ids, np.tile(vector, (203, 1))).rank(vector[None], 203, [["1:9"]])
    assert ranked.columns[0].tolist() == list(range(203))  # the gallery is held in order of id
    assert ranked.best_wanted == (193,)  # ten ids, "1:90" to "1:99", come after "1:9"
    assert ranked.scores[0, 0] == pytest.approx(1, abs=1e-6)


def test_equal_vectors_tie_for_every_query_and_wherever_they_stand() -> None:
    rng = np.random.default_rng(3)
    pool = np.concatenate([np.tile(_unit(rng, 1), (203, 1)), _unit(rng, 100)])
    shuffled = rng.permutation(303)
    gallery = Gallery.of([f"{i:03d}" for i in range(303)], pool[shuffled])
    (equal,) = np.nonzero(shuffled < 203)
    wanted = [[f"{equal[-1]:03d}"]]
    for query in _unit(rng, 400):
        ranked = gallery.rank(query[None], 303, wanted)
        (places,) = np.nonzero(np.isin(ranked.columns[0], equal))
        assert ranked.columns[0, places].tolist() == equal.tolist()
        assert ranked.best_wanted == (places[-1] + 1,) == gallery.rank(query[None], 1, wanted).best_wanted


def test_the_ranking_is_that_of_exact_cosines() -> None:
    rng = np.random.default_rng(4)
    queries = _unit(rng, 20)
    near = queries.repeat(60, axis=0) + 5e-4 * rng.standard_normal((1200, 33)).astype(np.float32)
    pool = near / np.linalg.norm(near, axis=1, keepdims=True)
    gallery = Gallery.of([f"{i:04d}" for i in range(1200)], pool)
    exact = np.rint((queries[:, None].astype(np.float64) * gallery.vectors[None]).sum(axis=2) * 1e6)
    order = np.argsort(-exact, axis=1, kind="stable")
    wanted = [[f"{columns[rank]:04d}"] for columns, rank in zip(order, range(0, 1200, 60), strict=True)]
    ranked = gallery.rank(queries, 25, wanted)
    assert (ranked.columns == order[:, :25]).all()
    assert ranked.best_wanted == tuple(range(1, 1201, 60))


def _unit(rng: np.random.Generator, count: int) -> np.ndarray:
    vectors = rng.standard_normal((count, 33)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_memory_is_bounded_where_everything_ties(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK_ENTRIES", 1000)
    seen: list[int] = []
    exact = module.cosines_micro
    monkeypatch.setattr(module, "cosines_micro", lambda left, right: seen.append(left.size) or exact(left, right))
    ranked = Gallery.of([f"{i:03d}" for i in range(500)], np.ones((500, 4), np.float32) / 2).rank(
        np.ones((3, 4), np.float32) / 2, 5, [["499"]] * 3
    )
    assert ranked.columns.tolist() == [[0, 1, 2, 3, 4]] * 3
    assert ranked.best_wanted == (500,) * 3
    assert max(seen) <= 1000


def test_a_list_of_nothing_is_refused() -> None:
    with pytest.raises(VectorError, match="ask for 1 or more"):
        Gallery.of(["a"], np.ones((1, 1), np.float32)).rank(np.ones((1, 1), np.float32), 0)


def test_blocks_do_not_change_the_ranking(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    pool, queries = _unit(rng, 50), _unit(rng, 21)
    gallery = Gallery.of([f"{i:02d}" for i in range(50)], pool)
    wanted = [[f"{i:02d}"] for i in range(21)]
    whole = gallery.rank(queries, 7, wanted)
    monkeypatch.setattr(module, "_BLOCK_ENTRIES", 120)
    parts = gallery.rank(queries, 7, wanted)
    assert (whole.columns == parts.columns).all()
    assert whole.best_wanted == parts.best_wanted


@pytest.mark.parametrize("size", [40, 41, 300, 1000])
def test_the_nearest_of_a_large_gallery_are_those_of_a_whole_sort(size: int) -> None:
    rng = np.random.default_rng(size)
    pool, queries = _unit(rng, size), _unit(rng, 5)
    pool[size // 2] = pool[3]  # ties
    ranked = Gallery.of([f"{i:04d}" for i in range(size)], pool).rank(queries, 4)
    for query, columns in zip(queries, ranked.columns, strict=True):
        assert columns.tolist() == np.argsort(-module.cosines_micro(pool, query), kind="stable")[:4].tolist()


def test_vectors_are_taken_by_row() -> None:
    vectors = np.eye(3, dtype=np.float32)
    gallery = Gallery.of(["b", "a"], vectors, np.array([2, 0]))
    assert gallery.ids == ("a", "b") and gallery.vectors.tolist() == [[1, 0, 0], [0, 0, 1]]


def test_a_wanted_id_that_is_not_there_has_no_rank() -> None:
    gallery = Gallery.of(["a"], np.ones((1, 1), np.float32))
    assert gallery.rank(np.ones((2, 1), np.float32), 5, [["z"], ["z", "a"]]).best_wanted == (
        None,
        1,
    )


def test_an_empty_gallery_finds_nothing() -> None:
    ranked = Gallery.of([], np.empty((0, 3), np.float32)).rank(np.ones((2, 3), np.float32), 5)
    assert ranked.columns.shape == (2, 0)


def test_nan_and_repeated_ids_are_refused_by_name() -> None:
    with pytest.raises(VectorError, match="'b' holds NaN"):
        Gallery.of(["a", "b"], np.array([[1], [np.nan]], np.float32))
    with pytest.raises(VectorError, match="'a' occurs twice"):
        Gallery.of(["a", "a"], np.ones((2, 1), np.float32))
