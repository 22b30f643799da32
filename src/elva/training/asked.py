"""What one would ask for: queries, as what a model learns to write when it is shown an answer of theirs.

A captioner says all that it sees, so a query that names a part of it is improbable whichever item is shown. A query
likelihood model is taught on pairs of a document and a query (Ponte and Croft, 1998; doc2query, Nogueira et al., 2019).
Here the base learns it beside captions, and behind an instruction of its own: without it captions stay whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from elva.data.layout import TASKS
from elva.data.mbeir import MBeir, Query
from elva.errors import InputError
from elva.items import Item


class AskedSet:
    """Queries that are text alone, and their answers; rows are read when they are drawn.

    Args:
        data: holds both.
        split: whose queries.
        datasets: only these; all when empty.
        instruction: what every answer is shown with.

    Attributes:
        queries: those that can be drawn.
        left_out: how many of the split are not text alone.

    Raises:
        InputError: none of the queries is text alone.
    """

    def __init__(self, data: MBeir, split: str, datasets: Sequence[str], instruction: str) -> None:
        self._data, self._instruction = data, instruction
        train = data.train_examples(split, datasets)
        spoken = [places for (_, task), places in train.sub_tasks.items() if TASKS[task][0] == "text"]
        if not spoken:
            raise InputError(
                f"none of the {len(train.queries):,} {split} queries is text alone, so there is nothing that the base "
                "could learn to ask for; choose another caption.asked_split or asked_datasets, or set asked_share to 0"
            )
        self.queries: Sequence[Query] = train.queries.only(np.sort(np.concatenate(spoken)))
        self.left_out = len(train.queries) - len(self.queries)
        self._candidates = train.candidates

    def draw(self, rng: np.random.Generator, count: int) -> list[tuple[Item, str]]:
        """`count` pairs of an answer, with the instruction, and the query's words: every query alike, then one of its.

        Args:
            rng: draws both.
            count: how many.
        """
        pairs = []
        for _ in range(count):
            query = self.queries[int(rng.integers(len(self.queries)))]
            assert query.text is not None
            did = query.positives[rng.integers(len(query.positives))]
            item = self._data.candidate_item(self._candidates[did])
            pairs.append((replace(item, instruction=self._instruction), query.text))
        return pairs
