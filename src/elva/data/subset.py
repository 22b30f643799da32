"""A smaller root drawn from an M-BEIR tree: the paper's stage 3 trains on 1 % of the queries of each data set.

The queries of each task of each data set are drawn by themselves, so every task keeps its share. The subset's files are
named by task, also where the source's mix tasks: what works task by task (`elva mine`, stage 3) can read it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from elva.data.layout import INSTRUCTIONS, LEXICON, TASKS, TaskName, union_pool_path
from elva.data.mbeir import MBeir
from elva.data.records import Candidate, Query
from elva.data.train_set import Finding, TrainSet, named_candidates
from elva.data.writing import appearing_whole, place_file, write_lines, write_pool, write_queries
from elva.errors import InputError

Progress = Callable[[int], None]
"""Called with the number of candidates written since the last call."""


@dataclass(frozen=True, slots=True)
class SubsetReport:
    """What was drawn: by task (queries drawn, queries there were, candidates in the pool), and bad rows left out."""

    tasks: dict[TaskName, tuple[int, int, int]]
    skipped: int


def draw_subset(
    root: Path | str,
    out: Path | str,
    *,
    share: float = 0.01,
    seed: int = 0,
    splits: Sequence[str] = ("train",),
    datasets: Sequence[str] = (),
    pool_size: int | None = None,
    own_images: bool = False,
    skip_bad_rows: bool = False,
    progress: Progress | None = None,
) -> SubsetReport:
    """Draw a share of the queries of each task and write them as a root of their own.

    Args:
        root: the tree to draw from.
        out: the folder to make; it must not exist, or be empty.
        share: of the queries of each task of each data set, above 0 and at most 1; rounded, at least one.
        seed: the same root, share and seed draw the same queries.
        splits: which splits.
        datasets: names to keep; all when empty.
        pool_size: None keeps pools whole; else each holds what its queries name, and drawn others up to this size.
        own_images: hard-link (else copy) the images that rows name; by default one symbolic link leads to the
            source's image folder, which must stay where it is.
        skip_bad_rows: leave bad rows out and count them, instead of raising.
        progress: told how many candidates were written.

    Raises:
        DataErrors: every bad row, unless they are skipped.
        DataError: there are no such queries, or `out` holds something.
        InputError: the share is none.
    """
    if not 0 < share <= 1:
        raise InputError(f"a share of {share:g} can't be drawn: give one above 0 and at most 1, such as 0.01")
    data, counts = MBeir.open(root, skip_bad_rows=skip_bad_rows), {}
    with appearing_whole(Path(out)) as folder:
        writing = _Writing(data, folder, seed, pool_size, progress)
        for split in splits:
            train = data.train_examples(split, datasets)
            for name, queries in sorted(_by_task(train, split).items()):
                drawn = _drawn(queries, share, [seed, queries[0].dataset_id, name.task])
                counts[name] = (len(drawn), len(queries), writing.task(name, drawn))
        writing.images(own_images)
        for file in filter(lambda each: (data.root / each).is_file(), (INSTRUCTIONS, LEXICON)):
            place_file(data.root / file, folder / file)
    return SubsetReport(counts, sum(data.rows.skipped.values()))


def _by_task(train: TrainSet, split: str) -> dict[TaskName, list[Query]]:
    """The queries of each task, each once: the published union file repeats those of the small data sets."""
    tasks: dict[TaskName, dict[str, Query]] = defaultdict(dict)
    for query in train.queries:
        tasks[TaskName(train.names[query.dataset_id], query.task, split)][query.qid] = query
    return {name: [*queries.values()] for name, queries in tasks.items()}


def _drawn(queries: Sequence[Query], share: float, seed: Sequence[int]) -> list[Query]:
    count = max(1, round(share * len(queries)))
    places = np.random.default_rng(seed).permutation(len(queries))[:count]
    return [queries[place] for place in sorted(places.tolist())]


@dataclass(slots=True)
class _Writing:
    data: MBeir
    out: Path
    seed: int
    pool_size: int | None
    progress: Progress | None
    images_named: set[str] = field(default_factory=set)

    def task(self, name: TaskName, queries: Sequence[Query]) -> int:
        """Write one task; gives the size of its pool."""
        judged = self.data.qrels(name) if (self.data.root / name.qrels_path).is_file() else {}
        relevant = {query.qid: judged.get(query.qid) or dict.fromkeys(query.positives, 1) for query in queries}
        lines = [f"{qid} 0 {did} {each[did]} {name.task}" for qid, each in relevant.items() for did in each]
        named = {did for query in queries for did in (*named_candidates(query), *relevant[query.qid])}
        write_queries(self.out, name, queries)
        write_lines(self.out / name.qrels_path, lines)
        self.images_named.update(query.image for query in queries if query.image is not None)
        pool = self.pool(name, queries[0].dataset_id, named)
        write_pool(self.out, name, self.told(pool), split_only=True)
        return len(pool)

    def pool(self, name: TaskName, dataset: int, named: set[str]) -> Sequence[Candidate]:
        """The task's pool, its named candidates with it wherever they lie."""
        candidates = self.source(name, dataset)
        there = {candidate.did for candidate in candidates}
        if self.pool_size is not None:
            candidates = self.reduced(candidates, named, [self.seed, dataset, name.task])
        elsewhere = Finding(self.data)
        elsewhere.look_for(named - there)
        return [*candidates, *elsewhere.finish().values()]

    def source(self, name: TaskName, dataset: int) -> Sequence[Candidate]:
        """The task's own pool; for a task out of a file that mixes some, its part of the split's union pool."""
        union = self.data.root / union_pool_path(name.split)
        if (self.data.root / name.query_path).is_file() or not union.is_file():
            return self.data.pool(name)
        whole, answers = self.data.pool(name, "global"), TASKS[name.task][1]
        return [each for each in whole if each.modality == answers and each.did.startswith(f"{dataset}:")]

    def reduced(
        self, candidates: Sequence[Candidate], named: Collection[str], seed: Sequence[int]
    ) -> Sequence[Candidate]:
        """The named ones, and others drawn up to the pool's size; in their order."""
        kept = {place for place, each in enumerate(candidates) if each.did in named}
        others = [place for place in range(len(candidates)) if place not in kept]
        room = max(0, (self.pool_size or 0) - len(named))
        kept.update(others[i] for i in np.random.default_rng(seed).permutation(len(others))[:room].tolist())
        return [candidates[place] for place in sorted(kept)]

    def told(self, pool: Iterable[Candidate]) -> Iterator[Candidate]:
        """The candidates of a pool on their way to the file."""
        for candidate in pool:
            if candidate.image is not None:
                self.images_named.add(candidate.image)
            yield candidate
            if self.progress:
                self.progress(1)

    def images(self, own: bool) -> None:
        """Bring the images that rows name: each by itself, or the source's image folders by one link each."""
        for image in sorted(self.images_named) if own else ():
            if (
                self.data.root / image
            ).is_file():  # a missing one is a bad row of the source: `elva data check` says so
                place_file(self.data.root / image, self.out / image, link=True)
        for folder in () if own else sorted({Path(image).parts[0] for image in self.images_named}):
            (self.out / folder).symlink_to((self.data.root / folder).resolve())
