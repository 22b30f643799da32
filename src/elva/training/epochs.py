"""Which rows a batch holds: an order anew for each epoch, from the seed and the epoch alone."""

from __future__ import annotations

import numpy as np

from elva.data.stored import Numbers


def batches_of(total: int, size: int) -> int:
    """Batches of an epoch: every row occurs once, but for the rest that fills none; a smaller total is one batch."""
    return max(1, total // size)


def batch_places(seed: int, number: int, total: int, size: int) -> Numbers:
    """Which of `total` rows the batch of this number, counted from 0 over all epochs, holds: `size` of them at most."""
    epoch, place = divmod(number, batches_of(total, size))
    order: Numbers = np.random.default_rng([seed, epoch]).permutation(total)
    return order[place * size : (place + 1) * size]
