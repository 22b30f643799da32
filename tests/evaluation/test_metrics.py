"""hit@k and MRR against a count by hand, with ties, missing queries and several positives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elva.evaluation.metrics import chance, mean_standard_error, means, per_query, standard_error
from elva.evaluation.retrieve import retrieve
from elva.evaluation.trec import Run, read_run, strictly_falling, write_run
from elva.index.gallery import Gallery

LEVELS = [-1.0, -0.25, 0.0, 0.5, 1.0]


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[list[float]], list[set[int]]]:
    """Cosines of n queries to m candidates from few levels, so that ties abound; positives."""
    size = draw(st.integers(1, 14))
    rows = draw(st.lists(st.lists(st.sampled_from(LEVELS), min_size=size, max_size=size), min_size=1, max_size=4))
    wanted = [draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=3)) for _ in rows]
    return rows, wanted


def gallery_with(cosines: list[list[float]]) -> tuple[np.ndarray, Gallery]:
    """Queries are axes, so candidate j's cosine to query i is its i-th coordinate."""
    pool = np.array(cosines, np.float32).T
    ids = [f"9:{j}" for j in range(len(pool))]
    return np.eye(len(cosines), dtype=np.float32), Gallery.of(ids, pool)


@given(problems())
def test_measures_equal_a_count_by_hand(problem: tuple[list[list[float]], list[set[int]]]) -> None:
    cosines, wanted = problem
    queries, gallery = gallery_with(cosines)
    qids = [f"1:{i}" for i in range(len(cosines))]
    positives = {qid: [f"9:{j}" for j in each] for qid, each in zip(qids, wanted, strict=True)}
    found = retrieve(qids, queries, gallery, positives, depth=12)
    values = per_query(found.run, {qid: dict.fromkeys(each, 1) for qid, each in positives.items()})
    for qid, row, rank in zip(qids, cosines, found.ranks, strict=True):
        order = sorted((-cosine, f"9:{j}") for j, cosine in enumerate(row))
        expected = min(i for i, (_, did) in enumerate(order, start=1) if did in positives[qid])
        assert rank == expected
        assert found.run.dids[found.run.qids.index(qid)] == tuple(did for _, did in order[:12])
        assert values["hit@1"][qid] == (expected <= 1)
        assert values["hit@5"][qid] == (expected <= 5)
        assert values["hit@10"][qid] == (expected <= 10)
        assert values["mrr"][qid] == pytest.approx(1 / expected if expected <= 12 else 0, abs=1e-6)


def test_a_query_that_the_run_lacks_counts_as_a_miss() -> None:
    run = Run(("1:1",), (("9:1",),), ((500_000,),))
    values = per_query(run, {"1:1": {"9:1": 1}, "1:2": {"9:1": 1}})
    assert means(values) == {"hit@1": 0.5, "hit@5": 0.5, "hit@10": 0.5, "mrr": 0.5}


@given(problems())
def test_files_rank_as_the_lists_do(problem: tuple[list[list[float]], list[set[int]]]) -> None:
    micro = np.sort(np.array(problem[0]) * 1e6, axis=1)[:, ::-1].astype(np.int64)
    falling = strictly_falling(micro)
    assert (np.diff(falling, axis=1) < 0).all()
    assert (falling <= micro).all()
    assert (falling[:, 0] == micro[:, 0]).all()


def test_chance_is_the_mean_over_all_rankings() -> None:
    one = chance(4, [1], 100)
    assert one["hit@1"] == pytest.approx(1 / 4)
    assert one["hit@5"] == pytest.approx(1)
    assert one["mrr"] == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert chance(10, [2], 100)["hit@1"] == pytest.approx(1 / 5)
    assert chance(10, [2], 100)["hit@5"] == pytest.approx(1 - (5 / 10) * (4 / 9))
    assert chance(10, [2, 0], 100)["hit@1"] == pytest.approx(1 / 10)


def test_chance_looks_as_deep_as_the_lists_do() -> None:
    cut = chance(200, [1], 20)
    assert cut["mrr"] == pytest.approx(sum(1 / rank for rank in range(1, 21)) / 200)
    assert cut["hit@10"] == chance(200, [1], 200)["hit@10"]
    assert chance(5, [2], 20) == chance(5, [2], 5)


def test_standard_errors() -> None:
    assert standard_error([0, 1, 0, 1]) == pytest.approx((1 / 3) ** 0.5 / 2)
    assert standard_error([1]) == 0
    assert mean_standard_error([0.03, 0.04]) == pytest.approx(0.025)


def test_run_file_round_trip(tmp_path: Path) -> None:
    run = Run(("1:1", "1:2"), (("9:2", "9:1"), ("9:1",)), ((900_000, -1), (1_000_000,)))
    write_run(tmp_path / "a.trec", run, "a model")
    assert (tmp_path / "a.trec").read_text().splitlines()[1] == "1:1 Q0 9:1 2 -0.000001 a-model"
    assert read_run(tmp_path / "a.trec") == run
