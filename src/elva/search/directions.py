"""Vectors of queries made of several parts."""

from __future__ import annotations

import numpy as np

from elva.encoding import Vectors
from elva.errors import InputError

LEAST = 1e-3
"""A vector shorter than this has no direction worth searching in: float32 leaves it three digits."""

WEIGHT = 0.5
"""How much of what a query should be without is taken away."""


def mean_direction(vectors: Vectors) -> Vectors:
    """The unit vector [d] in the middle of unit vectors [n, d].

    Raises:
        InputError: they cancel out.
    """
    total = vectors.astype(np.float64).sum(axis=0)
    if np.linalg.norm(total) < LEAST:
        raise InputError("the parts of the query point in opposite directions; leave one of them out")
    return _unit(total)


def without(query: Vectors, minus: Vectors) -> Vectors:
    """The unit vector [d] of a query from which `WEIGHT` of each vector of `minus` [n, d] is taken away.

    Compared with other forms on the pictures of MRBench-mini's val split (`benchmarks/without.py`: queries such as
    "a red circle", minus "striped"; shares of the first ten results):

        | form | ELVA: striped | wanted and not striped | stage 2: striped | wanted and not striped |
        | --- | --- | --- | --- | --- |
        | the query alone | 0.49 | 0.25 | 0.48 | 0.13 |
        | in words: "a red circle, not striped" | 0.89 | 0.07 | 0.75 | 0.06 |
        | the query - 0.25 minus | 0.32 | 0.32 | 0.37 | 0.15 |
        | the query - 0.5 minus | 0.20 | 0.35 | 0.27 | 0.16 |
        | the query - minus | 0.07 | 0.33 | 0.19 | 0.17 |
        | its projection on what is orthogonal to minus | 0.17 | 0.36 | 0.39 | 0.14 |
        | the nearest 100, less 2 x their cosine with minus above its mean | 0.26 | 0.35 | 0.32 | 0.15 |

    The projection needs no weight, but does little where query and minus are far apart already.

    Raises:
        InputError: nothing of the query is left.
    """
    rest = query.astype(np.float64) - WEIGHT * minus.astype(np.float64).sum(axis=0)
    if np.linalg.norm(rest) < LEAST:
        raise InputError("nothing is left of the query without what it should be without; leave some of that out")
    return _unit(rest)


def _unit(vector: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Vectors:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)
