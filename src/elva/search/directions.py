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

    Chosen on val among other forms (docs/results.md): a quarter leaves more of what is not wanted, the whole loses
    more of what is; the projection on what is orthogonal to minus needs no weight, but does little where query and
    minus are far apart already; rescoring the nearest by their cosine with minus takes away less; and "not" in
    words asks for the very thing.

    Raises:
        InputError: nothing of the query is left.
    """
    rest = query.astype(np.float64) - WEIGHT * minus.astype(np.float64).sum(axis=0)
    if np.linalg.norm(rest) < LEAST:
        raise InputError("nothing is left of the query without what it should be without; leave some of that out")
    return _unit(rest)


def _unit(vector: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Vectors:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)
