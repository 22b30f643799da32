"""Nested vectors: a loss or reward taken at several lengths, so that a vector's first numbers rank by themselves.

Matryoshka representation learning (Kusupati et al., 2022, arXiv 2205.13147): the score of the whole vectors and that of
each prefix, which is made a unit vector of its own, are added up by weights. Here their weighted mean is taken, so that
learning rate and the weights of other objectives mean what they mean without prefixes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor


def prefix(vectors: Tensor, length: int) -> Tensor:
    """Unit vectors (..., length) of the first numbers of (..., D)."""
    return F.normalize(vectors[..., :length], dim=-1)


def nested_mean(
    score: Callable[..., Tensor], vectors: Sequence[Tensor], lengths: Sequence[int] = (), weights: Sequence[float] = ()
) -> Tensor:
    """Weighted mean of `score(*vectors)` over the whole vectors and their prefixes, in the shape of a score.

    Args:
        score: a loss or reward of unit vectors, of any width.
        vectors: what it takes, each (..., D) and of unit length.
        lengths: of the prefixes, each below D; without one the score of the whole is given as it is.
        weights: of the prefixes, beside 1 for the whole; 1 each by default.

    Raises:
        ValueError: a length is not below D, or there are other weights than lengths.
    """
    whole = score(*vectors)
    if not lengths:
        return whole
    if max(lengths) >= min(each.shape[-1] for each in vectors):
        raise ValueError(f"prefixes of {max(lengths)} numbers are asked for; these vectors have no more")
    given = tuple(weights) or (1.0,) * len(lengths)
    parts = [
        weight * score(*(prefix(each, length) for each in vectors))
        for length, weight in zip(lengths, given, strict=True)
    ]
    return (whole + sum(parts)) / (1.0 + sum(given))
