"""Two thousand random runs, full of ties, twins and gaps: figures against a count that sorts, and against ranx.

ranx brings numba and more, so it is no dependency of the development either: where it is installed, it is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

import numpy as np
import pytest

from elva.evaluation.metrics import CUTOFFS, MEASURES, means, per_query
from elva.evaluation.retrieve import retrieve
from elva.evaluation.trec import Run
from elva.index.gallery import MICRO
from elva.index.stacked import Stacked
from elva.index.stored_gallery import StoredGallery

RUNS, DEPTH, EXACT = 2000, 12, 1e-9


@dataclass(frozen=True)
class Problem:
    """A run, its judgements, and what a count by hand gives for each judged query."""

    run: Run
    qrels: dict[str, dict[str, int]]
    expected: dict[str, dict[str, float]]


@pytest.fixture(scope="module")
def problems() -> list[Problem]:
    return [problem(number) for number in range(RUNS)]


def problem(number: int) -> Problem:
    """Up to 6 queries and 25 candidates in few directions: many are equal, and so are their cosines."""
    rng = np.random.default_rng(number)
    asked, size, few = rng.integers(1, 7), rng.integers(1, 26), rng.integers(1, 8)
    directions = rng.integers(-2, 3, (few, 3)) + np.array([0.5, 0.25, 0.125])
    candidates = unit(directions[rng.integers(0, few, size)])
    queries = unit(rng.integers(-2, 3, (asked, 3)) + 0.5)
    qids, dids = [f"{number}:{n}" for n in range(asked)], [f"9:{n}" for n in rng.permutation(size)]
    judged = {
        qid: {dids[place]: int(rng.integers(0, 3)) for place in rng.choice(size, min(size, rng.integers(1, 5)), False)}
        for qid in qids
    }
    judged = {qid: {did: max(level, number % 2) for did, level in each.items()} for qid, each in judged.items()}
    positives = {qid: [did for did, level in each.items() if level > 0] for qid, each in judged.items()}
    stacked = Stacked(3)
    stacked.append(candidates)
    found = retrieve(qids, queries, StoredGallery.of(dids, np.arange(size), stacked), positives, DEPTH).run
    kept = [place for place in range(asked) if rng.random() > 0.15]
    run = Run(*(tuple(column[place] for place in kept) for column in (found.qids, found.dids, found.micro)))
    cosines = np.rint(queries.astype(float) @ candidates.astype(float).T * MICRO)
    expected = {
        qid: counted(row, dids, positives[qid] if qid in run.qids else [])
        for qid, row in zip(qids, cosines.tolist(), strict=True)
    }
    return Problem(run, judged, expected)


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def counted(cosines: list[float], dids: list[str], positives: list[str]) -> dict[str, float]:
    """Sort all candidates by cosine and id, and look where the first right one stands."""
    order = [did for _, did in sorted(zip((-each for each in cosines), dids, strict=True))][:DEPTH]
    rank = next((place for place, did in enumerate(order, start=1) if did in positives), None)
    hits = {name: float(rank is not None and rank <= cutoff) for name, cutoff in CUTOFFS.items()}
    return {**hits, "mrr": 1 / rank if rank else 0.0}


def test_figures_are_those_of_a_count_by_hand(problems: list[Problem]) -> None:
    assert sum(len(each.run.qids) < len(each.qrels) for each in problems) > 500, "runs that lack queries"
    for each in problems:
        values = per_query(each.run, each.qrels)
        for name in MEASURES:
            assert values[name].keys() == each.qrels.keys()
            for qid, expected in each.expected.items():
                assert abs(values[name][qid] - expected[name]) < EXACT
        for name, mean in means(values).items():
            assert abs(mean - fmean(expected[name] for expected in each.expected.values())) < EXACT


def test_figures_are_those_of_ranx(problems: list[Problem]) -> None:
    ranx = pytest.importorskip("ranx", reason="pip install ranx")
    names = {"hit@1": "hit_rate@1", "hit@5": "hit_rate@5", "hit@10": "hit_rate@10", "mrr": "mrr"}
    qrels = ranx.Qrels({qid: levels for each in problems for qid, levels in each.qrels.items()})
    run = ranx.Run({qid: scores for each in problems for qid, scores in each.run.scores().items()})
    ranx.evaluate(qrels, run, [*names.values()], make_comparable=True)
    for each in problems:
        values = per_query(each.run, each.qrels)
        for name, theirs in names.items():
            for qid, value in values[name].items():
                assert abs(run.scores[theirs][qid] - value) < EXACT
