"""Whether one form of training beats another: tests, intervals and effect sizes that are paired by query.

Two kinds of luck are kept apart everywhere. Luck of the queries: other questions of the same kind would have given
another figure; the randomisation test and the bootstrap tell how far. Luck of the seed: another training would have;
`seed_spread` and `seed_interval` tell how far, and `same_sign` in how many of the seeds the difference pointed the
same way.

The figure compared is the plain mean over tasks of the share of queries that are hit, as `elva evaluate` prints it.
Where queries belong together (several requests for one product) they are one piece of evidence and not several: their
signs are flipped together, and they are drawn together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from statistics import stdev

import numpy as np
import numpy.typing as npt

from elva.errors import InputError

FLIPS, DRAWS = 100_000, 10_000
LEVEL = 95
"""Percent of the bootstrap means that an interval holds."""

T_95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""Student's t of a two-sided 95 % interval, for 1, 2, ... degrees of freedom; the last one serves for more, too."""

_AT_ONCE = 4_000_000
"""How many random numbers are held at a time."""

_EQUAL = 1e-12
"""Sums of the same numbers in another order differ by less."""

Ranks = Mapping[str, Sequence[int | None]]
"""Task -> rank of the best positive of every query, None where there is none."""

Clusters = Mapping[str, Sequence[int]]
"""Task -> a number per query; equal numbers, also of different tasks, belong together."""

Values = dict[str, npt.NDArray[np.float64]]
"""Task -> a value per query."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One arm less another, in hit@k or another rate per query.

    Attributes:
        difference: mean over tasks, between -1 and 1; of hits averaged over seeds.
        low: lower end of the bootstrap interval, over queries or clusters; it knows nothing of seeds.
        high: its upper end.
        p: of the two-sided paired randomisation test; not corrected for the number of comparisons.
        standardised: mean over standard deviation of the per-query differences; None where all are equal.
        relative: the difference over the other arm's figure; None where that is 0.
        by_seed: the difference in each seed.
        queries: how many were compared.
        clusters: how many pieces of evidence these are.
    """

    difference: float
    low: float
    high: float
    p: float
    standardised: float | None
    relative: float | None
    by_seed: tuple[float, ...]
    queries: int
    clusters: int

    @property
    def same_sign(self) -> int:
        """In how many seeds the difference has the sign of the whole; 0 where the whole is 0."""
        return sum(each * self.difference > 0 for each in self.by_seed)

    @property
    def seed_spread(self) -> float | None:
        """Sample standard deviation of the difference over seeds; None with one seed."""
        return stdev(self.by_seed) if len(self.by_seed) > 1 else None

    @property
    def seed_interval(self) -> tuple[float, float] | None:
        """95 % interval of the difference over trainings on these queries (Student's t); None with one seed."""
        if self.seed_spread is None:
            return None
        half = T_95[min(len(self.by_seed) - 1, len(T_95)) - 1] * self.seed_spread / sqrt(len(self.by_seed))
        return self.difference - half, self.difference + half


def hits(runs: Sequence[Ranks], cutoff: int = 1) -> Values:
    """Task -> for each query the share of the runs (seeds) that hit it, float64 [queries].

    Raises:
        InputError: the runs are of different queries, or there is none.
    """
    if not runs:
        raise InputError("no run to count the hits of")
    if len({_shape(each) for each in runs}) > 1:
        raise InputError("the runs are of different queries: judge all seeds and arms on the same data")
    return {
        task: np.mean([[rank is not None and rank <= cutoff for rank in each[task]] for each in runs], axis=0)
        for task in runs[0]
    }


def task_mean(values: Values) -> float:
    """Plain mean over tasks of the means over queries."""
    return float(np.mean([each.mean() for each in values.values()]))


def compare(
    one: Sequence[Ranks],
    other: Sequence[Ranks],
    clusters: Clusters | None = None,
    *,
    cutoff: int = 1,
    flips: int = FLIPS,
    draws: int = DRAWS,
    seed: int = 0,
) -> Comparison:
    """Compare two arms on the same queries.

    Args:
        one: ranks of one arm, one per seed.
        other: those of the other arm, of the same seeds in the same order.
        clusters: which queries belong together; each stands for itself when None.
        cutoff: the k of hit@k.
        flips: how often signs are drawn for the test.
        draws: how often queries are drawn for the interval.
        seed: of those draws.

    Raises:
        InputError: the arms have not the same number of seeds or not the same queries.
    """
    if len(one) != len(other) or _shape(one[0]) != _shape(other[0]):
        raise InputError("arms can only be compared on the same queries and seeds")
    whole = compare_values(hits(one, cutoff), hits(other, cutoff), clusters, flips=flips, draws=draws, seed=seed)
    by_seed = (task_mean(_less(hits([a], cutoff), hits([b], cutoff))) for a, b in zip(one, other, strict=True))
    return replace(whole, by_seed=tuple(by_seed))


def compare_values(
    one: Values,
    other: Values,
    clusters: Clusters | None = None,
    *,
    flips: int = FLIPS,
    draws: int = DRAWS,
    seed: int = 0,
) -> Comparison:
    """Compare two figures of one training each by their values per query; the other arguments are those of `compare`.

    Raises:
        InputError: the values are of different queries.
    """
    if _shape(one) != _shape(other):
        raise InputError("only values of the same queries can be compared")
    values = _less(one, other)
    every = np.concatenate(list(values.values()))
    difference, level = task_mean(values), task_mean(other)
    spread = float(every.std(ddof=1)) if len(every) > 1 else 0.0
    low, high = bootstrap_interval(values, clusters, draws=draws, seed=seed)
    return Comparison(
        difference,
        low,
        high,
        randomisation_p(values, clusters, flips=flips, seed=seed),
        float(every.mean()) / spread if spread else None,
        difference / level if level else None,
        (difference,),
        len(every),
        len(_gathered(values, clusters)[0]),
    )


def randomisation_p(values: Values, clusters: Clusters | None = None, *, flips: int = FLIPS, seed: int = 0) -> float:
    """Two-sided p of the paired differences: how often flipped signs give a mean at least as far from 0.

    If the arms were alike, each cluster's difference could as well have had the other sign. `flips` such worlds are
    drawn; p = (1 + those at least as far) / (1 + flips), so it is never 0.
    """
    sums, counts = _gathered(values, clusters)
    parts = (sums / counts.sum(axis=0)).mean(axis=1)  # what each cluster adds to the mean over tasks
    parts = parts[parts != 0]  # a flipped 0 stays 0
    observed, generator, far = abs(parts.sum()), np.random.default_rng(seed), 0
    rows = max(1, _AT_ONCE // max(1, len(parts)))
    for start in range(0, flips, rows):
        flipped = generator.integers(0, 2, (min(rows, flips - start), len(parts)), dtype=np.int8)
        far += int((np.abs(parts.sum() - 2 * (flipped.astype(np.float64) @ parts)) >= observed - _EQUAL).sum())
    return (1 + far) / (1 + flips)


def bootstrap_interval(
    values: Values, clusters: Clusters | None = None, *, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float]:
    """The ends of the percentile interval of the mean over tasks, clusters drawn with replacement.

    A task that a draw leaves without queries is left out of that draw's mean.
    """
    sums, counts = _gathered(values, clusters)
    total, generator = len(sums), np.random.default_rng(seed)
    rows = max(1, _AT_ONCE // total)
    means = []
    for start in range(0, draws, rows):
        count = min(rows, draws - start)
        drawn = generator.integers(0, total, (count, total)) + total * np.arange(count)[:, None]
        times = np.bincount(drawn.ravel(), minlength=count * total).reshape(count, total).astype(np.float64)
        with np.errstate(invalid="ignore"):
            means.append(np.nanmean((times @ sums) / (times @ counts), axis=1))
    return _ends(np.concatenate(means))


def hit_interval(hits: Mapping[str, tuple[int, int]], *, draws: int = DRAWS, seed: int = 0) -> tuple[float, float]:
    """The ends of the percentile interval of shares of queries that are hit: of one task, or of the mean over several.

    Queries are drawn with replacement within each task; each stands for itself. How many of those drawn are hits is
    binomial, so that number is drawn and not the queries: the same interval, whatever the number of queries.

    Args:
        hits: task -> how many of its queries are hit, and how many there are.
        draws: how often queries are drawn.
        seed: of those draws; each task has draws of its own, which do not depend on what else is judged.
    """
    drawn = [_drawn_shares(task, hit, count, draws, seed) for task, (hit, count) in hits.items()]
    return _ends(np.mean(drawn, axis=0))


def f1_interval(
    precision: npt.NDArray[np.float64], recall: npt.NDArray[np.float64], *, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float]:
    """The ends of the percentile interval of an F1 of two means over items, which are drawn with replacement.

    Args:
        precision: float64 [items]; NaN where an item has none and is left out of that mean.
        recall: likewise.
        draws: how often items are drawn.
        seed: of those draws.
    """
    count, generator, drawn = len(precision), np.random.default_rng(seed), []
    rows = max(1, _AT_ONCE // count)
    for start in range(0, draws, rows):
        places = generator.integers(0, count, (min(rows, draws - start), count))
        one, other = (_means_of(values[places]) for values in (precision, recall))
        total = one + other
        drawn.append(np.divide(2 * one * other, total, out=np.zeros_like(total), where=total > 0))
    return _ends(np.concatenate(drawn))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction: p-values of a family such that the chance of any false alarm is kept.

    The smallest is multiplied by their number, the next by one less, and so on; none is smaller than one before it.
    """
    corrected, reached = [0.0] * len(p_values), 0.0
    for place, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        reached = max(reached, min(1.0, (len(p_values) - place) * p_values[i]))
        corrected[i] = reached
    return corrected


def _drawn_shares(task: str, hit: int, count: int, draws: int, seed: int) -> npt.NDArray[np.float64]:
    if not count:
        return np.zeros(draws)
    generator = np.random.default_rng([seed, *task.encode()])
    return generator.binomial(count, hit / count, draws) / count


def _means_of(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Means of rows over what is not NaN; 0 where all is."""
    there = ~np.isnan(values)
    means: npt.NDArray[np.float64] = np.where(there, values, 0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return means


def _ends(drawn: npt.NDArray[np.float64]) -> tuple[float, float]:
    """What the middle `LEVEL` percent of drawn values lie between."""
    low, high = np.percentile(drawn, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    return float(low), float(high)


def _shape(ranks: Ranks | Values) -> tuple[tuple[str, int], ...]:
    return tuple((task, len(each)) for task, each in sorted(ranks.items()))


def _less(one: Values, other: Values) -> Values:
    return {task: each - other[task] for task, each in one.items()}


def _gathered(values: Values, clusters: Clusters | None) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Sums of the values and numbers of queries, each float64 [clusters, tasks]."""
    every = np.concatenate(list(values.values()))
    task = np.repeat(np.arange(len(values)), [len(each) for each in values.values()])
    labels = np.arange(len(every)) if clusters is None else np.concatenate([clusters[name] for name in values])
    _, cluster = np.unique(labels, return_inverse=True)
    sums, counts = np.zeros((2, cluster.max() + 1, len(values)))
    np.add.at(sums, (cluster, task), every)
    np.add.at(counts, (cluster, task), 1.0)
    return sums, counts
