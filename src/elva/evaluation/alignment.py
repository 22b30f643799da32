"""Whether ranked lists would be far better under other ids: what a shifted or reordered row of vectors looks like.

A list of ids that does not fit its vectors is the costliest of silent mistakes: every figure is computed, and all of
them are wrong. Vectors that are one row off, written backwards, or in the order in which ids sort as text, are found
here: under the right one of these orders the lists that were ranked hit again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from elva.evaluation.trec import Run

FARTHEST = 8
"""Rows that ids may be off by and still be found."""
LEAD = 0.1
"""How much better, in hit@1, another order has to be."""
SURE = 4.0
"""And how many standard deviations of a fair coin: over the queries that only one of both orders hits."""

Rows = npt.NDArray[np.int64]


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
    rows = np.arange(len(qids))
    for order in _orders(qids):
        yield f"the vectors of queries {order.name}", [found[row] for row in order.source(rows).tolist()]
    wanted = set(found)
    row_of = {did: row for row, did in enumerate(dids) if did in wanted}
    rows = np.array([row_of[did] for did in found])
    for order in _orders(dids):
        yield f"the vectors of candidates {order.name}", [dids[row] for row in order.target(rows).tolist()]


@dataclass(frozen=True, slots=True)
class _Order:
    """Another order of n vectors.

    Attributes:
        name: what would have to be done, for people.
        source: rows, int64 [k] -> those whose vectors would come to stand there.
        target: rows, int64 [k] -> where their vectors would come to stand.
    """

    name: str
    source: Callable[[Rows], Rows]
    target: Callable[[Rows], Rows]


def _orders(ids: Sequence[str]) -> Iterator[_Order]:
    """The orders that are looked at."""
    count = len(ids)
    for shift in (sign * step for step in range(1, min(FARTHEST, count - 1) + 1) for sign in (1, -1)):
        name = f"moved by {shift:+d} {'row' if abs(shift) == 1 else 'rows'}"
        yield _Order(name, partial(_moved, -shift, count), partial(_moved, shift, count))
    yield _Order("in reverse order", partial(np.subtract, count - 1), partial(np.subtract, count - 1))
    as_text = np.array(sorted(range(count), key=ids.__getitem__), np.int64)
    in_text = np.argsort(as_text)
    yield _Order("in the order of their ids as text", in_text.take, as_text.take)
    yield _Order("out of the order of their ids as text", as_text.take, in_text.take)


def _moved(shift: int, count: int, rows: Rows) -> Rows:
    return (rows + shift) % count


def _far_better(hits: npt.NDArray[np.bool_], own: npt.NDArray[np.bool_]) -> bool:
    gained, lost = int((hits & ~own).sum()), int((own & ~hits).sum())
    return gained - lost > max(LEAD * len(own), SURE * math.sqrt(gained + lost))
