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


def test_blocks_do_not_change_the_ranking(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    pool, queries = (rng.standard_normal((n, 8)).astype(np.float32) for n in (50, 21))
    gallery = Gallery.of([f"{i:02d}" for i in range(50)], pool)
    wanted = [[f"{i:02d}"] for i in range(21)]
    whole = gallery.rank(queries, 7, wanted)
    monkeypatch.setattr(module, "_BLOCK_ENTRIES", 120)
    parts = gallery.rank(queries, 7, wanted)
    assert (whole.columns == parts.columns).all()
    assert whole.best_wanted == parts.best_wanted


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
