"""What stands at rank 1, query by query: right, or wrong in which way.

M-BEIR's paper (UniIR, arXiv 2311.17136) tells apart whether a pool of all data sets is answered in the wrong modality
or wrongly within the right one. Here both are split further, and each query falls into the first class that fits:

    right           a relevant candidate
    twin            says and shows exactly what a relevant one does, under another id
    echo            says or shows exactly what the query itself does
    item_elsewhere  the right item in the wrong modality: shares text, picture or video with a relevant candidate
    wrong_modality  any other candidate of a modality that no relevant one has
    other_dataset   of the right modality, from a data set that no relevant candidate is of
    wrong_item      of the right modality and data set
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from elva.data.mbeir import Candidate, Query
from elva.evaluation.trec import Run

CLASSES = ("right", "twin", "echo", "item_elsewhere", "wrong_modality", "other_dataset", "wrong_item")


def at_rank_one(
    run: Run,
    queries: Sequence[Query],
    positives: Mapping[str, Sequence[str]],
    candidates: Mapping[str, Candidate],
) -> dict[str, int]:
    """Class -> how many queries have such a candidate at rank 1; together they are all queries of the run.

    Args:
        run: ranked lists.
        queries: those of the run.
        positives: qid -> dids of its relevant candidates.
        candidates: did -> candidate, for the whole pool; a relevant one that it lacks is passed over.
    """
    asked = {query.qid: query for query in queries}
    found = Counter(
        _class_of(asked[qid], candidates[dids[0]], [candidates[did] for did in positives[qid] if did in candidates])
        for qid, dids in zip(run.qids, run.dids, strict=True)
    )
    return {name: found[name] for name in CLASSES}


def _class_of(query: Query, first: Candidate, relevant: Sequence[Candidate]) -> str:
    if any(first.did == each.did for each in relevant):
        return "right"
    if any(_content(first) == _content(each) for each in relevant):
        return "twin"
    if _shares(first, query):
        return "echo"
    if relevant and all(first.modality != each.modality for each in relevant):
        return "item_elsewhere" if any(_shares(first, each) for each in relevant) else "wrong_modality"
    return "wrong_item" if any(_dataset(first) == _dataset(each) for each in relevant) else "other_dataset"


def _shares(one: Candidate, other: Candidate | Query) -> bool:
    """Whether both have the same text, the same picture or the same video."""
    return any(a is not None and a == b for a, b in zip(_content(one), _content(other), strict=True))


def _content(row: Candidate | Query) -> tuple[str | None, str | None, str | None]:
    return row.text, row.image, row.video


def _dataset(candidate: Candidate) -> str:
    return candidate.did.partition(":")[0]
