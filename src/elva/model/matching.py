"""Whether a candidate matches a query, as one who was taught to judge pairs says: "Yes" or "No".

LamRA's pointwise reranking (Liu et al., 2024): one turn shows both and asks. The score is how much more probable "Yes"
is than "No" as the first word of the answer, in nats; its logistic function is the probability of "Yes" among the two.
A model that was not taught so answers as it likes, and its scores mean little.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from elva.errors import CheckpointError
from elva.items import Item
from elva.model.attention import Causal
from elva.model.embedder import Embedder
from elva.model.inputs import Inputs, Prepared
from elva.prompts import NO, YES

WINDOW = 256
"""Pairs that are prepared, and sorted by length, at a time."""
PAIRS = 32
"""Pairs that are read in one forward."""


class Matching:
    """Scores pairs of query and candidate.

    Args:
        embedder: the model.

    Raises:
        CheckpointError: its vocabulary begins both answers with one token.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._inputs = Inputs(embedder.backbone, embedder.processor, embedder.features)
        self._yes, self._no = (embedder.processor.written_ids(answer)[0] for answer in (YES, NO))
        if self._yes == self._no:
            raise CheckpointError(
                f"{embedder.name}: {YES} and {NO} begin with one token; take another tokenizer's model"
            )

    @torch.inference_mode()
    def scores(self, pairs: Sequence[tuple[Item, Item]], progress: Callable[[int], None] | None = None) -> list[float]:
        """By how many nats Yes is more probable than No, for each pair (query, candidate).

        Args:
            pairs: texts and pictures; a query with its instruction.
            progress: called with the number of pairs just scored.

        Raises:
            MediaError: a picture is missing, damaged or too large.
            InputError: a pair holds a video.
        """
        scores = [0.0] * len(pairs)
        for start in range(0, len(pairs), WINDOW):
            prepared = self._inputs.prepare_pairs(pairs[start : start + WINDOW])
            order = sorted(range(len(prepared)), key=lambda row: len(prepared[row]))
            for first in range(0, len(order), PAIRS):
                rows = order[first : first + PAIRS]
                for row, score in zip(rows, self._judged([prepared[row] for row in rows]).tolist(), strict=True):
                    scores[start + row] = score
                if progress:
                    progress(len(rows))
        self._embedder.features.save()
        return scores

    def _judged(self, batch: list[Prepared]) -> Tensor:
        backbone, prefix = self._embedder.backbone, self._inputs.collate(batch)
        ends = backbone.language(prefix.inputs, prefix.positions, Causal(prefix.mask), prefix.deep)[:, -1]
        logits = backbone.logits(ends).float()
        return (logits[:, self._yes] - logits[:, self._no]).cpu()
