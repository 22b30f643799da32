"""A smaller root drawn from an M-BEIR tree: the paper's stage 3 trains on 1 % of the queries of each data set.

The queries of each task of each data set are drawn by themselves, so every task keeps its share. The subset's files are
named by task, also where the source's mix tasks: what works task by task (`elva mine`, stage 3) can read it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import normpath

import numpy as np
import numpy.typing as npt

from elva.data.finding import Finding
from elva.data.layout import INSTRUCTIONS, LEXICON, TASKS, TaskName, union_pool_path
from elva.data.mbeir import MBeir
from elva.data.records import Candidate, Query
from elva.data.stored import Joined, Numbers, Stored
from elva.data.train_set import TrainSet, named_candidates
from elva.data.writing import appearing_whole, place_file, write_lines, write_pool, write_queries
from elva.errors import InputError

Progress = Callable[[int], None]
"""Called with the number of candidates written since the last call."""

TOLD_EVERY = 1000
Flags = npt.NDArray[np.bool_]


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
        writing = SubsetWriting(data, folder, seed, pool_size, own_images, progress)
        for split in splits:
            train = data.train_examples(split, datasets)
            for name, places in sorted(_by_task(train, split).items()):
                queries = _drawn(train, places, name, share, seed)
                counts[name] = (len(queries), len(places), writing.task(name, queries))
        writing.finish()
    return SubsetReport(counts, sum(data.rows.skipped.values()))


def _by_task(train: TrainSet, split: str) -> dict[TaskName, Numbers]:
    """The places of the queries of each task, each once: the published union file repeats those of small data sets."""
    qids = train.queries.column("keys")
    tasks: dict[TaskName, Numbers] = {}
    for (number, task), places in train.sub_tasks.items():
        first = np.sort(np.unique(qids[places], return_index=True)[1])
        tasks[TaskName(train.names[number], task, split)] = places[first]
    return tasks


def _drawn(train: TrainSet, places: Numbers, name: TaskName, share: float, seed: int) -> list[Query]:
    count = max(1, round(share * len(places)))
    rng = np.random.default_rng([seed, train.queries[int(places[0])].dataset_id, name.task])
    return train.queries.only(np.sort(places[rng.permutation(len(places))[:count]]))[:]


@dataclass(slots=True)
class SubsetWriting:
    """Writes queries that were drawn as a root of their own, with all that they name.

    Attributes:
        data: the tree that they were drawn from.
        out: the folder to fill.
        seed: of the candidates that are drawn where pools are cut.
        pool_size: as in `draw_subset`.
        own_images: as in `draw_subset`.
        progress: as in `draw_subset`.
        images_named: images, or their folders, that rows written so far name.
    """

    data: MBeir
    out: Path
    seed: int
    pool_size: int | None
    own_images: bool
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
        for query in queries:
            self.note(query)
        pool = self.pool(name, queries[0].dataset_id, named)
        write_pool(self.out, name, self.told(pool), split_only=True)
        return len(pool)

    def pool(self, name: TaskName, dataset: int, named: set[str]) -> Joined[Candidate]:
        """The task's pool, its named candidates with it wherever they lie."""
        whole, shown = self.source(name, dataset)
        there = {did: row for did in named if (row := whole.places.row(did)) is not None and shown[row]}
        if self.pool_size is not None:
            shown = self.reduced(shown, [*there.values()], len(named), [self.seed, dataset, name.task])
        elsewhere = Finding(self.data)
        elsewhere.look_for(named.difference(there))
        return Joined([whole.only(np.flatnonzero(shown)), *elsewhere.finish().candidates().parts])

    def source(self, name: TaskName, dataset: int) -> tuple[Stored[Candidate], Flags]:
        """A pool, and which of its rows are the task's: all of the task's own pool.

        For a task out of a file that mixes some, its part of the split's union pool.
        """
        union = self.data.root / union_pool_path(name.split)
        if (self.data.root / name.query_path).is_file() or not union.is_file():
            own = self.data.pool(name)
            return own, np.ones(len(own), bool)
        whole, answers = self.data.pool(name, "global"), TASKS[name.task][1]
        fit = (each.modality == answers and each.did.startswith(f"{dataset}:") for each in whole)
        return whole, np.fromiter(fit, bool, len(whole))

    def reduced(self, shown: Flags, kept: Sequence[int], named: int, seed: Sequence[int]) -> Flags:
        """Of the rows the `kept` ones, and others drawn up to the pool's size, of which so many are named."""
        reduced, others = np.zeros_like(shown), shown.copy()
        others[kept] = False
        room = max(0, (self.pool_size or 0) - named)
        rows = np.flatnonzero(others)
        reduced[rows[np.random.default_rng(seed).permutation(len(rows))[:room]]] = True
        reduced[kept] = True
        return reduced

    def note(self, row: Query | Candidate) -> None:
        """Remember an image or a video that a row names: its folder where one link is enough."""
        if (named := row.image or row.video) is not None:
            self.images_named.add(named if self.own_images else normpath(named).partition("/")[0])

    def told(self, pool: Iterable[Candidate]) -> Iterator[Candidate]:
        """The candidates of a pool on their way to the file."""
        count = 0
        for count, candidate in enumerate(pool, 1):
            self.note(candidate)
            yield candidate
            if self.progress and count % TOLD_EVERY == 0:
                self.progress(TOLD_EVERY)
        if self.progress:
            self.progress(count % TOLD_EVERY)

    def finish(self) -> None:
        """Bring what belongs to no task: images, instructions, the words for grains."""
        self.images()
        for file in filter(lambda each: (self.data.root / each).is_file(), (INSTRUCTIONS, LEXICON)):
            place_file(self.data.root / file, self.out / file)

    def images(self) -> None:
        """Bring the images and videos that rows name: each by itself, or the folders they lie in by one link each."""
        for name in sorted(self.images_named) if self.own_images else ():
            named = self.data.root / name  # a missing one is a bad row of the source: `elva data check` says so
            for file in [named, *named.glob("*")]:  # a video may be a folder of frames
                if file.is_file():
                    place_file(file, self.out / name / file.relative_to(named), link=True)
        for folder in () if self.own_images else sorted(self.images_named):
            (self.out / folder).symlink_to((self.data.root / folder).resolve())
