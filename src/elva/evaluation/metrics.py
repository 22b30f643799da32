"""hit@k and MRR through ir_measures, with standard errors and the level that chance would reach."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev

import ir_measures
from ir_measures import RR, Success

from elva.evaluation.trec import Qrels, Run

MEASURES = {"hit@1": Success @ 1, "hit@5": Success @ 5, "hit@10": Success @ 10, "mrr": RR}
"""Our name -> measure. hit@k is M-BEIR's Recall@k: 1 if ANY relevant candidate is in the top k."""

CUTOFFS = {"hit@1": 1, "hit@5": 5, "hit@10": 10}


def per_query(run: Run, qrels: Qrels) -> dict[str, dict[str, float]]:
    """Measure name -> query id -> value, for every judged query; one the run lacks scores 0."""
    values: dict[str, dict[str, float]] = {name: {} for name in MEASURES}
    names = {measure: name for name, measure in MEASURES.items()}
    for metric in ir_measures.iter_calc(list(names), qrels, run.scores()):
        values[names[metric.measure]][metric.query_id] = float(metric.value)
    return values


def means(values: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Measure name -> mean over queries."""
    return {name: fmean(each.values()) if each else 0.0 for name, each in values.items()}


def standard_error(values: Sequence[float]) -> float:
    """Standard error of the mean of independent values; 0 for fewer than two."""
    return stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def mean_standard_error(errors: Sequence[float]) -> float:
    """Standard error of the plain mean of independent task means."""
    return math.sqrt(sum(each**2 for each in errors)) / len(errors) if errors else 0.0


def chance(pool: int, positives: Sequence[int], depth: int) -> dict[str, float]:
    """What a random ranking reaches on average.

    Args:
        pool: number of candidates.
        positives: for each query how many of them are relevant.
        depth: length of the lists that are judged; what lies below counts as not found, as it does for a model.
    """
    levels = {count: _chance_of(pool, count, depth) for count in set(positives)}
    return {name: fmean(levels[count][name] for count in positives) if positives else 0.0 for name in MEASURES}


def _chance_of(pool: int, positives: int, depth: int) -> dict[str, float]:
    """Walk down a random ranking: `missed` is the chance that no relevant one came so far."""
    missed, reciprocal = 1.0, 0.0
    hit = dict.fromkeys(CUTOFFS, 0.0)
    for rank in range(1, min(depth, pool - positives + 1) + 1 if positives else 1):
        found = missed * positives / (pool - rank + 1)
        reciprocal += found / rank
        missed -= found
        for name, cutoff in CUTOFFS.items():
            hit[name] += found if rank <= cutoff else 0.0
    return {**hit, "mrr": reciprocal}
