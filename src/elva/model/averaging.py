"""An item's vector as the mean over several summaries (`Settings.summaries`): what is uncertain is spread over them.

A greedy summary tells the best guess alone, however near the second one was. The first summary is that guess here too;
the others are sampled, so that their mean leans to each guess as far as the model's probabilities do.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from elva.model.backbone import Backbone
from elva.model.inputs import Prefix
from elva.model.processor import Processor
from elva.model.rollout import Prefill, Rollouts, sample

WRITTEN_AT_ONCE = 512
"""Summaries of one forward, where an item has several: 64 items with 8 each."""
SEED = 0


def items_at_once(summaries: int, most: int) -> int:
    """How many items fit into a forward, of at most so many."""
    return most if summaries == 1 else max(1, min(most, WRITTEN_AT_ONCE // summaries))


def write(backbone: Backbone, processor: Processor, prefix: Prefix, prefill: Prefill | None = None) -> Rollouts:
    """The G summaries that the checkpoint's settings ask for, of B items: a greedy one, the others sampled.

    `prefill` is that of the items, where it is there already.
    """
    settings = processor.settings
    others = settings.summaries - 1
    if not others:
        return sample(backbone, processor, prefix, prefill=prefill)
    return sample(
        backbone,
        processor,
        prefix,
        group_size=settings.summaries,
        temperature=[0.0] + [settings.summary_temperature] * others,
        draws=F.pad(fixed_draws(others, settings.max_summary), (0, 0, 1, 0)),
        prefill=prefill,
    )


def fixed_draws(count: int, length: int) -> Tensor:
    """(count, length) float64, uniform in [0, 1), the same on every call: an item's vector does not depend on others.

    The draws of a word lie one in each of `count` equal parts of [0, 1), so that summaries which agree so far go on
    as the probabilities say and not as luck has it; which of them gets which part changes from word to word.
    """
    generator = torch.Generator().manual_seed(SEED)
    within = torch.rand(count, length, dtype=torch.float64, generator=generator)
    part = torch.rand(count, length, generator=generator).argsort(0)
    return (part + within) / count


def mean_vector(vectors: Tensor) -> Tensor:
    """Unit vectors (B, D): the direction of the mean over G of (B, G, D)."""
    return vectors[:, 0] if vectors.shape[1] == 1 else F.normalize(vectors.mean(1), dim=-1)
