"""The items of a run, prepared once: tokens, visual tokens, and the caption the base wrote for each.

Queries and candidates live side by side under keys, since one id may name one of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from elva.encoding import Extraction
from elva.errors import DataError, InputError
from elva.items import Item
from elva.model.embedder import Embedder
from elva.model.inputs import Inputs, Prefix, Prepared
from elva.model.rollout import Rollouts, given
from elva.training.rowfile import read_rowfile, write_rowfile


def query_key(qid: str) -> str:
    """Key of a query."""
    return f"query {qid}"


def candidate_key(did: str) -> str:
    """Key of a candidate."""
    return f"candidate {did}"


Row = TypeVar("Row")

CAPTION_KEYS = ("key", "caption")


def some(rows: Sequence[Row], count: int | None, seed: int) -> Sequence[Row]:
    """All rows, or `count` of them drawn by the seed, in their order: the first ones would be one task's."""
    if count is None or count >= len(rows):
        return rows
    return [rows[i] for i in sorted(np.random.default_rng(seed).permutation(len(rows))[:count].tolist())]


class PreparedItems:
    """Prepared items by key.

    Args:
        embedder: the model that will read them.
        items: what to prepare.
        extraction: which prompt they get.
        captions: the summary to be read after each item, where the run needs one.
        progress: called with the number of items just prepared.
    """

    def __init__(
        self,
        embedder: Embedder,
        items: Mapping[str, Item],
        extraction: Extraction,
        captions: Mapping[str, str] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self._embedder = embedder
        self._inputs = Inputs(embedder.backbone, embedder.processor, embedder.features)
        missing = [key for key in items if key not in captions] if captions is not None else []
        if missing:
            raise InputError(
                f"{len(missing)} of {len(items)} items have no caption, {missing[0]} for one; "
                "write data.captions again with `elva caption` on this data and split"
            )
        prepared = self._inputs.prepare(list(items.values()), extraction, progress)
        self._prepared: dict[str, Prepared] = dict(zip(items, prepared, strict=True))
        self._summaries = {key: embedder.processor.summary_ids(captions[key]) for key in items} if captions else {}
        self.truncated = sum(one.truncated for one in prepared)

    def prefix(self, keys: Sequence[str]) -> Prefix:
        """The batch that the language model reads before it writes."""
        return self._inputs.collate([self._prepared[key] for key in keys])

    def captions(self, keys: Sequence[str]) -> Rollouts:
        """The captions of these items as given rollouts (G = 1)."""
        backbone = self._embedder.backbone
        return given([self._summaries[key] for key in keys], backbone.dimension, backbone.device)

    def by_length(self, keys: Iterable[str]) -> list[str]:
        """The keys without repeats, shortest item first: rows of one length waste no padding."""
        return sorted(dict.fromkeys(keys), key=lambda key: len(self._prepared[key]))


def write_caption_rows(path: Path, captions: Mapping[str, str]) -> None:
    """One JSON object per line: {"key", "caption"}; whole or not at all."""
    write_rowfile(path, ({"key": key, "caption": caption} for key, caption in captions.items()))


def read_captions(path: Path) -> dict[str, str]:
    """What `elva caption` wrote.

    Raises:
        DataError: a line is not such a row.
    """
    captions = {}
    for number, row in read_rowfile(path, CAPTION_KEYS, "elva caption"):
        if not isinstance(row["caption"], str):
            raise DataError(path, number, "caption", repr(row["caption"]), "write the file again with `elva caption`")
        captions[row["key"]] = row["caption"]
    return captions
