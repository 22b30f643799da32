"""`elva mrbench build`: queries of two or more grains, the same number of each task, as a data folder of their own.

The queries of a task are looked at in an order drawn with the seed until enough of them are kept. So one that people
rejected makes room for the next in the order, and all others stay.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from elva.data.layout import TaskName
from elva.data.mbeir import MBeir, Query
from elva.data.opening import open_tasks
from elva.data.stored import Lookup
from elva.data.subset import SubsetWriting
from elva.encoding import Watch
from elva.errors import InputError
from elva.index.folder import Kind, published, require_free, write_json
from elva.mrbench.agreement import Agreement
from elva.mrbench.card import data_card
from elva.mrbench.decisions import Review, Sample, dropped, sample_of
from elva.mrbench.finding import Finder

PAPER = (("cirr", 7), ("mscoco", 0), ("mscoco", 3), ("nights", 4))
"""The tasks of the paper's benchmark."""
TOTAL, MIN_GRAINS = 1000, 2
"""Its number of queries, and how many grains each has at least."""
BLOCK = 64
"""Queries whose grains are found at a time."""
KEPT, FEW_GRAINS, REJECTED = "kept", "few grains", "rejected"
"""What may become of a query that is looked at."""

BENCHMARK = Kind(
    "MRBench",
    "mrbench.json",
    {"schema": "elva-mrbench-1"},
    ("mrbench.json", "README.md", "grains.json", "query/*/*.jsonl", "cand_pool/*/*.jsonl", "qrels/*/*.txt",
     "instructions/*.tsv", "mbeir_images", "mbeir_images/**/*"),
    "elva mrbench build",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was drawn of one task.

    Attributes:
        name: the task.
        queries: those that are kept, with their grains, in the order of the draw.
        there: how many the task has.
        looked_at: how many were looked at.
        few_grains: how many of these have too few grains.
        rejected: how many people rejected.
    """

    name: TaskName
    queries: tuple[Query, ...]
    there: int
    looked_at: int
    few_grains: int
    rejected: int


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What was built.

    Attributes:
        tasks: what was drawn of each.
        wanted: queries of each task that were asked for.
        stale: decisions about queries of the benchmark as they are no more, with other grains or positives.
        missing: images of queries and positives that aren't there.
        first_missing: one of them.
        row: what mrbench.json holds.
    """

    tasks: tuple[Drawn, ...]
    wanted: int
    stale: int
    missing: int
    first_missing: str | None
    row: dict[str, Any]

    def lines(self) -> list[str]:
        """For people."""
        lines = [
            f"{each.name}: {len(each.queries):,} of {each.there:,} queries; looked at {each.looked_at:,}: "
            f"{each.few_grains:,} have too few grains, {each.rejected:,} were rejected"
            for each in self.tasks
        ]
        if (number := len(self.tasks[0].queries)) < self.wanted:
            lines.append(
                f"warning: {number:,} queries of each task instead of {self.wanted:,}: the scarcest has no more"
            )
        if self.stale:
            lines.append(f"warning: {self.stale:,} decisions are about other grains or positives and don't count")
        if self.missing:
            lines.append(
                f"warning: {self.missing:,} images of queries and positives are missing, such as {self.first_missing}; "
                "bring the images of these data sets before anything is evaluated"
            )
        return lines


def build(
    root: Path | str,
    out: Path | str,
    finder: Finder,
    *,
    split: str = "test",
    datasets: Sequence[str] = (),
    tasks: Sequence[int] = (),
    total: int = TOTAL,
    min_grains: int = MIN_GRAINS,
    seed: int = 0,
    reviews: Sequence[Review] = (),
    pool_size: int | None = None,
    own_images: bool = False,
    skip_bad_rows: bool = False,
    watch: Watch | None = None,
) -> BuildReport:
    """Draw a benchmark of queries with several grains and write it, at once or not at all.

    Args:
        root: the tree to draw from.
        out: the folder to write; an older benchmark there is replaced.
        finder: finds the grains.
        split: which split.
        datasets: names to draw from; with `tasks` empty too, the four tasks of the paper.
        tasks: task ids to draw from; all of the data sets when empty.
        total: how many queries; each task gets the same number, so perhaps a few less.
        min_grains: how many grains each has at least.
        seed: the same seed, data, grains and decisions write the same bytes.
        reviews: what people decided about an earlier build; what they rejected is left out.
        pool_size: None keeps the pools whole; else as in `draw_subset`.
        own_images: hard-link the images that rows name, instead of one link to the source's folder.
        skip_bad_rows: leave bad rows out and count them, instead of raising.
        watch: told of the work.

    Raises:
        InputError: no such task, or one that gives no query.
        DataErrors: every bad row, unless they are skipped.
        FolderError: `out` holds anything but such a benchmark.
    """
    out = Path(out)
    require_free(out, BENCHMARK)
    data, names, skipped = _opened(Path(root), split, datasets, tasks, skip_bad_rows, watch)
    wanted = total // len(names)
    if not wanted:
        raise InputError(f"{total} queries are too few for {len(names)} tasks: give one for each at least")
    out_of = dropped(reviews)
    drawn = _alike([_draw(data, name, finder, wanted, min_grains, seed, out_of, watch) for name in names], finder)
    row = {
        **BENCHMARK.says,
        "source": data.fingerprint(),
        "split": split,
        "seed": seed,
        "min_grains": min_grains,
        "pool_size": pool_size,
        "skipped_rows": skipped,
        "grains": finder.to_row(),
        "tasks": {str(each.name): _task_row(each) for each in drawn},
        "queries_by_number_of_grains": _by_number(drawn),
        "queries_by_kind": _by_kind(drawn),
        "decisions": Agreement.of(reviews).to_row() if reviews else None,
    }
    progress = watch("candidates", None) if watch else None
    with published(out, BENCHMARK) as folder:
        writing = SubsetWriting(data, folder, seed, pool_size, own_images, progress)
        for each in drawn:
            row["tasks"][str(each.name)]["pool"] = writing.task(each.name, each.queries)
        writing.finish()
        write_json(folder / "mrbench.json", row)
        (folder / "README.md").write_text(data_card(row), "utf-8")
    missing = _missing_images(data, drawn)
    return BuildReport(tuple(drawn), wanted, _stale(drawn, reviews), len(missing), missing[0] if missing else None, row)


def _opened(
    root: Path, split: str, datasets: Sequence[str], tasks: Sequence[int], skip_bad_rows: bool, watch: Watch | None
) -> tuple[MBeir, list[TaskName], int]:
    if not datasets and not tasks:
        datasets, tasks = sorted({dataset for dataset, _ in PAPER}), sorted({task for _, task in PAPER})
        known = MBeir.open(root).tasks(split)
        there = {(name.dataset, name.task) for name in known}
        if lacking := [f"{dataset} task {task}" for dataset, task in PAPER if (dataset, task) not in there]:
            have = ", ".join(map(str, known)) or "none"
            raise InputError(
                f"{root} lacks {', '.join(lacking)}, of the {split} tasks that MRBench is made of; "
                f"choose others with --dataset and --task. It has {have}"
            )
    return open_tasks(
        root, split, datasets, tasks, by_task=True, skip_bad_rows=skip_bad_rows, check_images=False, watch=watch
    )


def _draw(
    data: MBeir,
    name: TaskName,
    finder: Finder,
    wanted: int,
    min_grains: int,
    seed: int,
    rejected: frozenset[Sample],
    watch: Watch | None,
) -> Drawn:
    queries, pool = data.queries(name), Lookup([data.pool(name)])
    progress = watch(f"{name}: queries", min(wanted, len(queries))) if watch else None
    order = random.Random(f"{seed}/{name}").sample(range(len(queries)), len(queries))
    kept: list[Query] = []
    met: Counter[str] = Counter()
    for start in range(0, len(order), BLOCK):
        block = [queries[place] for place in order[start : start + BLOCK]]
        for query, grains in zip(block, finder.find(data, block, pool), strict=True):
            if len(kept) == wanted:
                break
            with_grains = replace(query, grains=grains)
            reason = _reason(with_grains, min_grains, rejected)
            met[reason] += 1
            if reason == KEPT:
                kept.append(with_grains)
                if progress:
                    progress(1)
        if len(kept) == wanted:
            break
    return Drawn(name, tuple(kept), len(queries), met.total(), met[FEW_GRAINS], met[REJECTED])


def _reason(query: Query, min_grains: int, rejected: frozenset[Sample]) -> str:
    """What becomes of a query."""
    if len(query.grains) < min_grains:
        return FEW_GRAINS
    return REJECTED if sample_of(query) in rejected else KEPT


def _alike(drawn: Sequence[Drawn], finder: Finder) -> list[Drawn]:
    """The same number of queries of each task, as many as the scarcest has; InputError where that is none."""
    number = min(len(each.queries) for each in drawn)
    if not number:
        empty = next(each for each in drawn if not each.queries)
        raise InputError(
            f"{empty.name} gives no query: of {empty.there:,}, {empty.few_grains:,} have too few grains and "
            f"{empty.rejected:,} were rejected; {finder.remedy()}"
        )
    return [replace(each, queries=each.queries[:number]) for each in drawn]


def _task_row(drawn: Drawn) -> dict[str, int]:
    return {
        "queries": len(drawn.queries),
        "there": drawn.there,
        "looked_at": drawn.looked_at,
        "few_grains": drawn.few_grains,
        "rejected": drawn.rejected,
    }


def _by_number(drawn: Sequence[Drawn]) -> dict[str, int]:
    numbers = Counter(len(query.grains) for each in drawn for query in each.queries)
    return {str(number): numbers[number] for number in sorted(numbers)}


def _by_kind(drawn: Sequence[Drawn]) -> dict[str, int]:
    kinds = Counter(kind for each in drawn for query in each.queries for kind in {g.kind for g in query.grains})
    return {kind: kinds[kind] for kind in sorted(kinds)}


def _stale(drawn: Sequence[Drawn], reviews: Sequence[Review]) -> int:
    """Decisions about kept queries as they were before."""
    now = dict(sample_of(query) for each in drawn for query in each.queries)
    return sum(now.get(qid, shown) != shown for review in reviews for qid, shown in review.decisions)


def _missing_images(data: MBeir, drawn: Sequence[Drawn]) -> list[str]:
    """Paths of images that queries and their positives name and that aren't there, in alphabetical order."""
    named: set[str | None] = set()
    for each in drawn:
        pool = Lookup([data.pool(each.name)])
        for query in each.queries:
            named |= {query.image, *(pool[did].image for did in query.positives if did in pool)}
    return sorted(path for path in named if path is not None and not (data.root / path).is_file())
