"""What a model answers: each item asks by its own words, and the model writes until it ends its turn.

The answer is all that is wanted: nothing is embedded, and neither the prompts nor the bottleneck of the checkpoint,
which are about [RET], have a part in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from elva.encoding import Written
from elva.items import Item
from elva.model.embedder import Embedder
from elva.model.inputs import Inputs, Prepared
from elva.model.rollout import Rollouts, sample

WINDOW = 8
"""Batches whose prompts are tokenised, and sorted by length, at a time; pictures are looked at batch by batch."""
PLACES = 131_072
"""Most places of a batch, prompts with padding and answers together: what is remembered of each is kept meanwhile."""


def write_answers(
    embedder: Embedder,
    items: Sequence[Item],
    *,
    max_new_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
    batch_size: int = 32,
    progress: Callable[[int], None] | None = None,
) -> Written:
    """Let the model answer each item.

    Args:
        embedder: the model.
        items: whole turns of a user, prompt included.
        max_new_tokens: longest answer, its end included; then it is cut, and counted.
        temperature: 0 is greedy.
        seed: of sampling. What is drawn for an item follows from this and its place among the items, whatever it
            shares a batch with.
        batch_size: the most items of one forward; fewer where prompts are long.
        progress: called with the number of items just done.

    Raises:
        MediaError: a picture or clip is missing, damaged or too large.
        InputError: a video, and a model of a family that was not tried with any.
    """
    inputs = Inputs(embedder.backbone, embedder.processor, embedder.features)
    texts, cut, truncated = [""] * len(items), 0, 0
    for start in range(0, len(items), batch_size * WINDOW):
        prepared = inputs.prepare(items[start : start + batch_size * WINDOW], "own", look=False)
        truncated += sum(one.truncated for one in prepared)
        for rows in _batches(prepared, batch_size, max_new_tokens):
            draws = _draws(seed, [start + row for row in rows], max_new_tokens) if temperature else None
            with torch.inference_mode():
                written = sample(
                    embedder.backbone,
                    embedder.processor,
                    inputs.collate([prepared[row] for row in rows]),
                    temperature=temperature,
                    max_tokens=max_new_tokens,
                    draws=draws,
                    end=embedder.processor.end_id,
                )
            cut += int(written.forced.sum())
            for row, (text,) in zip(rows, read_texts(embedder, written), strict=True):
                texts[start + row] = text
            if progress:
                progress(len(rows))
    embedder.features.save()
    return Written(texts, cut, truncated)


def read_texts(embedder: Embedder, written: Rollouts) -> list[list[str]]:
    """The texts of (B, G) answers."""
    decode = embedder.processor.decode
    groups = zip(written.tokens.cpu(), written.mask.cpu(), strict=True)
    return [[decode(ids[live].tolist()) for ids, live in zip(*group, strict=True)] for group in groups]


def _batches(prepared: Sequence[Prepared], most: int, longest_answer: int) -> Iterator[list[int]]:
    """Places of items in ascending length, as many at once as `most` and `PLACES` allow, and at least one."""
    batch = list[int]()
    for row in sorted(range(len(prepared)), key=lambda row: len(prepared[row])):
        if batch and (len(batch) == most or (len(batch) + 1) * (len(prepared[row]) + longest_answer) > PLACES):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _draws(seed: int, places: Sequence[int], length: int) -> Tensor:
    """(B, 1, T) float64, uniform in [0, 1)."""
    drawn = [np.random.default_rng([seed, place]).random(length) for place in places]
    return torch.from_numpy(np.stack(drawn))[:, None]
