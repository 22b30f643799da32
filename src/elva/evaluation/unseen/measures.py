"""The measures of published benchmarks, by name: of one ranked list, and what chance reaches.

| name | what it is |
| --- | --- |
| hit@k | 1 if any answer is among the first k; papers call it R@k |
| map@k | sum of the precision at each answer among the first k, over min(number of answers, k) |
| accuracy | hit@1 in a gallery of two |
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import comb


def cutoff(measure: str) -> int:
    """How much of a list a measure looks at."""
    return 1 if measure == "accuracy" else int(measure.partition("@")[2])


def value(measure: str, dids: Sequence[str], answers: Collection[str]) -> float:
    """A measure of one list, best first, of which at least `cutoff` are given where there are so many."""
    k = cutoff(measure)
    right = [did in answers for did in dids[:k]]
    if not measure.startswith("map@"):
        return float(any(right))
    precisions = [sum(right[:rank]) / rank for rank, found in enumerate(right, start=1) if found]
    return sum(precisions) / min(len(answers), k)


def chance(measure: str, pool: int, answers: int) -> float:
    """What a random order of `pool` candidates reaches on average.

    Args:
        measure: its name.
        pool: how many candidates are ranked.
        answers: how many of them are right.
    """
    k = min(cutoff(measure), pool)
    if not answers:
        return 0.0
    if not measure.startswith("map@"):
        return 1 - comb(pool - answers, k) / comb(pool, k)
    # An answer stands at a rank with probability share; of the ranks above it, others hold answers as often as is left.
    share, others = answers / pool, (answers - 1) / max(1, pool - 1)
    return sum(share * (1 + (rank - 1) * others) / rank for rank in range(1, k + 1)) / min(answers, cutoff(measure))
