"""`elva caption`: what a model writes, greedily, about every query and candidate of a split.

Stage 2 reads these summaries while it learns to embed; stage 3 takes the order of negatives from them. With the
base model as the writer they are free of labels.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from elva.data.mbeir import Candidate, MBeir, Query, TaskName
from elva.data.opening import open_tasks
from elva.data.stored import Joined, Numbers, once
from elva.encoding import Encoder, ModelIdentity, Progress
from elva.grains import naming
from elva.items import Item
from elva.training.prepared import CAPTION_KEYS, candidate_key, query_key, read_captions
from elva.training.rowfile import require_rowfile
from elva.training.unfinished import BLOCK, Unfinished


@dataclass(frozen=True, slots=True)
class CaptionReport:
    """What was written.

    Attributes:
        captions: how many.
        forced_ret: for how many of the distinct items [RET] had to be forced.
        truncated: how many of their texts were cut.
        skipped: how many bad rows were left out.
        named: kind -> (grains that the captions name, grains there are), over queries that are a picture alone and
            list their grains.
    """

    captions: int
    forced_ret: int
    truncated: int
    skipped: int
    named: Mapping[str, tuple[int, int]]


Items = Callable[[], Iterator[tuple[str, Item]]]
"""Gives keys and items, each once, from the first one anew."""


def split_items(data: MBeir, names: Sequence[TaskName]) -> Items:
    """Every query (with its instruction) and pool candidate of these tasks."""
    queries: Sequence[Query] = Joined([data.queries(name) for name in names])
    candidates = once([data.pool(name) for name in names])
    return lambda: _keyed(data, queries, candidates)


def named_items(data: MBeir, split: str, datasets: Sequence[str]) -> Items:
    """Every query of a split, and every candidate that one of them names: what stage 2 reads."""
    train = data.train_examples(split, datasets)
    _, first = np.unique(train.queries.column("keys"), return_index=True)  # the published union file repeats queries
    queries = train.queries.only(np.sort(first))
    return lambda: _keyed(data, queries, train.candidates.values())


def _keyed(data: MBeir, queries: Iterable[Query], candidates: Iterable[Candidate]) -> Iterator[tuple[str, Item]]:
    yield from ((query_key(query.qid), data.query_item(query)) for query in queries)
    yield from ((candidate_key(candidate.did), data.candidate_item(candidate)) for candidate in candidates)


def write_captions(
    root: Path,
    embedder: Encoder,
    out: Path,
    *,
    split: str = "train",
    datasets: Sequence[str] = (),
    named_only: bool = False,
    skip_bad_rows: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> CaptionReport:
    """Caption a split into a JSONL file of {"key", "caption"}.

    What is asked several times is written once. What a killed process did lies in `OUT.unfinished`; the same call goes
    on from it.

    Args:
        root: data in M-BEIR layout.
        embedder: the writer, usually the base model.
        out: the file.
        split: which split.
        datasets: only these; all when empty.
        named_only: leave out candidates that no query names, which stage 2 never reads: most of a large pool.
        skip_bad_rows: leave bad data rows out and count them instead of refusing the data.
        progress: called with (done now, total).

    Raises:
        InputError: no task fits the choice, `out` holds anything but captions, or unfinished work of another command
            lies beside it.
        DataErrors: every bad row, unless they are to be left out.
    """
    require_rowfile(out, CAPTION_KEYS)
    data, names, skipped = open_tasks(root, split, datasets, by_task=not named_only, skip_bad_rows=skip_bad_rows)
    items = named_items(data, split, datasets) if named_only else split_items(data, names)
    first, which = _distinct(items())
    total = int(np.count_nonzero(first))
    tick = (lambda n: progress(n, total)) if progress else None
    command = {
        "model": ModelIdentity.of(embedder).to_row(),
        "data": data.fingerprint(),
        "tasks": [str(name) for name in names],
        "named_only": named_only,
        "skip_bad_rows": skip_bad_rows,
    }
    with Unfinished(out, command) as work:
        told: list[dict[str, Any]] = []
        chosen = (item for (_, item), is_first in zip(items(), first, strict=True) if is_first)
        while block := [_without_instruction(item) for item in islice(chosen, BLOCK)]:
            part = f"captions-{len(told):07d}"
            if tick and work.holds(part):
                tick(len(block))
            told += map(json.loads, work.part(part, partial(_written, embedder, block, tick)))
        captions = [summary for row in told for summary in row["captions"]]
        keys = (key for key, _ in items())
        work.finish(
            json.dumps({"key": key, "caption": captions[number]}, ensure_ascii=False)
            for key, number in zip(keys, which, strict=True)
        )
    written = read_captions(out)
    pictures = (query for name in names for query in data.queries(name) if query.modality == "image" and query.grains)
    told_of = ((query.grains, query_key(query.qid)) for query in pictures)
    named = naming(((grains, written[key]) for grains, key in told_of if key in written), data.lexicon())
    forced, truncated = (sum(row[name] for row in told) for name in ("forced_ret", "truncated"))
    return CaptionReport(len(which), forced, truncated, skipped, named)


def _distinct(items: Iterable[tuple[str, Item]]) -> tuple[npt.NDArray[np.bool_], Numbers]:
    """Which items are the first of all that are alike but for their instruction; per item the number of its first.

    Held are 64-bit hashes: that two of six million items share one has a chance of one in a million.
    """
    contents = np.fromiter((hash(_without_instruction(item)) for _, item in items), np.int64)
    _, first, inverse = np.unique(contents, return_index=True, return_inverse=True)
    is_first = np.zeros(len(contents), bool)
    is_first[first] = True
    return is_first, (np.cumsum(is_first) - 1)[first][inverse]


def _written(embedder: Encoder, items: Sequence[Item], progress: Progress | None) -> Iterator[str]:
    """What the model writes about a block of items, and what it met, as one line."""
    encoding = embedder.embed(items, extraction="generative", progress=progress)
    row = {"captions": encoding.summaries, "forced_ret": encoding.forced_ret, "truncated": encoding.truncated}
    yield json.dumps(row)


def _without_instruction(item: Item) -> Item:
    # A changed picture needs the words of the change, and they are the item's text: the instruction adds nothing.
    return replace(item, instruction=None)
