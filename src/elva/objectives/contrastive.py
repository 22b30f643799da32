"""InfoNCE, the loss of stages 1 and 2, with every kind of negative that is none masked out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def info_nce(
    queries: Tensor,
    candidates: Tensor,
    positive: Tensor,
    temperature: float | Tensor,
    *,
    ignore: Tensor | None = None,
    symmetric: bool = False,
) -> Tensor:
    """Mean cross-entropy of each query's positive among all candidates of the batch, in ().

    Args:
        queries: (Q, D) unit vectors.
        candidates: (C, D) unit vectors: positives, and hard negatives where given.
        positive: (Q,) int64, the candidate index of each query's positive.
        temperature: the cosine is divided by it.
        ignore: (Q, C) bool, True for candidates that are no negatives of the query: its other positives and
            duplicates of its positive. The positive itself is never ignored.
        symmetric: also classify the query of each positive among the queries, and take the mean of both.
    """
    logits = queries @ candidates.T / temperature
    if ignore is not None:
        keep = torch.zeros_like(ignore).scatter_(1, positive[:, None], True)
        logits = logits.masked_fill(ignore & ~keep, float("-inf"))
    loss = F.cross_entropy(logits, positive)
    if not symmetric:
        return loss
    own = torch.arange(len(positive), device=logits.device)
    shared = (positive[:, None] == positive[None]) & (own[:, None] != own[None])
    backward = logits[:, positive].T.masked_fill(shared, float("-inf"))
    return 0.5 * (loss + F.cross_entropy(backward, own))
