"""What stands at rank 1: one class per query, and all of them together are all queries."""

from __future__ import annotations

import pytest

from elva.data.mbeir import Candidate, Query
from elva.evaluation.rank_one import CLASSES, at_rank_one
from elva.evaluation.trec import Run

QUERY = Query("7:1", "in red", "own.jpg", "image,text", ("7:1",), (), 7)
POOL = {
    each.did: each
    for each in (
        Candidate("7:1", None, "dress.jpg", "image"),
        Candidate("6:1", None, "dress.jpg", "image"),
        Candidate("7:2", None, "own.jpg", "image"),
        Candidate("7:3", "a red dress", "dress.jpg", "image,text"),
        Candidate("7:4", "a red dress", None, "text"),
        Candidate("8:5", None, "coat.jpg", "image"),
        Candidate("7:6", None, "coat.jpg", "image"),
    )
}


@pytest.mark.parametrize(("did", "expected"), [*zip(POOL, CLASSES, strict=True)])
def test_each_kind_of_first_candidate_has_its_class(did: str, expected: str) -> None:
    run = Run(("7:1",), ((did,),), ((1,),))
    found = at_rank_one(run, [QUERY], {"7:1": ["7:1", "7:404"]}, POOL)
    assert found == {name: int(name == expected) for name in CLASSES}


def test_a_query_whose_positives_lie_elsewhere_is_wrong_all_the_same() -> None:
    run = Run(("7:1",), (("7:6",),), ((1,),))
    assert at_rank_one(run, [QUERY], {"7:1": ["7:404"]}, POOL)["other_dataset"] == 1


def test_another_video_is_a_wrong_item() -> None:
    query = Query("112:1", "it turns", None, "text", ("112:1",), (), 10)
    pool = {f"112:{n}": Candidate(f"112:{n}", None, None, "video", video=f"{n % 2}.gif") for n in (1, 2, 3)}
    for did, expected in (("112:2", "wrong_item"), ("112:3", "twin")):
        assert at_rank_one(Run(("112:1",), ((did,),), ((1,),)), [query], {"112:1": ["112:1"]}, pool)[expected] == 1
