"""Ids that do not fit their vectors are found, whoever mixed them up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from elva.evaluation.alignment import better_order
from elva.evaluation.trec import Run

QIDS = [f"1:{number}" for number in range(40)]
DIDS = [f"2:{number}" for number in range(60)]
POSITIVES = {qid: [did] for qid, did in zip(QIDS, DIDS, strict=False)}


def run_of(first: Sequence[str]) -> Run:
    lists = sorted(zip(QIDS, first, strict=True))
    return Run(tuple(qid for qid, _ in lists), tuple((did,) for _, did in lists), ((1,),) * len(lists))


def test_lists_that_hit_are_left_alone() -> None:
    assert better_order(run_of(DIDS[:40]), QIDS, DIDS, POSITIVES) is None


def test_lists_of_chance_are_left_alone() -> None:
    drawn = np.random.default_rng(0).choice(DIDS, 40).tolist()
    assert better_order(run_of(drawn), QIDS, DIDS, POSITIVES) is None


@pytest.mark.parametrize("shift", [-8, -1, 1, 3])
def test_rows_of_queries_that_are_shifted_are_found(shift: int) -> None:
    found = better_order(run_of(np.roll(DIDS[:40], shift).tolist()), QIDS, DIDS, POSITIVES)
    assert found == (f"the vectors of queries moved by {-shift:+d} {'row' if abs(shift) == 1 else 'rows'}", 0, 1)


@pytest.mark.parametrize("shift", [-1, 2])
def test_rows_of_candidates_that_are_shifted_are_found_though_queries_are_shuffled(shift: int) -> None:
    order = np.random.default_rng(1).permutation(60)[:40]
    positives = {qid: [DIDS[place]] for qid, place in zip(QIDS, order, strict=True)}
    first = [np.roll(DIDS, shift)[place] for place in order]
    found = better_order(run_of(first), QIDS, DIDS, positives)
    assert found is not None
    assert found[0].startswith(f"the vectors of candidates moved by {shift:+d} row") and found[2] == 1


def test_ids_that_were_sorted_as_text_are_found() -> None:
    """Vectors in the order of the file, written beside ids in the order of text: 2:1, 2:10, 2:11, 2:2."""
    beside = dict(zip(DIDS, sorted(DIDS), strict=True))
    found = better_order(run_of([beside[did] for did in DIDS[:40]]), QIDS, DIDS, POSITIVES)
    assert found is not None
    assert "order of their ids as text" in found[0] and found[2] == 1


def test_a_few_lucky_queries_are_no_evidence() -> None:
    first = [*DIDS[:36], DIDS[37], DIDS[38], DIDS[39], DIDS[50]]
    assert better_order(run_of(first), QIDS, DIDS, POSITIVES) is None
    assert better_order(run_of(DIDS[:40]), [], DIDS, POSITIVES) is None
