"""Whether ranked lists would be far better under other ids: what a shifted or reordered row of vectors looks like.

A list of ids that does not fit its vectors is the costliest of silent mistakes: every figure is computed, and all of
them are wrong. Vectors that are one row off, written backwards, or in the order in which ids sort as text, are found
here: under the right one of these orders the lists that were ranked hit again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from elva.evaluation.trec import Run

FARTHEST = 8
"""Rows that ids may be off by and still be found."""
LEAD = 0.1
"""How much better, in hit@1, another order has to be."""
SURE = 4.0
"""And how many standard deviations of a fair coin: over the queries that only one of both orders hits."""

Places = npt.NDArray[np.int64]


def better_order(
    run: Run, qids: Sequence[str], dids: Sequence[str], positives: Mapping[str, Sequence[str]]
) -> tuple[str, float, float] | None:
    """The order of ids under which far more queries are hit at rank 1 than under the given one.

    Args:
        run: ranked lists of all queries, none empty.
        qids: the queries in the order of their file.
        dids: the candidates in the order of theirs.
        positives: qid -> dids of its relevant candidates.

    Returns:
        What would have to change, for people, hit@1 as it is, and hit@1 then; None where nothing is far better.
    """
    if not qids:
        return None
    first = dict(zip(run.qids, (row[0] for row in run.dids), strict=True))
    right = [set(positives[qid]) for qid in qids]
    found = [first[qid] for qid in qids]
    own = np.array([did in answers for did, answers in zip(found, right, strict=True)])
    best: tuple[str, float, float] | None = None
    for change, others in _changes(qids, found, dids):
        hits = np.array([did in answers for did, answers in zip(others, right, strict=True)])
        if _far_better(hits, own) and (best is None or hits.mean() > best[2]):
            best = change, float(own.mean()), float(hits.mean())
    return best


def _changes(qids: Sequence[str], found: Sequence[str], dids: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Each change of the ids, and what then stands at rank 1 of every query."""
    for name, places in _orders(qids):
        yield f"the vectors of queries {name}", [found[place] for place in places.tolist()]
    wanted = set(found)
    place_of = {did: place for place, did in enumerate(dids) if did in wanted}
    rows = np.array([place_of[did] for did in found])
    for name, places in _orders(dids):
        yield f"the vectors of candidates {name}", [dids[place] for place in np.argsort(places)[rows].tolist()]


def _orders(ids: Sequence[str]) -> Iterator[tuple[str, Places]]:
    """Other orders of n rows: the row whose vector would come to stand in each, int64 [n]."""
    places = np.arange(len(ids))
    for shift in (sign * step for step in range(1, min(FARTHEST, len(ids) - 1) + 1) for sign in (1, -1)):
        yield f"moved by {shift:+d} {'row' if abs(shift) == 1 else 'rows'}", np.roll(places, shift)
    yield "in reverse order", places[::-1]
    as_text = np.array(sorted(range(len(ids)), key=ids.__getitem__), np.int64)
    yield "in the order of their ids as text", np.argsort(as_text)
    yield "out of the order of their ids as text", as_text


def _far_better(hits: npt.NDArray[np.bool_], own: npt.NDArray[np.bool_]) -> bool:
    gained, lost = int((hits & ~own).sum()), int((own & ~hits).sum())
    return gained - lost > max(LEAD * len(own), SURE * math.sqrt(gained + lost))
