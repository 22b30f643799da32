"""Two models on the same queries: differences, intervals and tests that are paired by query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elva.analysis.tables.evaluations import Measured
from elva.errors import InputError
from elva.evaluation.significance import DRAWS, FLIPS, Comparison, Values, compare_values, holm, task_mean
from elva.evaluation.trec import read_qrels, read_run

HEADLINE = "headline"
"""Each task's own figure: hit@5, hit@10 of M-BEIR's fashion sets, accuracy of pairs, MAP@5 of CIRCO."""
MEASURES = (HEADLINE, "hit@1", "hit@5", "hit@10", "mrr")

_DRAWN = 400_000_000
"""How many random numbers a test or an interval draws at most: large benchmarks need fewer draws of more queries."""


@dataclass(frozen=True, slots=True)
class Side:
    """One figure of both models, between 0 and 1, and how they differ.

    Attributes:
        one: of the first.
        other: of the second.
        found: the first less the second.
        p_holm: p of the randomisation test after Holm's correction over all that are told together.
    """

    one: float
    other: float
    found: Comparison
    p_holm: float

    def to_row(self) -> dict[str, Any]:
        """As JSON."""
        found = self.found
        return {
            "one": self.one,
            "other": self.other,
            "difference": found.difference,
            "interval": [found.low, found.high],
            "p": found.p,
            "p_holm": self.p_holm,
            "queries": found.queries,
        }


@dataclass(frozen=True, slots=True)
class Paired:
    """Two models on the tasks of one benchmark that both were judged on.

    Attributes:
        benchmark: which.
        measure: what was compared; "headline" where that is not the same in all tasks.
        whole: the mean over tasks.
        tasks: by task; Holm's correction is over these.
        alone: tasks that only one of them was judged on.
    """

    benchmark: str
    measure: str
    whole: Side
    tasks: Mapping[str, Side]
    alone: tuple[str, ...]

    def to_row(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "benchmark": self.benchmark,
            "measure": self.measure,
            "whole": self.whole.to_row(),
            "tasks": {task: each.to_row() for task, each in self.tasks.items()},
            "left_out": list(self.alone),
        }


def compare(
    one: Measured, other: Measured, measure: str = HEADLINE, *, required: bool = True, seed: int = 0
) -> list[Paired]:
    """Compare two models on every benchmark that both were judged on.

    Args:
        one: a model.
        other: what it is compared with.
        measure: one of `MEASURES`.
        required: whether there must be anything to compare.
        seed: of flipped signs and drawn queries.

    Raises:
        InputError: they share no task; a shared one has other queries; a task has no such measure.
    """
    benchmarks = dict.fromkeys(benchmark for benchmark, _ in one.tasks)
    found = [
        _compare(one, other, benchmark, measure, seed) for benchmark in benchmarks if shared([one, other], benchmark)
    ]
    if required and not found:
        raise InputError(f"{one.name} and {other.name} were judged on no common task, so nothing can be compared")
    return found


def shared(measured: Sequence[Measured], benchmark: str) -> list[str]:
    """The tasks of a benchmark that all of them were judged on, in the order of the first."""
    tasks = [task for of, task in measured[0].tasks if of == benchmark]
    return [task for task in tasks if all((benchmark, task) in each.tasks for each in measured)]


def difference(one: Measured, other: Measured, benchmark: str, tasks: Sequence[str], seed: int = 0) -> Comparison:
    """One model less another in the mean headline figure of some tasks; errors as in `compare`."""
    return _tested(*_both(one, other, benchmark, tasks, HEADLINE), seed)


def _compare(one: Measured, other: Measured, benchmark: str, measure: str, seed: int) -> Paired:
    tasks = shared([one, other], benchmark)
    a, b = _both(one, other, benchmark, tasks, measure)
    by_task = {task: _tested({task: a[task]}, {task: b[task]}, seed) for task in tasks}
    corrected = holm([each.p for each in by_task.values()])
    sides = {
        task: Side(float(a[task].mean()), float(b[task].mean()), by_task[task], p)
        for task, p in zip(tasks, corrected, strict=True)
    }
    whole = _tested(a, b, seed)
    all_of = {task for each in (one, other) for of, task in each.tasks if of == benchmark}
    measures = {_asked(one, benchmark, task, measure) for task in tasks}
    return Paired(
        benchmark,
        measures.pop() if len(measures) == 1 else measure,
        Side(task_mean(a), task_mean(b), whole, whole.p),
        sides,
        tuple(sorted(all_of - set(tasks))),
    )


def _tested(one: Values, other: Values, seed: int) -> Comparison:
    queries = sum(len(each) for each in one.values())
    changed = max(1, sum(int((each != other[task]).sum()) for task, each in one.items()))
    flips, draws = min(FLIPS, _DRAWN // changed), min(DRAWS, _DRAWN // queries)
    return compare_values(one, other, flips=max(1000, flips), draws=max(1000, draws), seed=seed)


def _both(one: Measured, other: Measured, benchmark: str, tasks: Sequence[str], measure: str) -> tuple[Values, Values]:
    for task in tasks:
        a, b = (each.tasks[benchmark, task].results["ranks"][task]["qids"] for each in (one, other))
        if a != b:
            raise InputError(
                f"{task}: {one.name} was judged on {len(a):,} queries and {other.name} on {len(b):,}, "
                "not the same ones; evaluate both on the same data"
            )
    return values(one, benchmark, tasks, measure), values(other, benchmark, tasks, measure)


def values(measured: Measured, benchmark: str, tasks: Sequence[str], measure: str) -> Values:
    """Task -> the figure of each query, between 0 and 1, in the order of its qids.

    Raises:
        InputError: a task has no such figure.
    """
    found: Values = {}
    for task in tasks:
        evaluated = measured.tasks[benchmark, task]
        asked = _asked(measured, benchmark, task, measure)
        ranks = evaluated.results["ranks"][task]
        name, _, cutoff = asked.partition("@")
        if name == "map" and cutoff.isdecimal():
            found[task] = np.array(_average_precision(evaluated.folder, task, ranks["qids"], int(cutoff)))
        elif asked == "mrr":
            found[task] = np.array([1 / rank if rank else 0.0 for rank in ranks["best_positive"]])
        elif asked == "accuracy" or (name == "hit" and cutoff.isdecimal()):
            reach = int(cutoff or 1)
            found[task] = np.array([float(rank is not None and rank <= reach) for rank in ranks["best_positive"]])
        else:
            raise InputError(f"{task} is measured by {asked}, which can't be told per query: choose another --measure")
    return found


def _asked(measured: Measured, benchmark: str, task: str, measure: str) -> str:
    """What `HEADLINE` is of a task."""
    row = measured.tasks[benchmark, task].results["tasks"][task]
    return str(row["headline"]) if measure == HEADLINE else measure


def _average_precision(folder: Any, task: str, qids: Sequence[str], cutoff: int) -> list[float]:
    """Per query the precisions at its relevant hits, over how many of them fit into the cutoff (CIRCO's MAP@k)."""
    run, qrels = read_run(folder / "runs" / f"{task}.trec").top(cutoff), read_qrels(folder / "qrels" / f"{task}.txt")
    lists = dict(zip(run.qids, run.dids, strict=True))
    precisions = []
    for qid in qids:
        relevant = {did for did, value in qrels.get(qid, {}).items() if value > 0}
        hits = [did in relevant for did in lists.get(qid, ())]
        total = sum(sum(hits[: i + 1]) / (i + 1) for i, hit in enumerate(hits) if hit)
        precisions.append(total / min(len(relevant), cutoff) if relevant else 0.0)
    return precisions
