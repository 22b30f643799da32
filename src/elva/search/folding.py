"""Near-duplicates among results, listed beneath the best of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from elva.encoding import Vectors
from elva.index.protocol import Hit

SAME = 0.9999
"""Cosine from which two items count as one.

On MRBench-mini's pictures nearly all that are saved anew as JPEG, resized or made a little brighter stay nearer to
themselves than this, and of those that differ in one grain only pairs of which the model writes the same. It is
meant to be strict: a search that keeps every detail must not hide a result for being a little different.
"""


def fold(hits: Sequence[Hit], vectors: Vectors, contents: Sequence[str], top: int) -> list[tuple[int, ...]]:
    """Group hits: the positions of each result and of its near-duplicates, best first, `top` groups at most.

    A hit joins the first group whose best hit has the same content or nearly the same vector; groups are compared by
    their best alone, so no chain of small differences grows.

    Args:
        hits: best first.
        vectors: theirs, unit length, float32 [n, d].
        contents: theirs, hashes of what was embedded; "" where that isn't known.
        top: how many groups are wanted. Hits further down that open no group still join theirs.
    """
    groups: list[list[int]] = []
    by_content: dict[str, int] = {}
    for position in range(len(hits)):
        group = by_content.get(contents[position]) if contents[position] else None
        if group is None:
            group = _nearest(vectors[[each[0] for each in groups]], vectors[position])
        if group is not None:
            groups[group].append(position)
        elif len(groups) < top:
            by_content.setdefault(contents[position], len(groups))
            groups.append([position])
    return [tuple(each) for each in groups]


def _nearest(firsts: Vectors, vector: Vectors) -> int | None:
    cosines = firsts @ vector
    return int(np.argmax(cosines)) if len(cosines) and cosines.max() >= SAME else None
