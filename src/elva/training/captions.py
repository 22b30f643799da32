"""`elva caption`: what a model writes, greedily, about every query and candidate of a split.

Stage 2 reads these summaries while it learns to embed; stage 3 takes the order of negatives from them. With the
base model as the writer they are free of labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from elva.data.mbeir import MBeir, Query, TaskName
from elva.data.validation import open_tasks
from elva.grains import Facts, Lexicon
from elva.items import Item
from elva.model.embedder import Embedder
from elva.training.prepared import CAPTION_KEYS, candidate_key, query_key, write_caption_rows
from elva.training.rowfile import require_rowfile


@dataclass(frozen=True, slots=True)
class CaptionReport:
    """What was written.

    Attributes:
        captions: how many.
        forced_ret: for how many of the distinct items [RET] had to be forced.
        truncated: how many of their texts were cut.
        skipped: how many bad rows were left out.
        named: kind -> (grains that the captions name, grains there are), over queries that are a picture alone and
            list their grains. A value counts wherever in the caption it stands.
    """

    captions: int
    forced_ret: int
    truncated: int
    skipped: int
    named: Mapping[str, tuple[int, int]]


def split_items(data: MBeir, names: Sequence[TaskName]) -> dict[str, Item]:
    """Every query (with its instruction) and pool candidate of these tasks, by key."""
    items: dict[str, Item] = {}
    for name in names:
        items |= {query_key(query.qid): data.query_item(query) for query in data.queries(name)}
        items |= {candidate_key(c.did): data.candidate_item(c) for c in data.pool(name)}
    return items


def named_items(data: MBeir, split: str, datasets: Sequence[str]) -> dict[str, Item]:
    """Every query of a split and the candidates that the rows of queries name, by key: what stage 2 reads."""
    train = data.train_examples(split, datasets)
    items = {query_key(query.qid): data.query_item(query) for query in train.queries}
    return items | {candidate_key(c.did): data.candidate_item(c) for c in train.candidates.values()}


def write_captions(
    root: Path,
    embedder: Embedder,
    out: Path,
    *,
    split: str = "train",
    datasets: Sequence[str] = (),
    named_only: bool = False,
    skip_bad_rows: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> CaptionReport:
    """Caption a split into a JSONL file of {"key", "caption"}.

    Args:
        root: data in M-BEIR layout.
        embedder: the writer, usually the base model.
        out: the file.
        split: which split.
        datasets: only these; all when empty.
        named_only: leave out candidates that no query's row names, which in M-BEIR are nearly all.
        skip_bad_rows: leave bad data rows out and count them instead of refusing the data.
        progress: called with (done now, total).

    Raises:
        InputError: no task fits the choice, or `out` holds anything but captions.
        DataErrors: every bad row, unless they are to be left out.
    """
    require_rowfile(out, CAPTION_KEYS)
    data, names, skipped = open_tasks(root, split, datasets, by_task=not named_only, skip_bad_rows=skip_bad_rows)
    items = named_items(data, split, datasets) if named_only else split_items(data, names)
    # Many queries are one text or picture asked twice: write once per distinct item.
    unique = list({_without_instruction(item): None for item in items.values()})
    tick = (lambda n: progress(n, len(unique))) if progress else None
    encoding = embedder.embed(unique, extraction="generative", progress=tick)
    distinct = dict(zip(unique, encoding.summaries, strict=True))
    captions = {key: distinct[_without_instruction(item)] for key, item in items.items()}
    write_caption_rows(out, captions)
    queries = [query for name in names for query in data.queries(name) if query_key(query.qid) in captions]
    named = naming(queries, captions, data.lexicon())
    return CaptionReport(len(items), encoding.forced_ret, encoding.truncated, skipped, named)


def naming(queries: Iterable[Query], captions: Mapping[str, str], lexicon: Lexicon) -> dict[str, tuple[int, int]]:
    """Kind -> (named, there are): see `CaptionReport.named`."""
    named: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for query in queries:
        if query.modality != "image" or not query.grains:
            continue
        written = _values(lexicon.parse(captions[query_key(query.qid)]))
        there = Counter((grain.kind, grain.text) for grain in query.grains)
        total.update({kind: 0 for kind, _ in there})
        for (kind, text), count in there.items():
            total[kind] += count
            named[kind] += min(count, written[kind, text])
    return {kind: (named[kind], count) for kind, count in sorted(total.items())}


def _values(facts: Facts) -> Counter[tuple[str, str]]:
    """How often each (kind, value) is stated."""
    stated = Counter((kind, value) for entity in facts.entities for kind, value in entity.items())
    stated.update(facts.scene.items())
    stated.update(("relation", value) for _, value, _ in facts.relations)
    return stated


def _without_instruction(item: Item) -> Item:
    # A changed picture needs the words of the change, and they are the item's text: the instruction adds nothing.
    return replace(item, instruction=None)
