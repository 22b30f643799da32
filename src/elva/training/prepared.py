"""The items of a run, prepared once: tokens, visual tokens, and the caption the base wrote for each.

Queries and candidates live side by side under keys, since one id may name one of each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from torch import Tensor

from elva.clips import Visual
from elva.data.records import RowProblem
from elva.data.rows import Rows, parse_object
from elva.data.stored import Numbers
from elva.encoding import Encoding, Vectors
from elva.errors import InputError
from elva.items import Item
from elva.model.backbone import Backbone
from elva.model.embedder import Embedder
from elva.model.inputs import Inputs, Prefix, Prepared
from elva.model.rollout import Rollouts, given
from elva.prompts import Prompt
from elva.training.rowfile import Entries, Entry


def query_key(qid: str) -> str:
    """Key of a query."""
    return f"query {qid}"


def candidate_key(did: str) -> str:
    """Key of a candidate."""
    return f"candidate {did}"


Row = TypeVar("Row")

PROBED = 64
"""Pictures that tell what one takes in memory."""
HELD = 65_536
"""Items that stay prepared: 32 bytes of ids and positions per token, a gigabyte if all are long."""
WRITTEN_AT_ONCE = 1024
"""Items whose summaries are written in one call."""

CAPTION_KEYS = ("key", "caption")


def some(rows: Sequence[Row], count: int | None, seed: int) -> Sequence[Row]:
    """All rows, or `count` of them drawn by the seed, in their order: the first ones would be one task's."""
    if count is None or count >= len(rows):
        return rows
    return [rows[place] for place in drawn(len(rows), count, seed).tolist()]


def drawn(total: int, count: int | None, seed: int) -> Numbers:
    """The places, ascending, of those that `some` draws among so many."""
    return np.sort(np.random.default_rng(seed).permutation(total)[:count])


class PreparedItems:
    """The items of each step, prepared: tokens, and the summary to be read after each item where the run needs one.

    Pictures are looked at before the first step where all that they show fits into memory; otherwise each step looks
    at its own. Either way what a step reads is a function of the step, to the last bit, wherever a run was taken up.

    Args:
        embedder: the model that will read them.
        prompt: what their turns end with.
        captions: the summaries by key, or None.
    """

    def __init__(self, embedder: Embedder, prompt: Prompt, captions: Mapping[str, str] | None = None) -> None:
        self._embedder, self._prompt, self._captions = embedder, prompt, captions
        self._inputs = Inputs(embedder.backbone, embedder.processor, embedder.features)
        self._prepared: dict[str, Prepared] = {}
        self._cut: set[str] = set()
        self._all_seen = False

    def survey(self, items: Iterable[tuple[str, Item]], memory: float) -> list[Visual] | None:
        """Go through all items that may occur, before the first step.

        Args:
            items: keys and items.
            memory: bytes that the visual tokens of their pictures may take.

        Returns:
            Their pictures and clips, for `look`; None where the tokens of all would take more memory.

        Raises:
            InputError: items have no caption.
            MediaError: one of the first pictures is missing, damaged or too large.
        """
        pictures, missing, count = dict[Visual, None](), list[str](), 0
        most = math.inf if memory else 0
        for key, item in items:
            count += 1
            if self._captions is not None and key not in self._captions:
                missing.append(key)
            for shown in item.visuals if len(pictures) <= most else ():
                pictures[shown] = None
                if len(pictures) == PROBED:
                    most = memory / self._bytes_each([*pictures])
            if len(pictures) > most and self._captions is None:
                break  # nothing more to find out
        if missing:
            raise InputError(
                f"{len(missing)} of {count} items have no caption, {missing[0]} for one; "
                "write data.captions again with `elva caption` on this data and split"
            )
        return [*pictures] if len(pictures) <= most else None

    def _bytes_each(self, pictures: Sequence[Visual]) -> float:
        return sum(tokens.nbytes for tokens, _ in self._embedder.features.look(pictures)) / len(pictures)

    def look(self, pictures: Sequence[Visual], progress: Callable[[int], None] | None = None) -> None:
        """Look at all pictures of the run, so that no step needs to.

        Args:
            pictures: what `survey` found.
            progress: called with the number of pictures just looked at.

        Raises:
            MediaError: a picture is missing, damaged or too large.
        """
        self._embedder.features.look(pictures, progress=progress)
        self._embedder.features.save()
        self._all_seen = True

    def write_captions(self, items: Iterable[tuple[str, Item]], progress: Callable[[int], None] | None = None) -> None:
        """Let the model, as it is now, write the summaries of all items.

        Args:
            items: keys and items.
            progress: called with the number of items just done.
        """
        captions: dict[str, str] = {}
        for keys, encoding in self._embedded(items, progress):
            captions |= zip(keys, encoding.summaries, strict=True)
        self._captions = captions

    def vectors(self, items: Iterable[tuple[str, Item]], progress: Callable[[int], None] | None = None) -> Vectors:
        """Unit vectors (n, D) of items, as the model gives them now.

        Args:
            items: n keys and items.
            progress: called with the number of items just done.
        """
        return np.concatenate([encoding.vectors for _, encoding in self._embedded(items, progress)])

    def _embedded(
        self, items: Iterable[tuple[str, Item]], progress: Callable[[int], None] | None
    ) -> Iterator[tuple[list[str], Encoding]]:
        """Items block by block, behind summaries of the model's own."""
        rest = iter(items)
        while block := dict(islice(rest, WRITTEN_AT_ONCE)):
            yield [*block], self._embedder.embed([*block.values()], extraction="generative", progress=progress)
            if not self._all_seen:
                self._embedder.features.forget()

    def take(self, items: Mapping[str, Item]) -> None:
        """Prepare the items of a step, by key; `prefix`, `captions` and `reading_order` know these."""
        if not self._all_seen:
            self._embedder.features.forget()
        if len(self._prepared) > HELD:
            self._prepared.clear()
        new = {key: item for key, item in items.items() if key not in self._prepared}
        prepared = self._inputs.prepare([*new.values()], self._prompt, look=self._all_seen)
        self._prepared |= zip(new, prepared, strict=True)
        self._cut.update(key for key, one in zip(new, prepared, strict=True) if one.truncated)

    @property
    def truncated(self) -> int:
        """How many of the items taken so far had their text cut."""
        return len(self._cut)

    def prefix(self, keys: Sequence[str], reader: Backbone | None = None) -> Prefix:
        """The batch that the language model, or another `reader`, reads before it writes."""
        return self._inputs.collate([self._prepared[key] for key in keys], reader)

    def own_words(self, keys: Sequence[str]) -> Tensor:
        """(n, W) int64 as in `Prefix.own`, where nothing else of a prefix is read: nothing is looked at."""
        return self._inputs.own_words([self._prepared[key] for key in keys])

    def captions(self, keys: Sequence[str]) -> Rollouts:
        """The captions of these items as given rollouts (G = 1)."""
        assert self._captions is not None
        backbone, processor = self._embedder.backbone, self._embedder.processor
        summaries = [processor.summary_ids(self._captions[key]) for key in keys]
        return given(summaries, backbone.dimension, backbone.device)

    def reading_order(self, keys: Sequence[str], written: Rollouts | None = None, processes: int = 1) -> list[int]:
        """Places of the keys in the order in which they are best read: rows of one length waste no padding.

        Args:
            keys: which items.
            written: the summaries that are read with them.
            processes: each reads as much as the others, if each gets an equal run of the places.
        """
        lengths = [len(self._prepared[key]) for key in keys]
        if written is not None:
            longest = written.mask.sum(-1).amax(-1).tolist()
            lengths = [before + after for before, after in zip(lengths, longest, strict=True)]
        ranked = sorted(range(len(keys)), key=lengths.__getitem__)
        return [place for process in range(processes) for place in ranked[process::processes]]


def read_captions(path: Path) -> Entries[str]:
    """What `elva caption` wrote: key to caption, read when it is asked for.

    Raises:
        DataErrors: every line that is not such a row.
    """
    return Entries(Rows().stored(path, _caption, "key"))


def _caption(line: str) -> Entry[str]:
    row = parse_object(line)
    for field in CAPTION_KEYS:
        if not isinstance(row.get(field), str):
            raise RowProblem(field, repr(row.get(field)), "write the file again with `elva caption`")
    return Entry(row["key"], row["caption"])
